"""The analysis of four tops: its region, its areas and their errors."""

import sys
from pathlib import Path
from types import ModuleType

import awkward as ak
import hist
import numpy as np
import pytest
import torch
import uproot
from sklearn.metrics import roc_auc_score

from hepreco.generation import Sample, write_sample
from hepreco.generation.hard import IntegrationBudget

HERE = Path(__file__).parents[2] / "analyses" / "four_tops"
SIZES = {"tttt": 400, "tth": 300, "ttw": 200, "ttww": 100, "ttz": 250}
YIELDS = (50.0, 20.0, 40.0, 10.0, 60.0)


@pytest.fixture(scope="module")
def analysis():
    """The modules of the analysis, which is no package."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(HERE))
        for name in ("benchmark", "samples", "mixtures"):  # other analyses have modules of the same names
            patch.delitem(sys.modules, name, raising=False)
        import benchmark  # noqa: PLC0415
        import mixtures  # noqa: PLC0415
        import samples  # noqa: PLC0415

        yield {"benchmark": benchmark, "samples": samples, "mixtures": mixtures}


@pytest.fixture
def scores() -> np.ndarray:
    """Of the events of all classes, signal higher, (event, member)."""
    rng = np.random.default_rng(1)
    shifts = np.repeat([1.0, 0.4, 0.0, 0.3, -0.2], list(SIZES.values()))
    return shifts[:, None] + rng.normal(size=(len(shifts), 2))


def expected_area(score: np.ndarray) -> float:
    label = np.repeat(list(SIZES), list(SIZES.values()))
    weight = np.select([label == name for name in SIZES], [y / n for y, n in zip(YIELDS, SIZES.values(), strict=True)])
    return float(roc_auc_score(label == "tttt", score, sample_weight=weight))


def test_areas_are_those_of_scikit_learn(analysis: dict[str, ModuleType], scores: np.ndarray) -> None:
    benchmark = analysis["benchmark"]
    scores[:, 1] = scores[:, 1].round()  # with ties
    found = benchmark.areas(scores, benchmark.resampled(SIZES, YIELDS, "tttt"))
    assert found.shape == (2, 101)
    for member in range(2):
        assert found[member, 0] == pytest.approx(expected_area(scores[:, member]), abs=1e-12)
        assert found[member, 1:].mean() == pytest.approx(found[member, 0], abs=0.01)


def test_differences_have_errors_of_events_and_seeds(analysis: dict[str, ModuleType], scores: np.ndarray) -> None:
    """A model against itself with noise: paired events cancel, so that the error is less than that of one area."""
    benchmark = analysis["benchmark"]
    weights = benchmark.resampled(SIZES, YIELDS, "tttt")
    noisy = scores + 0.05 * np.random.default_rng(2).normal(size=scores.shape)
    one, other = benchmark.areas(scores, weights), benchmark.areas(noisy, weights)
    found = benchmark.difference(one, other)
    assert found["value"] == pytest.approx(one[:, 0].mean() - other[:, 0].mean())
    assert 0 < found["events"] < 0.5 * one[:, 1:].mean(axis=0).std()
    spread = [abs(np.diff(areas[:, 0])[0]) / 2 for areas in (one, other)]
    assert found["seeds"] == pytest.approx(np.hypot(*spread))
    assert benchmark.difference(one[:1], other)["seeds"] is None


def test_the_fraction_of_background_below_gives_the_same_area(
    analysis: dict[str, ModuleType], scores: np.ndarray
) -> None:
    weights = analysis["benchmark"].resampled(SIZES, YIELDS, "tttt")
    rounded = scores[:, 0].round(1)  # with ties
    fraction = analysis["benchmark"].fraction_below(rounded, weights[1][:1])[0]
    assert fraction[: SIZES["tttt"]].mean() == pytest.approx(expected_area(rounded), abs=1e-12)


def area_of(score: np.ndarray, frequencies: dict[str, float], signal: str) -> float:
    """By scikit-learn, of a signal against backgrounds that are so frequent."""
    label = np.repeat(list(SIZES), list(SIZES.values()))
    weight = np.array([1.0 if name == signal else frequencies.get(name, 0.0) / SIZES[name] for name in label])
    return float(roc_auc_score(label == signal, score, sample_weight=weight))


@pytest.mark.parametrize("signal", ["tttt", "tth"])
def test_scores_for_mixtures_are_tried_on_mixtures(analysis: dict[str, ModuleType], signal: str) -> None:
    """The best score for a mixture is p / (p + Σ f p) with its frequencies f, whatever it is tried on."""
    rng = np.random.default_rng(3)
    logits = rng.normal(size=(sum(SIZES.values()), 5)) + 1.5 * np.repeat(np.eye(5), list(SIZES.values()), axis=0)
    p = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    found = analysis["mixtures"].compared(torch.from_numpy(p), SIZES, YIELDS, signal)
    backgrounds = [name for name in SIZES if name != signal]
    mixtures = {"as mixed": dict(zip(SIZES, YIELDS, strict=True)), "equal parts": dict.fromkeys(SIZES, 1.0)}
    mixtures |= {name: {name: 1.0} for name in backgrounds}

    def score(frequencies: dict[str, float]) -> np.ndarray:
        kept = {name: value for name, value in frequencies.items() if name != signal}
        mixed = sum(value * p[:, list(SIZES).index(name)] for name, value in kept.items()) / sum(kept.values())
        own = p[:, list(SIZES).index(signal)]
        return own / (own + mixed)

    for made_for in ("as mixed", "equal parts"):
        for tried_on, frequencies in mixtures.items():
            expected = area_of(score(mixtures[made_for]), frequencies, signal)
            assert found[made_for][tried_on][0] == pytest.approx(expected, abs=1e-12)
            assert 0 < found[made_for][tried_on][1] < 0.05
    alone = found["that background alone"]
    assert list(alone) == backgrounds
    for name in backgrounds:
        assert alone[name][0] == pytest.approx(area_of(score({name: 1.0}), {name: 1.0}, signal), abs=1e-12)
        assert alone[name][0] > found["as mixed"][name][0] - 3 * alone[name][1]


def test_equal_parts_of_the_stored_histograms(analysis: dict[str, ModuleType], scores: np.ndarray) -> None:
    squeezed = 1 / (1 + np.exp(-scores[:, 0]))
    axes = (
        hist.axis.StrCategory([], growth=True, name="dataset"),
        hist.axis.StrCategory(["nominal"], name="variation"),
    )
    booked = hist.Hist(*axes, hist.axis.Regular(4000, 0, 1, name="score"), storage=hist.storage.Weight())
    start = 0
    for (name, size), total in zip(SIZES.items(), YIELDS, strict=True):
        booked.fill(name, "nominal", squeezed[start : start + size], weight=total / size)
        start += size
    found = analysis["mixtures"].in_equal_parts(booked, "tttt")
    assert found == pytest.approx(area_of(squeezed, dict.fromkeys(SIZES, 1.0), "tttt"), abs=1e-3)


def test_the_region_is_that_of_the_plugin(analysis: dict[str, ModuleType]) -> None:
    """One event that passes; one with leptons of opposite sign; one with a jet that is a lepton."""
    one = [[1.0], [1.0], [1.0]]
    branches = {
        "Jet_pt": [[100.0] * 6] * 3,
        "Jet_eta": [[0.0] * 6] * 3,
        "Jet_phi": [[0.0, 1.0, 2.0, 3.0, -1.0, -2.0]] * 3,
        "Jet_mass": [[10.0] * 6] * 3,
        "Jet_btagDeepFlavB": [[0.9, 0.9, 0.0, 0.0, 0.0, 0.0]] * 3,
        "Electron_pt": [[50.0]] * 3,
        "Electron_eta": one,
        "Electron_phi": one,
        "Electron_mass": one,
        "Electron_charge": one,
        "Muon_pt": [[50.0]] * 3,
        "Muon_eta": [[1.0], [1.0], [0.1]],
        "Muon_phi": [[2.0], [2.0], [2.1]],
        "Muon_mass": one,
        "Muon_charge": [[1.0], [-1.0], [1.0]],
    }
    events = ak.zip({name: ak.Array(values) for name, values in branches.items()}, depth_limit=1)
    assert analysis["samples"].in_region(events).tolist() == [True, False, False]


def test_a_skim_knows_what_was_generated(
    analysis: dict[str, ModuleType], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    samples = analysis["samples"]
    monkeypatch.setattr(samples, "in_region", lambda events: ak.num(events.Jet_pt) >= 3)
    whole, skim = tmp_path / "all.root", tmp_path / "skim.root"
    quick = IntegrationBudget(iterations=2, points=2000, last=5000)
    write_sample(Sample("ttbar-dilepton", 200, seed=3, budget=quick, detector=samples.Detector(radiation=2.0)), whole)
    kept = samples.skim(whole, skim)
    with uproot.open(whole) as before, uproot.open(skim) as after:
        events = before["Events"].arrays()
        chosen = events[ak.num(events.Jet_pt) >= 3]
        assert 0 < kept == after["Events"].num_entries == len(chosen) < 200
        assert set(after["Events"].keys()) == set(before["Events"].keys())
        for name in ("Jet_pt", "Electron_charge", "PuppiMET_pt"):
            assert ak.array_equal(after["Events"][name].array(), chosen[name])
    cross_section = samples.visible_cross_section([skim])
    assert cross_section == pytest.approx(samples.visible_cross_section([whole]) * kept / 200)
