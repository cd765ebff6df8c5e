from itertools import pairwise
from pathlib import Path

import hist
import matplotlib.pyplot as plt
import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.collections import FillBetweenPolyCollection
from matplotlib.figure import Figure
from matplotlib.patches import StepPatch

from hepreco.errors import StudyError
from hepreco.plotting import (
    cutflow_figure,
    histogram_figure,
    mass_peak_figure,
    reliability_figure,
    roc_figure,
    save_figure,
)
from hepreco.plotting.files import DPI
from hepreco.plotting.style import COLOURS
from hepreco.studies import mass_peak, reliability, roc

LABELS = {"ttbar": "tt̄", "multijet": "QCD"}
LINEAR = hist.axis.Regular(25, 100, 350, name="mass", label="mass", __dict__={"unit": "GeV"})
#: As archives of hepreco 0.1 hold it.
UNIT_IN_LABEL = hist.axis.Regular(25, 100, 350, name="mass", label="mass [GeV]")
LOGARITHMIC = hist.axis.Variable(np.geomspace(0.01, 1e4, 31), name="chi2", label="χ²")
CUTS = hist.axis.StrCategory(["all", "six jets", "χ² < 10"], name="cut", label="", overflow=False)


def book(axis: object, *, variations: tuple[str, ...] = ("nominal",)) -> hist.Hist:
    return hist.Hist(
        hist.axis.StrCategory(["multijet", "ttbar"], growth=True, name="dataset", label="dataset"),
        hist.axis.StrCategory(variations, growth=True, name="variation", label="variation"),
        axis,
        storage=hist.storage.Weight(),
    )


def masses(*, variations: tuple[str, ...] = ("nominal",)) -> hist.Hist:
    rng = np.random.default_rng(1)
    signal, background = rng.normal(172.5, 15, 5000), rng.uniform(80, 400, 4000)
    h = book(LINEAR, variations=variations)
    for shift, variation in enumerate(variations):
        h.fill("ttbar", variation, np.concatenate([signal, background]) * (1 + 0.03 * shift), weight=0.7)
        h.fill("multijet", variation, background * (1 - 0.03 * shift), weight=2.0)
    return h


def nominal(h: hist.Hist, dataset: str) -> hist.Hist:
    return h[{"dataset": dataset, "variation": "nominal"}]


def steps(axes: Axes, *, filled: bool) -> list[StepPatch]:
    return [patch for patch in axes.patches if isinstance(patch, StepPatch) and patch.get_fill() == filled]


def lines(axes: Axes) -> dict[str, StepPatch]:
    """The step lines of the datasets, by label."""
    return {
        str(patch.get_label()): patch for patch in steps(axes, filled=False) if patch.get_label() in LABELS.values()
    }


def legend(axes: Axes) -> list[str]:
    found = axes.get_legend()
    assert found is not None
    return [text.get_text() for text in found.get_texts()]


@pytest.mark.parametrize("dataset", ["ttbar", "multijet"])
def test_lines_are_the_values_and_bands_the_uncertainties(dataset: str) -> None:
    h = masses()
    (axes,) = histogram_figure(h, labels=LABELS).axes
    one = nominal(h, dataset)
    drawn = lines(axes)[LABELS[dataset]].get_data()
    assert np.array_equal(drawn.values, one.values())
    assert np.array_equal(drawn.edges, LINEAR.edges)
    band = steps(axes, filled=True)[list(h.axes["dataset"]).index(dataset)].get_data()
    assert band.values == pytest.approx(one.values() + np.sqrt(one.variances()))
    assert band.baseline == pytest.approx(one.values() - np.sqrt(one.variances()))


def test_density_is_the_fraction_of_all_events() -> None:
    h = masses()
    (axes,) = histogram_figure(h, labels=LABELS, density=True).axes
    one = nominal(h, "ttbar")
    assert lines(axes)["tt̄"].get_data().values == pytest.approx(one.values() / one.values(flow=True).sum())
    assert axes.get_ylabel() == "Fraction of entries / 10 GeV"


