"""Pythia 8 reads our Les Houches event files, and its jets become the same objects."""

import sys
from pathlib import Path

import awkward as ak
import numpy as np
import pytest
import uproot
import vector
from torch import Tensor

from hepreco.errors import ConfigError, DatasetError
from hepreco.generation import Detector, PartonEvents, Sample, import_lhe, read_lhe, write_sample
from hepreco.generation.detector import shower
from hepreco.generation.hard import IntegrationBudget
from hepreco.kinematics import pt

QUICK = IntegrationBudget(iterations=2, points=2000, last=5000)


def written(path: Path, process: str, events: int) -> Path:
    write_sample(Sample(process, events, seed=3, budget=QUICK), path)
    return path


@pytest.fixture(scope="module")
def hadronic(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return written(tmp_path_factory.mktemp("shower") / "tt.lhe.gz", "ttbar-hadronic", 150)


@pytest.fixture(scope="module")
def dilepton(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return written(tmp_path_factory.mktemp("shower") / "ll.lhe", "ttbar-dilepton", 150)


def test_jets_of_hadronic_tops(hadronic: Path, tmp_path: Path) -> None:
    perfect = Detector(jet_stochastic=0.0, jet_constant=0.0, jet_angle=0.0, missing_noise=0.0)
    assert import_lhe(hadronic, tmp_path / "tt.root", detector=perfect, parton_shower=True) == 150
    jets = uproot.open(f"{tmp_path}/tt.root:Events").arrays(filter_name="Jet_*")
    matched = [ak.any(jets.Jet_truthParton == parton, axis=1) for parton in range(6)]
    assert 0.7 < np.mean(matched) < 0.95
    both = matched[1] & matched[2]  # the quarks of one W
    momenta = vector.zip({name: jets[f"Jet_{name}"] for name in ("pt", "eta", "phi", "mass")})
    quark, other = (ak.firsts(momenta[jets.Jet_truthParton == parton])[both] for parton in (1, 2))
    assert ak.sum(both) > 60
    assert np.median(ak.to_numpy(ak.drop_none((quark + other).mass))) == pytest.approx(79.0, abs=3.0)
    b_jets = (jets.Jet_truthParton == 0) | (jets.Jet_truthParton == 3)
    assert ak.mean(jets.Jet_hadronFlavour[b_jets] == 5) > 0.9


def test_prompt_leptons_and_neutrinos(dilepton: Path) -> None:
    partons, objects = next(shower(dilepton, seed=1, radius=0.4, pt_min=15.0))
    count = (objects.lepton_pdg_id != 0).sum(dim=1)
    assert 1.5 < count.double().mean() <= 2.0
    assert count.max() == 2
    charges = objects.lepton_pdg_id.sign().sum(dim=1)[count == 2]
    assert (charges == 0).all()
    missing = float(objects.missing_momentum.norm(dim=1).median())
    assert missing == pytest.approx(float(_neutrinos(partons).median()), rel=0.2)


def _neutrinos(partons: PartonEvents) -> Tensor:
    invisible = (partons.pdg_id.abs() % 2 == 0) & (partons.pdg_id.abs() > 11) & (partons.pdg_id.abs() < 17)
    return pt((partons.momenta * (invisible & (partons.status == 1))[..., None]).sum(dim=1))


def test_an_event_does_not_depend_on_those_that_follow(hadronic: Path, tmp_path: Path) -> None:
    short = tmp_path / "short.lhe"
    written(short, "ttbar-hadronic", 20)
    few = next(shower(short, seed=5, radius=0.4, pt_min=20.0))[1]
    more = next(shower(hadronic, seed=5, radius=0.4, pt_min=20.0))[1][:20]
    slots = few.jets.shape[1]
    assert (few.jets == more.jets[:, :slots]).all()
    assert not more.jets[:, slots:].any()


def test_it_reads_every_event(hadronic: Path) -> None:
    showered = [events for events, _ in shower(hadronic, seed=1, radius=0.4, pt_min=20.0)]
    assert sum(map(len, showered)) == sum(map(len, read_lhe(hadronic)))


def test_an_event_that_cannot_be_showered(dilepton: Path, tmp_path: Path) -> None:
    damaged = tmp_path / "damaged.lhe"
    text = dilepton.read_text()
    damaged.write_text(text.replace(" 501 ", " 777 ", 1))
    with pytest.raises(DatasetError, match="event 1"):
        list(shower(damaged, seed=1, radius=0.4, pt_min=20.0))
    with pytest.raises(DatasetError, match="event 1"):
        import_lhe(damaged, tmp_path / "out.root", detector=Detector(), parton_shower=True)
    assert not (tmp_path / "out.root").exists()


def test_without_pythia(hadronic: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pythia8mc", None)
    with pytest.raises(ConfigError, match=r"hepreco\[shower\]"):
        next(shower(hadronic, seed=1, radius=0.4, pt_min=20.0))
