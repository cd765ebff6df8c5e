import awkward as ak
import numpy as np
import pytest
import torch
import uproot

from hepreco.conventions import TOP_MASS, W_MASS
from hepreco.errors import ConfigError
from hepreco.generation import PROCESSES, ToySample, toy_events, write_toy
from hepreco.kinematics import mass


def test_event_i_does_not_depend_on_how_many_are_asked_for(tmp_path):
    few, many = (write_toy(ToySample("ttbar-hadronic", n, seed=5), tmp_path / f"{n}.root") for n in (1300, 2500))
    with uproot.open(few)["Events"] as first, uproot.open(many)["Events"] as second:
        for branch in first.keys():  # noqa: SIM118  iterating gives the branches themselves
            assert ak.array_equal(first[branch].array(), second[branch].array()[:1300]), branch


def test_seeds_differ():
    first, second = (toy_events(ToySample("multijet", 100, seed=seed)).jets for seed in (1, 2))
    assert not torch.equal(first, second)


@pytest.mark.parametrize("process", PROCESSES)
def test_jets_are_ordered_inside_acceptance_and_named_as_in_nanoaod(process, tmp_path):
    path = write_toy(ToySample(process, 500), tmp_path / "toy.root")
    with uproot.open(path)["Events"] as tree:
        events = tree.arrays()
    assert len(events) == 500
    assert ak.all(events.Jet_pt[:, 1:] <= events.Jet_pt[:, :-1])
    assert ak.all(events.Jet_pt > 20)
    assert ak.all(abs(events.Jet_eta) < 4.7)
    leptons = ak.sum(events.nElectron + events.nMuon)
    assert leptons == (500 if process == "ttbar-lepton-jets" else 0)


def test_partons_reconstruct_the_masses_within_the_resolution():
    """80 %/√E ⊕ 5 % gives about 8 GeV at m_W and 11 GeV at m_t; the means follow the poles within statistics."""
    toy = toy_events(ToySample("ttbar-hadronic", 1000, seed=3))
    jets = toy.jets[:, :6]
    whole = (jets[..., 0] > 0).all(dim=1)
    w = mass(jets[whole, 1] + jets[whole, 2])
    top = mass(jets[whole, :3].sum(dim=1))
    assert w.median().item() == pytest.approx(W_MASS, abs=1.5)
    assert top.median().item() == pytest.approx(TOP_MASS, abs=2.0)
    assert 6 < w.std() < 10
    assert 8 < top.std() < 14


def test_tag_efficiencies():
    toy = toy_events(ToySample("ttbar-hadronic", 1000))
    tagged = toy.btag > 0.2783
    b = toy.flavour == 5
    assert tagged[b].double().mean().item() == pytest.approx(0.77, abs=0.03)
    assert tagged[~b].double().mean().item() == pytest.approx(0.05, abs=0.01)


def test_missing_momentum_of_lepton_jets_follows_the_neutrino():
    hadronic, leptonic = (
        toy_events(ToySample(process, 1000)).missing_momentum.norm(dim=1).median()
        for process in ("ttbar-hadronic", "ttbar-lepton-jets")
    )
    assert leptonic > 1.5 * hadronic


def test_no_events_make_an_empty_file(tmp_path):
    path = write_toy(ToySample("multijet", 0), tmp_path / "empty.root")
    with uproot.open(path)["Events"] as tree:
        assert tree.num_entries == 0
        assert "Jet_pt" in tree


def test_an_unknown_process_is_refused():
    with pytest.raises(ConfigError, match="no toy process"):
        ToySample("ttbar", 10)


def test_weights_are_one(tmp_path):
    with uproot.open(write_toy(ToySample("multijet", 10), tmp_path / "toy.root"))["Events"] as tree:
        assert np.all(tree["genWeight"].array() == 1)
