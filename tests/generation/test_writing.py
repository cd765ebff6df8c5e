"""Samples as files: one seed, one sample; interrupted, resumed; what readers find."""

import json
import warnings
from dataclasses import asdict, replace

import awkward as ak
import numpy as np
import pytest
import torch
import uproot
from coffea.nanoevents import NanoAODSchema, NanoEventsFactory
from ready import CONTEXT

from hepreco.amplitudes import LEADING_ORDER
from hepreco.errors import ConfigError, DatasetError, OutputError
from hepreco.formats.records import join
from hepreco.generation import Cuts, Detector, Sample, import_lhe, is_written, read_lhe, read_lhe_header, write_sample
from hepreco.generation.hard import Beams, HardProcess, IntegrationBudget
from hepreco.generation.hard.parton_level import make_batch
from hepreco.generation.hard.sampler import adapt
from hepreco.generation.samples import produce
from hepreco.generation.samples import production as production_module

#: Quick to adapt to.
LIGHT = "u d~ > w+, w+ > e+ ve"
QUICK = IntegrationBudget(iterations=2, points=2000, last=5000)
TOP_PAIRS = Sample("ttbar-lepton-jets", 700, seed=4, budget=QUICK)


def light(events, *, seed=1):
    return Sample(LIGHT, events, seed=seed, budget=QUICK)


@pytest.fixture(scope="module")
def top_pairs(tmp_path_factory):
    path = tmp_path_factory.mktemp("written") / "tt.root"
    write_sample(TOP_PAIRS, path)
    return path


def read(path):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        return NanoEventsFactory.from_root({str(path): "Events"}, schemaclass=NanoAODSchema, mode="virtual").events()


def same(first, second, count):
    with uproot.open(first)["Events"] as one, uproot.open(second)["Events"] as other:
        assert set(one.keys()) == set(other.keys())
        return all(ak.array_equal(one[name].array()[:count], other[name].array()[:count]) for name in one.keys())  # noqa: SIM118


def test_event_i_of_a_sample_is_event_i_of_a_larger_one(tmp_path):
    for events in (300, 12_000):
        write_sample(light(events, seed=5), tmp_path / f"{events}.root")
    assert same(tmp_path / "300.root", tmp_path / "12000.root", 300)


def test_events_come_in_blocks_of_any_size(tmp_path):
    production = produce(light(250), tmp_path)
    (whole,) = production.blocks(1000)
    for size, numbers in ((100, [100, 100, 50]), (250, [250]), (125, [125, 125])):
        blocks = list(production.blocks(size))
        assert [len(block) for block in blocks] == numbers
        assert torch.equal(torch.cat([block.momenta for block in blocks]), whole.momenta)


def test_a_sample_may_adapt_for_less():
    assert light(1).preset.budget == QUICK
    assert Sample(LIGHT, 1).preset.budget == IntegrationBudget()
    assert light(1).digest != Sample(LIGHT, 1).digest
    with pytest.raises(ConfigError, match="0 points"):
        IntegrationBudget(points=0)


def test_seeds_differ(tmp_path):
    for seed in (1, 2):
        write_sample(light(50, seed=seed), tmp_path / f"{seed}.root")
    assert not same(tmp_path / "1.root", tmp_path / "2.root", 50)


def test_trials_do_not_depend_on_their_batch():
    sampler = adapt([HardProcess(LIGHT)], seed=1, budget=IntegrationBudget(2, 2000, 2000))
    whole = sampler.trials(0, 3000).points[0]
    parts = [sampler.trials(first, 1000).points[0] for first in (0, 1000, 2000)]
    assert torch.equal(whole.momenta, torch.cat([part.momenta for part in parts]))
    assert torch.equal(whole.weights, torch.cat([part.weights for part in parts]))


def test_processes_share_the_work(tmp_path, monkeypatch):
    monkeypatch.setattr(production_module, "get_context", lambda _: CONTEXT)
    sample = light(20_000, seed=2)
    alone, shared = (produce(sample, tmp_path / str(workers), workers=workers) for workers in (1, 2))
    assert alone.cross_section == shared.cross_section
    assert all(torch.equal(a.momenta, b.momenta) for a, b in zip(alone.blocks(9000), shared.blocks(9000), strict=True))


