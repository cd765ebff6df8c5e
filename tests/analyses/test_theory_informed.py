"""The analysis that measures theory-informed reconstruction: its truth, its wrappers, its areas, its run."""

import os
from dataclasses import replace
from pathlib import Path

import awkward as ak
import numpy as np
import pytest
import torch
import uproot
from ready import python

from hepreco.events import Dataset, read_batch
from hepreco.generation import Sample, write_sample
from hepreco.generation.hard import IntegrationBudget
from hepreco.histograms import read_histograms
from hepreco.kinematics import from_pt_eta_phi_mass, mass
from hepreco_me_assigner import Anomaly, MatrixElementAssigner

HERE = Path(__file__).parents[2] / "analyses" / "theory_informed"
EVENTS = 60
#: Of masses at parton level from their poles (GeV): resonances are cut off at 15 widths.
FARTHEST = 35.0
ROUNDING = 1e-9
#: GeV; files hold pt, η, φ and mass in single precision.
SINGLE_PRECISION = 0.01


@pytest.fixture(scope="module")
def analysis():
    """The modules of the analysis, which is no package."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(HERE))
        import scores  # noqa: PLC0415
        import truth  # noqa: PLC0415

        yield {"truth": truth, "scores": scores}


@pytest.fixture(scope="module")
def sample(tmp_path_factory):
    path = tmp_path_factory.mktemp("samples") / "ttbar.root"
    write_sample(
        Sample("ttbar-hadronic", EVENTS, seed=5, budget=IntegrationBudget(iterations=2, points=2000, last=5000)), path
    )
    return path


@pytest.fixture(scope="module")
def read(sample):
    return lambda plugin: read_batch(Dataset("ttbar", (str(sample),)), plugin.inputs)


@pytest.fixture(scope="module")
def resonances(sample):
    """Four-momenta of t, t̄ and of W⁺, W⁻ as the file has them, (event, 2, 4): rows of their own, not sums of quarks."""
    with uproot.open(sample)["Events"] as tree:
        columns = tree.arrays([f"LHEPart_{name}" for name in ("pt", "eta", "phi", "mass", "pdgId", "status")])

    def of(pdg_id):
        row = (columns.LHEPart_pdgId == pdg_id) & (columns.LHEPart_status == 2)
        assert ak.all(ak.sum(row, axis=1) == 1)
        values = [ak.to_numpy(ak.flatten(columns[f"LHEPart_{name}"][row])) for name in ("pt", "eta", "phi", "mass")]
        return from_pt_eta_phi_mass(*(torch.from_numpy(x).double() for x in values))

    return {name: torch.stack((of(number), of(-number)), dim=1) for name, number in (("top", 6), ("w", 24))}


def test_truth_is_what_the_file_says_of_the_resonances(analysis, read, resonances):
    truth = analysis["truth"].Truth("ttbar")
    found = truth.reconstruct(read(truth))
    for name, expected in resonances.items():
        torch.testing.assert_close(found[name], expected, rtol=0, atol=SINGLE_PRECISION)


def test_truth_has_the_masses_of_the_resonances(analysis, read):
    truth = analysis["truth"].Truth("ttbar")
    found = truth.reconstruct(read(truth))
    for name, pole, width in (("top", 173.0, 1.4915), ("w", 80.419, 2.0476)):
        away = (mass(found[name]) - pole).abs()
        assert away.max() < min(FARTHEST, 15 * width + SINGLE_PRECISION)
        assert 0.35 < float((away < width / 2).double().mean()) < 0.65  # half of a Breit-Wigner curve
    assert (found["log_ratio"] < 0).double().mean() > 0.95


def test_the_optimum_is_at_or_above_truth(analysis, read):
    truth = analysis["truth"]
    assigner = MatrixElementAssigner(at_most=6, **truth.PARTONS)
    beside = truth.AgainstTruth(assigner)
    batch = read(beside)
    found = beside.reconstruct(batch)
    assert (found["log_ratio"] >= -ROUNDING).all()
    expected = found["log_me2"] - truth.true_log_me2(assigner.hypothesis, batch)
    assert torch.allclose(found["log_ratio"], expected, atol=ROUNDING)


def test_truth_of_jets_is_that_of_the_detector(analysis, read, resonances):
    """Energies are measured to 10 to 20 %, so masses of three jets to about a tenth; directions nearly exactly."""
    jets = analysis["truth"].TrueJets()
    batch = read(jets)
    tops = jets.reconstruct(batch)["top"]
    known = ~torch.isnan(tops).any(dim=-1)
    found = mass(tops[known])
    assert len(found)
    assert (found.median() - 173.0).abs() < FARTHEST
    assert len(found) > 20
    assert (found.median() - 173.0).abs() < 5 * 0.12 * 173.0 / len(found) ** 0.5
    parton = torch.where(batch.mask, batch.features["truthParton"], -1.0)
    for event, top in torch.argwhere(known).tolist():
        members = sum(batch.momenta[event][parton[event] == quark] for quark in range(3 * top, 3 * top + 3))
        torch.testing.assert_close(tops[event, top], members[0])
    # Events with less than six jets are not read: the others are found by their numbers.
    true = resonances["top"][batch.event_id[:, 2] - 1][known]
    angle = torch.nn.functional.cosine_similarity(tops[known][:, 1:], true[:, 1:])
    assert angle.median() > 0.9


def test_events_outside_the_window_have_no_answer(analysis, read):
    plugin = Anomaly(**analysis["truth"].PARTONS)
    batch = read(plugin)
    total = mass(batch.momenta.sum(dim=1))
    inside = (total > 400) & (total < 700)
    found = analysis["truth"].InWindow(plugin).reconstruct(batch)["score"]
    assert torch.equal(torch.isfinite(found), inside)
    assert torch.allclose(found[inside], plugin.reconstruct(batch)["score"][inside], rtol=ROUNDING)


def test_no_plugin_sees_truth(analysis, read):
    """Partons in another order of the file, with other flavours, give the same masses."""
    truth = analysis["truth"]
    plugin = MatrixElementAssigner(at_most=6, **truth.PARTONS)
    batch = read(plugin)
    shuffled = replace(batch, index=batch.index.flip(1))
    assert torch.equal(plugin.reconstruct(batch)["top"], plugin.reconstruct(shuffled)["top"])


def test_areas_are_the_fraction_of_pairs_in_order(analysis):
    generator = torch.Generator().manual_seed(1)
    signal, background = (torch.randn(size, generator=generator) + mean for size, mean in ((40, 1.0), (60, 0.0)))
    here, there = (torch.rand(len(x), generator=generator) for x in (signal, background))
    pairs = here[:, None] * there * (signal[:, None] > background)
    expected = pairs.sum() / (here.sum() * there.sum())
    assert float(analysis["scores"]._auc(signal, background, here, there)) == pytest.approx(float(expected), rel=1e-5)


def test_the_run_fills_what_the_notebook_draws(sample, tmp_path):
    steps = ("--samples", str(sample.parent), "--steps", "ttbar", "jets", "anomaly", "--workers", "1")
    status, out, err = python(str(HERE / "run.py"), str(tmp_path), *steps, cwd=tmp_path, environment=os.environ)
    assert status == 0, out + err
    stored = read_histograms(tmp_path / "ttbar.zip").histograms
    for name in ("log_ratio", "w.mass", "top.mass"):
        histogram = stored[name]
        assert list(histogram.axes["dataset"]) == ["truth", "exact", "policy"]
        per_event = 1 if name == "log_ratio" else 2
        assert np.allclose(histogram.values(flow=True).sum(axis=(1, 2)), per_event * EVENTS, rtol=0.1)
    methods = list(read_histograms(tmp_path / "jets.zip").histograms["top.mass"].axes["dataset"])
    assert methods == ["truth", "me_assigner", "chi2_assigner"]
    assert "autoencoder.error" in read_histograms(tmp_path / "anomaly.zip").histograms
