from collections.abc import Callable
from pathlib import Path
from typing import Any

import awkward as ak
import correctionlib
import hist
import numpy as np
import pytest
from example_files import histograms

from hepreco.errors import ConfigError, DatasetError, StudyError
from hepreco.plugin import CorrectionInput
from hepreco_corrections import FixedWorkingPoints, measure_efficiencies, write_efficiencies
from hepreco_corrections.examples import EXAMPLE, EXAMPLE_EFFICIENCIES

#: Products in another order.
SAME = 1e-12


def by_hand(events: CorrectionInput, cut: float, systematics: dict[bool, str]) -> list[float]:
    """Jet by jet, one working point."""
    files = correctionlib.CorrectionSet.from_file(EXAMPLE)
    efficiencies = correctionlib.CorrectionSet.from_file(EXAMPLE_EFFICIENCIES)["btag_efficiency"]
    weights = []
    for jets in ak.zip({name: events[f"jets.{name}"] for name in ("hadronFlavour", "eta", "pt", "btagDeepFlavB")}):
        weight = 1.0
        for jet in jets:
            heavy = jet.hadronFlavour in (4, 5)
            scale = files["deepJet_comb" if heavy else "deepJet_light"].evaluate(
                systematics[heavy], "M", int(jet.hadronFlavour), abs(jet.eta), jet.pt
            )
            efficiency = efficiencies.evaluate("central", "M", int(jet.hadronFlavour), jet.pt, abs(jet.eta))
            weight *= scale if jet.btagDeepFlavB > cut else (1 - scale * efficiency) / (1 - efficiency)
        weights.append(weight)
    return weights


def test_one_working_point_as_by_hand(read: Callable[..., CorrectionInput]) -> None:
    correction = FixedWorkingPoints(EXAMPLE, EXAMPLE_EFFICIENCIES, {"M": 0.3}, systematics=("correlated",))
    events = read(correction)
    found = correction.weights(events, ("nominal", "hf_correlated_up", "lf_correlated_down"))
    for name, heavy, light in (
        ("nominal", "central", "central"),
        ("hf_correlated_up", "up_correlated", "central"),
        ("lf_correlated_down", "central", "down_correlated"),
    ):
        np.testing.assert_allclose(found[name], by_hand(events, 0.3, {True: heavy, False: light}), rtol=SAME)


def jets(flavour: list[int], score: list[float], pt: float = 60.0) -> CorrectionInput:
    """One event."""
    columns = {"hadronFlavour": flavour, "eta": [0.1] * len(flavour), "pt": [pt] * len(flavour), "btagDeepFlavB": score}
    arrays = {f"jets.{name}": ak.Array([values]) for name, values in columns.items()}
    return CorrectionInput(arrays, np.zeros((1, 3), dtype=np.int64))


def test_working_points_between_two_and_the_expectation_of_one() -> None:
    """Weights times probabilities in simulation are probabilities in data, and sum to one."""
    correction = FixedWorkingPoints(EXAMPLE, EXAMPLE_EFFICIENCIES, {"L": 0.2, "M": 0.6})
    none, loose, medium = (
        correction.weights(jets([5], [score]), ("nominal",))["nominal"][0] for score in (0.1, 0.4, 0.9)
    )
    efficiency = correctionlib.CorrectionSet.from_file(EXAMPLE_EFFICIENCIES)["btag_efficiency"]
    e_loose, e_medium = (efficiency.evaluate("central", point, 5, 60.0, 0.1) for point in ("L", "M"))
    scale = correctionlib.CorrectionSet.from_file(EXAMPLE)["deepJet_comb"]
    assert medium == scale.evaluate("central", "M", 5, 0.1, 60.0)
    total = (1 - e_loose) * none + (e_loose - e_medium) * loose + e_medium * medium
    assert total == pytest.approx(1.0, abs=SAME)


def test_no_jets() -> None:
    correction = FixedWorkingPoints(EXAMPLE, EXAMPLE_EFFICIENCIES, {"M": 0.3})
    assert correction.weights(jets([], []), ("nominal",))["nominal"].tolist() == [1.0]


def test_a_flavour_that_is_none() -> None:
    correction = FixedWorkingPoints(EXAMPLE, EXAMPLE_EFFICIENCIES, {"M": 0.3})
    with pytest.raises(DatasetError, match=r"jets.hadronFlavour is none of 0, 4 and 5"):
        correction.weights(jets([21], [0.1]), ("nominal",))