def test_an_interrupted_sample_goes_on(tmp_path, monkeypatch):
    sample, calls = light(20_000, seed=3), []

    def interrupted(*arguments, **options):
        calls.append(arguments)
        if len(calls) == 2:
            raise KeyboardInterrupt
        return make_batch(*arguments, **options)

    with monkeypatch.context() as patch:
        patch.setattr(production_module, "make_batch", interrupted)
        with pytest.raises(KeyboardInterrupt):
            write_sample(sample, tmp_path / "a.root")
    assert not (tmp_path / "a.root").exists()
    assert (tmp_path / "a.root.parts").exists()
    with monkeypatch.context() as patch:
        patch.setattr(production_module, "adapt", None)  # not again
        write_sample(sample, tmp_path / "a.root")
    write_sample(sample, tmp_path / "b.root")
    assert same(tmp_path / "a.root", tmp_path / "b.root", 20_000)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.root", "b.root"]


def test_unfinished_events_of_another_sample_are_not_taken_up(tmp_path):
    produce(light(10, seed=1), tmp_path / "a.root.parts")
    with pytest.raises(OutputError, match="another sample"):
        write_sample(light(10, seed=2), tmp_path / "a.root")
    write_sample(light(10, seed=2), tmp_path / "a.root", overwrite=True)


def test_a_full_disk_is_an_error_and_leaves_no_file(tmp_path, monkeypatch):
    def full(*_, **__):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(production_module, "save_file", full)
    with pytest.raises(OutputError, match="No space left"):
        write_sample(light(10), tmp_path / "a.root")
    assert not (tmp_path / "a.root").exists()


def test_existing_files_are_kept(tmp_path):
    (tmp_path / "a.root").write_text("mine")
    with pytest.raises(OutputError, match="exists"):
        write_sample(light(10), tmp_path / "a.root")
    assert (tmp_path / "a.root").read_text() == "mine"


def test_other_endings_are_refused(tmp_path):
    with pytest.raises(OutputError, match=r"\.root, \.lhe or \.lhe\.gz"):
        write_sample(light(10), tmp_path / "a.txt")


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        ({"process": "ttbar"}, "no sample"),
        ({"events": -1}, "-1 events"),
        ({"seed": -1}, "seed"),
        ({"densities": "x"}, "no parton"),
    ],
)
def test_what_does_not_exist_is_refused(arguments, word, tmp_path):
    with pytest.raises(ConfigError, match=word):
        write_sample(Sample(**({"process": LIGHT, "events": 1} | arguments)), tmp_path / "a.root")


def test_no_events_make_an_empty_file(tmp_path):
    made = write_sample(light(0), tmp_path / "a.root")
    assert made.events == 0
    assert made.cross_section.value > 0
    assert len(read(tmp_path / "a.root")) == 0


def test_coffea_reads_all_without_warnings(top_pairs):
    events = read(top_pairs)
    assert len(events) == 700
    assert ak.all(events.Jet.pt[:, 1:] <= events.Jet.pt[:, :-1])
    assert ak.all(events.Jet.pt > 20)
    assert ak.all(abs(events.Jet.eta) < 4.7)
    for field in events.fields:
        ak.materialize(events[field])


def test_truth_points_to_what_jets_and_leptons_come_from(top_pairs):
    events = read(top_pairs)
    jets = events.Jet[events.Jet.truthParton >= 0]
    parton = events.GenPart[jets.truthGenPartIdx]
    assert ak.all((abs(parton.pdgId) <= 5) | (parton.pdgId == 21))
    final = events.LHEPart[events.LHEPart.status == 1]
    assert ak.all(final[jets.truthParton].pdgId == parton.pdgId)
    near = abs(jets.eta - parton.eta) < 0.3
    assert ak.mean(near) > 0.95
    assert ak.all(jets.hadronFlavour[abs(parton.pdgId) == 5] == 5)
    lepton = ak.concatenate((events.Electron.matched_gen.pdgId, events.Muon.matched_gen.pdgId), axis=1)
    found = ak.concatenate((events.Electron.pdgId, events.Muon.pdgId), axis=1)
    assert ak.all(lepton == found)
    assert len(ak.flatten(found)) > 300


