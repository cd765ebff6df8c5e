"""The analysis that measures theory-informed reconstruction: its truth, its wrappers, its areas, its run."""

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from hepreco.events import Dataset, read_batch
from hepreco.generation import Sample, write_sample
from hepreco.histograms import read_histograms
from hepreco.kinematics import mass
from hepreco_me_assigner import Anomaly, MatrixElementAssigner

HERE = Path(__file__).parents[2] / "analyses" / "theory_informed"
EVENTS = 60
#: Of masses at parton level from their poles (GeV): resonances are cut off at 15 widths.
FARTHEST = 35.0
ROUNDING = 1e-9


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
    write_sample(Sample("ttbar-hadronic", EVENTS, seed=5), path)
    return path


@pytest.fixture(scope="module")
def read(sample):
    return lambda plugin: read_batch(Dataset("ttbar", (str(sample),)), plugin.inputs)


def test_truth_has_the_masses_of_the_resonances(analysis, read):
    truth = analysis["truth"].Truth("ttbar")
    found = truth.reconstruct(read(truth))
    assert (mass(found["top"]) - 173.0).abs().max() < FARTHEST
    assert (mass(found["w"]) - 80.4).abs().max() < FARTHEST
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


def test_truth_of_jets_is_that_of_the_detector(analysis, read):
    jets = analysis["truth"].TrueJets()
    tops = jets.reconstruct(read(jets))["top"]
    found = mass(tops[~torch.isnan(tops).any(dim=-1)])
    assert len(found)
    assert (found.median() - 173.0).abs() < FARTHEST


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
    subprocess.run(
        [sys.executable, str(HERE / "run.py"), str(tmp_path), *steps],
        env=os.environ | {"OMP_NUM_THREADS": "1"},
        check=True,
        capture_output=True,
    )
    stored = read_histograms(tmp_path / "ttbar.zip").histograms
    for name in ("log_ratio", "w.mass", "top.mass"):
        histogram = stored[name]
        assert list(histogram.axes["dataset"]) == ["truth", "exact", "policy"]
        per_event = 1 if name == "log_ratio" else 2
        assert np.allclose(histogram.values(flow=True).sum(axis=(1, 2)), per_event * EVENTS, rtol=0.1)
    methods = list(read_histograms(tmp_path / "jets.zip").histograms["top.mass"].axes["dataset"])
    assert methods == ["truth", "me_assigner", "chi2_assigner"]
    assert "autoencoder.error" in read_histograms(tmp_path / "anomaly.zip").histograms