def test_an_unknown_systematic_and_no_working_point() -> None:
    correction = FixedWorkingPoints(EXAMPLE, EXAMPLE_EFFICIENCIES, {"M": 0.3}, systematics=("statistic",))
    with pytest.raises(DatasetError, match="'systematic' is up_statistic, which is none of central, up, down, up_corr"):
        correction.weights(jets([5], [0.1]), ("hf_statistic_up",))
    with pytest.raises(ConfigError, match="no working point"):
        FixedWorkingPoints(EXAMPLE, EXAMPLE_EFFICIENCIES, {})


def test_efficiencies_of_all_and_a_jet_that_fails(tmp_path: Path) -> None:
    total, _ = histograms()
    path = tmp_path / "all.json"
    write_efficiencies(path, measure_efficiencies(total, {"M": total}))
    correction = FixedWorkingPoints(EXAMPLE, str(path), {"M": 0.3})
    correction.setup()
    assert correction.weights(jets([5], [0.9]), ("nominal",))["nominal"][0] > 0
    with pytest.raises(DatasetError, match="1 jets fail a working point that, by the efficiencies, all jets"):
        correction.weights(jets([5, 0], [0.1, 0.9]), ("nominal",))


def test_measured_efficiencies_and_their_uncertainty() -> None:
    axes = (hist.axis.Integer(0, 6, name="f"), hist.axis.Regular(2, 20, 100, name="x"))
    rng = np.random.default_rng(1)
    flavour, pt, weight = rng.choice([0, 4, 5], 3000), rng.uniform(20, 100, 3000), rng.uniform(0.5, 1.5, 3000)
    tagged = rng.uniform(size=3000) < 0.1 + 0.12 * flavour
    total, passed = (hist.Hist(*axes, storage=hist.storage.Weight()) for _ in range(2))
    total.fill(flavour, pt, weight=weight)
    passed.fill(flavour[tagged], pt[tagged], weight=weight[tagged])
    found = measure_efficiencies(total, {"M": passed}).to_evaluator()["btag_efficiency"]
    here = (flavour == 5) & (pt < 60)
    w, t = weight[here], tagged[here]
    efficiency = w[t].sum() / w.sum()
    error = np.sqrt((1 - 2 * efficiency) * (w[t] ** 2).sum() + efficiency**2 * (w**2).sum()) / w.sum()
    values = [found.evaluate(systematic, "M", 5, 30.0, 9.0) for systematic in ("central", "up", "down")]
    assert values == pytest.approx([efficiency, efficiency + error, efficiency - error], rel=1e-9)


def test_histograms_of_a_run_have_more_axes() -> None:
    total, tagged = histograms()
    more = (
        hist.axis.StrCategory(["a", "b"], name="dataset"),
        hist.axis.StrCategory(["nominal", "up"], name="variation"),
    )
    wide, wide_tagged = hist.Hist(*more, *total.axes), hist.Hist(*more, *total.axes)
    wide.view()[0, 0], wide_tagged.view()[1, 0] = total.view(), tagged["M"].view()
    wide_tagged.axes["pt"].label = "pt of tagged jets"  # a run labels axes by their columns
    assert wide_tagged.axes != wide.axes
    expected = measure_efficiencies(total, {"M": tagged["M"]})
    assert measure_efficiencies(wide, {"M": wide_tagged}) == expected


def emptied(place: Any) -> hist.Hist:
    total, _ = histograms()
    total.view()[place] = 0
    return total


@pytest.mark.parametrize(
    ("jets", "tagged", "problem"),
    [
        (emptied((2, 0, 1)), emptied(...), r"1 bins are empty: flavour 5, pt 20 to 50, \|eta\| 1.2 to 2.4"),
        (emptied((2, ..., 1)), emptied(...), "3 bins are empty: flavour 5, pt 20 to 50.*; flavour 5, pt 100 to 1000"),
        (histograms()[0], 2 * histograms()[0], "18 bins have no efficiency between 0 and 1 at 'M'.*; and 13 more"),
        (histograms()[0], histograms()[0][:, :, sum], "the axes of 'M' are not those of all jets"),
        (histograms()[0][:, sum, sum], histograms()[0][:, sum, sum], "has 1 axes"),
        (hist.Hist.new.Reg(2, 0, 6).Reg(2, 0, 1).Double(), hist.Hist.new.Reg(2, 0, 6).Reg(2, 0, 1).Double(), "no bins"),
    ],
)
def test_histograms_that_give_no_efficiencies(jets: hist.Hist, tagged: hist.Hist, problem: str) -> None:
    with pytest.raises(StudyError, match=problem):
        measure_efficiencies(jets, {"M": tagged})