def test_envelope_spans_all_variations() -> None:
    h = masses(variations=("nominal", "jes_down", "jes_up"))
    (axes,) = histogram_figure(h, labels=LABELS).axes
    (envelope,) = [patch.get_data() for patch in steps(axes, filled=False) if patch.get_hatch()][1:]
    varied = h[{"dataset": "ttbar"}].values()
    assert np.array_equal(envelope.values, varied.max(axis=0))
    assert np.array_equal(envelope.baseline, varied.min(axis=0))
    assert "variations" in legend(axes)


def test_dataset_without_a_variation_of_others_has_no_envelope() -> None:
    h = masses(variations=("nominal", "jes_up"))
    h.view(flow=True)["value"][0, 1] = h.view(flow=True)["variance"][0, 1] = 0
    (axes,) = histogram_figure(h, labels=LABELS).axes
    assert sum(bool(patch.get_hatch()) for patch in steps(axes, filled=False)) == 1


def test_axes_say_what_they_show() -> None:
    (axes,) = histogram_figure(masses(), labels={"ttbar": "tt̄"}).axes
    assert (axes.get_xlabel(), axes.get_ylabel(), axes.get_xscale()) == ("mass [GeV]", "Entries / 10 GeV", "linear")
    assert legend(axes) == ["multijet", "tt̄", "stat. uncertainty"]
    assert "outside the axis: multijet" in axes.texts[0].get_text()
    (axes,) = histogram_figure(book(LOGARITHMIC).fill("ttbar", "nominal", [1.0, 2.0])).axes
    assert (axes.get_xlabel(), axes.get_ylabel(), axes.get_xscale()) == ("χ²", "Entries / bin", "log")


def test_archives_with_units_in_labels_look_the_same() -> None:
    for axis in (LINEAR, UNIT_IN_LABEL):
        (axes,) = histogram_figure(book(axis).fill("ttbar", "nominal", [150.0, 160.0])).axes
        assert (axes.get_xlabel(), axes.get_ylabel()) == ("mass [GeV]", "Entries / 10 GeV")


def test_negative_bins_are_in_sight() -> None:
    h = book(LINEAR).fill("ttbar", "nominal", [150.0, 160.0, 250.0], weight=[5.0, 5.0, -3.0])
    (axes,) = histogram_figure(h).axes
    assert axes.get_ylim()[0] < -6  # value −3 ± 3


def test_empty_histogram_can_be_drawn_but_has_no_fractions(tmp_path: Path) -> None:
    save_figure(histogram_figure(book(LINEAR)), tmp_path / "empty")
    with pytest.raises(StudyError, match="not positive"):
        histogram_figure(book(LINEAR), density=True)


def test_mass_peak_shows_points_fit_and_numbers() -> None:
    h = nominal(masses(), "ttbar")
    peak = mass_peak(h, window=(140.0, 205.0), fit_range=(110.0, 300.0))
    upper, lower = mass_peak_figure(h, peak, title="tt̄").axes
    (points,) = [container for container in upper.containers if container.get_label() == "events"]
    x, y = points.lines[0].get_data()
    assert np.array_equal(y, h.values())
    assert x == pytest.approx(LINEAR.centers)
    curve = {str(line.get_label()): line.get_data() for line in upper.lines}["fit"]
    centre = np.argmin(np.abs(curve[0] - 175.0))
    assert curve[1][centre] == pytest.approx(peak.model.expected(np.array([170.0, 180.0]))[0], rel=0.05)
    pulls = lower.lines[1].get_data()[1]
    inside = (LINEAR.edges[:-1] >= 110) & (LINEAR.edges[1:] <= 300)
    expected = (h.values() - peak.model.expected(LINEAR.edges)) / np.sqrt(h.variances())
    assert pulls == pytest.approx(expected[inside])
    numbers = upper.texts[0].get_text()
    for text in (f"{peak.position} GeV", f"{peak.width} GeV", f"{peak.purity} in 140–205 GeV", f"/{peak.ndof}"):
        assert text in numbers
    assert upper.texts[1].get_text() == "tt̄"