def test_history(top_pairs):
    events = read(top_pairs)
    w = events.GenPart[abs(events.GenPart.pdgId) == 24]
    assert ak.all(abs(w.parent.pdgId) == 6)
    assert ak.all(ak.num(w.children, axis=2) == 2)
    assert ak.all(w.hasFlags(["isHardProcess", "isLastCopy", "isPrompt"]))
    incoming = events.LHEPart[events.LHEPart.status == -1]
    outgoing = events.LHEPart[events.LHEPart.status == 1]
    pz = outgoing.pt * np.sinh(outgoing.eta)
    np.testing.assert_allclose(ak.sum(incoming.incomingpz, axis=1), ak.sum(pz, axis=1), rtol=1e-3, atol=0.05)


def test_the_file_says_what_it_is(top_pairs):
    with uproot.open(top_pairs) as file:
        described = json.loads(str(file["hepreco"]))
        assert file["Runs"]["genEventCount"].array()[0] == 700
        weights = file["Events"]["genWeight"].array(library="np").astype(float).sum()
        assert file["Runs"]["genEventSumw"].array()[0] == pytest.approx(weights, rel=1e-6)
    assert described["process"] == "ttbar-lepton-jets"
    assert described["cross_section"] == pytest.approx(190, rel=0.1)
    assert described["model"] == asdict(LEADING_ORDER)
    assert is_written(TOP_PAIRS, top_pairs)
    assert not is_written(replace(TOP_PAIRS, events=701), top_pairs)


def test_a_sample_has_a_model(tmp_path):
    model = replace(LEADING_ORDER, m_t=165.0)
    write_sample(Sample("ttbar-hadronic", 100, model=model, budget=QUICK), tmp_path / "a.root")
    events = read(tmp_path / "a.root")
    top = events.GenPart[events.GenPart.pdgId == 6]
    assert np.median(ak.flatten(top.mass)) == pytest.approx(165.0, abs=0.5)
    assert is_written(Sample("ttbar-hadronic", 100, model=model, budget=QUICK), tmp_path / "a.root")
    assert not is_written(Sample("ttbar-hadronic", 100, budget=QUICK), tmp_path / "a.root")


def test_les_houches_files_hold_the_same_events(tmp_path):
    sample = Sample("ttbar-hadronic", 200, seed=9, budget=QUICK)
    made = write_sample(sample, tmp_path / "a.lhe.gz")
    events = join(list(read_lhe(tmp_path / "a.lhe.gz")))
    kept = join(list(produce(sample, tmp_path / "again").blocks(200)))
    torch.testing.assert_close(events.momenta, kept.momenta, rtol=1e-12, atol=1e-9)
    assert torch.equal(events.pdg_id, kept.pdg_id)
    assert torch.equal(events.colour, kept.colour)
    assert read_lhe_header(tmp_path / "a.lhe.gz").cross_section == made.cross_section


def test_imports_of_madgraph(samples, tmp_path):
    assert import_lhe(samples / "tt.lhe.gz", tmp_path / "tt.root", detector=Detector()) == 10_000
    events = read(tmp_path / "tt.root")
    top = events.GenPart[events.GenPart.pdgId == 6]
    assert ak.mean(top.mass) == pytest.approx(173.0, abs=0.5)


def test_a_damaged_import_leaves_nothing(tmp_path):
    (tmp_path / "a.lhe").write_text("nonsense")
    with pytest.raises(DatasetError):
        import_lhe(tmp_path / "a.lhe", tmp_path / "a.root", detector=Detector())
    assert not (tmp_path / "a.root").exists()


def test_cuts_hold_in_the_laboratory(tmp_path):
    cuts = Cuts(pt_min=25.0, eta_max=2.0, mass_window=(70.0, 90.0))
    made = produce(Sample("u u~ > e- e+", 500, cuts=cuts), tmp_path)
    (events,) = made.blocks(500)
    final = events.momenta[:, 2:]
    assert torch.hypot(final[..., 1], final[..., 2]).min() > 25
    total = final.sum(1)
    m2 = total[:, 0] ** 2 - (total[:, 1:] ** 2).sum(1)
    assert m2.min() >= 70**2
    assert m2.max() <= 90**2


def test_partons_of_fixed_energy(tmp_path):
    sample = Sample("e- e+ > mu- mu+", 100, energy=200.0, densities="none")
    (events,) = produce(sample, tmp_path).blocks(100)
    torch.testing.assert_close(events.momenta[:, 0, 0], torch.full((100,), 100.0, dtype=torch.float64))
    assert events.pdg_id[0].tolist() == [11, -11, 13, -13]
    assert Beams(200.0, None).densities is None