def test_roc_shows_rejection_against_efficiency() -> None:
    rng = np.random.default_rng(2)
    axis = hist.axis.Regular(200, 0, 1, name="score")
    signal, background = (
        hist.Hist(axis, storage=hist.storage.Weight()).fill(rng.beta(*shape, 5000)) for shape in ((5, 2), (2, 5))
    )
    curve = roc(signal, background)
    (axes,) = roc_figure({"score": curve, "random": roc(signal, signal)}).axes
    x, y = axes.lines[0].get_data()
    known = (curve.background_efficiency > 0) & (curve.signal_efficiency > 0)
    assert np.array_equal(x, curve.signal_efficiency[known])
    assert np.array_equal(y, 1 / curve.background_efficiency[known])
    assert legend(axes)[0] == f"score, AUC {curve.auc:.4f} ± {curve.auc_uncertainty:.4f}"
    assert axes.get_yscale() == "log"
    assert len([band for band in axes.collections if isinstance(band, FillBetweenPolyCollection)]) == 2


def test_roc_without_background_left_or_without_curves() -> None:
    axis = hist.axis.Regular(10, 0, 1, name="score")
    signal, background = (hist.Hist(axis, storage=hist.storage.Weight()).fill(at) for at in ([0.9, 0.8], [0.1]))
    assert roc_figure({"perfect": roc(signal, background)}).axes
    with pytest.raises(StudyError, match="no ROC curves"):
        roc_figure({})


def test_reliability_shows_fractions_and_differences() -> None:
    rng = np.random.default_rng(1)
    axis = hist.axis.Regular(100, 0, 1, name="score")
    signal, background = (
        hist.Hist(axis, storage=hist.storage.Weight()).fill(rng.beta(*shape, 5000)) for shape in ((2, 1), (1, 2))
    )
    scores = {"score": reliability(signal, background), "turned": reliability(background, signal)}
    above, below = reliability_figure(scores).axes
    for position, found in enumerate(scores.values()):
        difference = found.observed - found.predicted
        for axes, values in ((above, found.observed), (below, difference)):
            points, _, (bars,) = axes.containers[position].lines
            assert np.array_equal(points.get_data(), (found.predicted, values))
            ends = np.array(bars.get_segments())
            assert ends[:, :, 0] == pytest.approx(np.stack([found.predicted] * 2, axis=1))
            expected = np.stack([values - found.uncertainty, values + found.uncertainty], axis=1)
            assert ends[:, :, 1] == pytest.approx(expected)
            assert points.get_color() == COLOURS[position]
        low, high = below.get_ylim()
        assert low < difference.min() < difference.max() < high
    assert legend(above) == [f"{name}, ECE {found.expected_calibration_error:.3f}" for name, found in scores.items()]
    assert above.lines[0].get_xydata().tolist() == [[0, 0], [1, 1]]
    assert list(below.lines[0].get_ydata()) == [0, 0]
    assert (above.get_xlim(), above.get_ylim()) == ((0, 1), (0, 1))
    with pytest.raises(StudyError, match="no scores"):
        reliability_figure({})


def test_cutflow_shows_nominal_events_after_each_cut() -> None:
    h = book(CUTS, variations=("nominal", "jes_up"))
    h.view()[0, 0] = [[1000.0, 50.0], [300.0, 20.0], [0.0, 0.0]]
    h.view()[1, 0] = [[20000.0, 20.0], [9000.0, 9.0], [400.0, 0.4]]
    figure = cutflow_figure(h, labels=LABELS)
    (axes,) = figure.axes
    bars = [container for container in axes.containers if hasattr(container, "patches")]
    assert [[bar.get_width() for bar in container.patches] for container in bars] == h[:, 0, :].values().tolist()
    assert [label.get_text() for label in axes.get_yticklabels()] == list(CUTS)
    assert [text.get_text() for text in axes.texts][3:] == ["20\u2009000  (100 %)", "9\u2009000  (45 %)", "400  (2 %)"]
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["QCD", "tt̄"]
    assert axes.get_xscale() == "log"
    assert cutflow_figure(book(CUTS)).axes[0].get_xscale() == "linear"


@pytest.fixture(scope="module")
def many() -> tuple[hist.Hist, hist.Hist]:
    """A histogram and a cut flow of 200 datasets, of which the last hold most events; every third has a variation."""
    names = [f"dataset_{number:03}" for number in range(200)]
    axes = (
        hist.axis.StrCategory(names, name="dataset"),
        hist.axis.StrCategory(["nominal", "jes_up"], name="variation"),
    )
    h = hist.Hist(*axes, LINEAR, storage=hist.storage.Weight())
    flow = hist.Hist(*axes, CUTS, storage=hist.storage.Weight())
    for number, name in enumerate(names):
        for variation in ("nominal", "jes_up")[: 2 if number % 3 == 0 else 1]:
            h.fill(name, variation, [110.0 + number, 150.0 if variation == "nominal" else 160.0], weight=1.0 + number)
        flow.fill(name, "nominal", ["all", "all", "all", "six jets"], weight=1.0 + number)
    return h, flow


def test_many_datasets_are_the_largest_and_the_sum_of_others(many: tuple[hist.Hist, hist.Hist]) -> None:
    h, _ = many
    above, rows = histogram_figure(h, labels={"dataset_199": "largest"}).axes
    drawn = {str(patch.get_label()): patch.get_data().values for patch in steps(above, filled=False)}
    largest = [f"dataset_{number}" for number in range(191, 199)]
    assert legend(above)[:10] == [*largest, "largest", "sum of 191 others"]
    others = h[{"variation": "nominal"}].values()[:191].sum(axis=0)
    assert drawn["sum of 191 others"] == pytest.approx(others)
    assert drawn["largest"] == pytest.approx(nominal(h, "dataset_199").values())
    colours = {tuple(patch.get_edgecolor()) for patch in steps(above, filled=False) if not patch.get_hatch()}
    assert len(colours) == 10
    assert [label.get_text() for label in rows.get_yticklabels()] == [*list(h.axes[0])[:199], "largest"]
    (mesh,) = rows.collections
    shapes = np.asarray(mesh.get_array())
    assert shapes.shape == (200, 25)
    assert shapes.max(axis=1) == pytest.approx(np.ones(200))
    assert shapes[7] == pytest.approx(nominal(h, "dataset_007").values() / 8.0)


def test_a_sum_of_datasets_varies_only_those_that_vary(many: tuple[hist.Hist, hist.Hist]) -> None:
    h, _ = many
    (above, _) = histogram_figure(h).axes
    envelope = [patch.get_data() for patch in steps(above, filled=False) if patch.get_hatch()][-1]
    values = h.values()[:191]
    varied = np.where(np.arange(191)[:, None] % 3 == 0, values[:, 1], values[:, 0]).sum(axis=0)
    plain = values[:, 0].sum(axis=0)
    assert envelope.values == pytest.approx(np.maximum(varied, plain))
    assert envelope.baseline == pytest.approx(np.minimum(varied, plain))


def test_cutflow_of_many_datasets_is_a_table(many: tuple[hist.Hist, hist.Hist]) -> None:
    _, flow = many
    figure = cutflow_figure(flow, labels={"dataset_000": "first"})
    (axes,) = figure.axes
    texts = [text.get_text() for text in axes.texts]
    assert texts[:3] == ["3  (100 %)", "1  (33.3 %)", "0  (0 %)"]
    assert texts[-3:] == ["600  (100 %)", "200  (33.3 %)", "0  (0 %)"]
    assert len(texts) == 600
    assert axes.get_yticklabels()[0].get_text() == "first"
    figure.draw_without_rendering()
    boxes = [label.get_window_extent() for label in axes.get_yticklabels()]
    assert all(upper.y0 >= lower.y1 - 1 for upper, lower in pairwise(boxes))  # none on another
    assert DPI * figure.get_figheight() < 2**16  # more pixels cannot be drawn


@pytest.mark.parametrize(
    ("histogram", "message"),
    [
        (nominal(masses(), "ttbar"), "expected are three"),
        (hist.Hist(*masses().axes), "lacks Σw²"),
        (book(LINEAR, variations=("jes_up",)), "no 'nominal'"),
    ],
)
def test_other_histograms_are_refused(histogram: hist.Hist, message: str) -> None:
    with pytest.raises(StudyError, match=message):
        histogram_figure(histogram)
    with pytest.raises(StudyError, match=r"expected|lacks|nominal"):
        cutflow_figure(histogram)


def test_pyplot_knows_nothing_of_the_figures() -> None:
    before = dict(plt.rcParams)
    figure = histogram_figure(masses())
    assert isinstance(figure, Figure)
    assert plt.get_fignums() == []
    assert dict(plt.rcParams) == before
