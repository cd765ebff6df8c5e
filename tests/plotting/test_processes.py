"""Figures of processes: what is drawn is what the templates hold."""

import hist
import numpy as np
import pytest
from matplotlib.colors import to_hex
from matplotlib.patches import StepPatch
from toy_run import CONFIG, GROUPING, histogram

from hepreco.errors import ConfigError, StudyError
from hepreco.inference import Channel, channels
from hepreco.inference.fitting import Prediction
from hepreco.plotting import (
    FiguresConfig,
    Stack,
    plane_figure,
    save_figure,
    shape_figure,
    shift_figure,
    stack_figure,
    stack_of,
    stack_of_fit,
)
from hepreco.plotting.style import COLOURS, FONTS


@pytest.fixture(scope="module")
def found():
    return channels({"ht": histogram(strength=1.2)}, CONFIG, GROUPING)


def bands(axes):
    return [each for each in axes.patches if isinstance(each, StepPatch) and each.get_hatch()]


def points(axes):
    """Heights of the points, NaN where none is drawn."""
    (drawn,) = (each for each in axes.containers if hasattr(each, "has_yerr"))
    return np.asarray(drawn.lines[0].get_ydata(), dtype=float)


def legend(axes):
    return [text.get_text() for text in axes.get_legend().get_texts()]


def test_processes_are_stacked_and_data_stand_on_top(found):
    stack = stack_of(found[0])
    upper, lower = stack_figure(stack, histogram="ht", grouping=GROUPING).axes
    down, up = found[0].band.total
    (band,) = bands(upper)
    assert band.get_data().values == pytest.approx(found[0].values + up)
    assert band.get_data().baseline == pytest.approx(found[0].values - down)
    fills = [each for each in upper.patches if isinstance(each, StepPatch) and not each.get_hatch()]
    assert max(each.get_data().values.max() for each in fills) == pytest.approx(found[0].values.max())
    assert points(upper) == pytest.approx(found[0].data)
    assert points(lower) == pytest.approx(found[0].data / found[0].values)
    assert legend(upper) == ["data", "tt̄", "single top", "W+jets", "stat. ⊕ syst."]
    low, high = lower.get_ylim()
    assert ((points(lower) > low) & (points(lower) < high)).all()


def test_no_data_are_drawn_in_a_blinded_window(found):
    options = FiguresConfig(blind={"ht": (300.0, 400.0)})
    for axes in stack_figure(stack_of(found[0]), histogram="ht", options=options).axes:
        assert np.isnan(points(axes)).tolist() == [False] * 3 + [True] * 3 + [False] * 4
    (axes, _) = stack_figure(stack_of(found[0]), histogram="other", options=options).axes
    assert np.isfinite(points(axes)).all()


def test_regions_stand_side_by_side(found):
    figure = stack_figure(*map(stack_of, found), histogram="ht", grouping=GROUPING)
    assert len(figure.axes) == 4
    assert figure.legends[0].get_texts()[0].get_text() == "data"
    for axes, channel in zip(figure.axes[:2], found, strict=True):
        assert points(axes) == pytest.approx(channel.data)


def test_without_data_there_is_no_ratio(found):
    stack = stack_of(found[0])
    without = type(stack)(**{**vars(stack), "data": None})
    (axes,) = stack_figure(without).axes
    assert axes.get_xlabel() == "H_T [GeV]"
    assert "data" not in legend(axes)


def test_colours_and_order_are_the_configured_ones(found):
    grouping = type(GROUPING)(**{**vars(GROUPING), "colours": {"ttbar": "#123456"}})
    upper = stack_figure(stack_of(found[0]), grouping=grouping).axes[0]
    drawn = {each.get_label(): each for each in upper.get_legend_handles_labels()[0]}
    assert {*drawn} > {"tt̄", "W+jets"}

    assert to_hex(drawn["tt̄"].get_facecolor()) == "#123456"
    assert to_hex(drawn["W+jets"].get_facecolor()) == COLOURS[0]


@pytest.mark.parametrize("style", ["ALICE", "ATLAS", "CMS", "DUNE", "LHCb"])
def test_an_experiment_has_its_label(found, style, tmp_path):
    options = FiguresConfig(style=style, label="Preliminary", luminosity="59.8 fb⁻¹ (13 TeV)", logarithmic=("ht",))
    figure = stack_figure(stack_of(found[0]), histogram="ht", options=options)
    texts = " ".join(text.get_text() for axes in figure.axes for text in axes.texts)
    assert "Preliminary" in texts
    assert "59.8 fb⁻¹ (13 TeV)" in texts
    assert style in texts
    assert figure.axes[0].get_yscale() == "log"
    assert save_figure(figure, tmp_path / style)


def test_no_style_is_the_default(found):
    (upper, _) = stack_figure(stack_of(found[0])).axes
    assert [text.get_text() for text in upper.texts] == ["4j1b"]
    assert upper.yaxis.label.get_fontfamily() == FONTS


def test_shapes_are_normalised(found):
    (axes,) = shape_figure(found[0], grouping=GROUPING).axes
    drawn = [each for each in axes.patches if isinstance(each, StepPatch) and not each.get_fill()]
    assert len(drawn) == 3
    for each in drawn:
        assert each.get_data().values.sum() == pytest.approx(1.0)


def test_shifts_are_fractions_of_the_nominal_bins(found):
    _, lower = shift_figure(found[0], "ttbar", parameters=["jes"], grouping=GROUPING).axes
    template = found[0].templates["ttbar"]
    up = next(each for each in lower.patches if isinstance(each, StepPatch) and each.get_label() == "jes")
    assert up.get_data().values == pytest.approx(100 * (template.shifts["jes"].up / template.values - 1))
    _, most = shift_figure(found[0], "ttbar").axes
    assert legend(most)[0] == "scale_ttbar"
    with pytest.raises(StudyError, match="no systematic shifts 'zjets'"):
        shift_figure(found[0], "zjets")


def test_planes_show_two_axes_with_names_of_categories():
    h = hist.Hist.new.StrCat(["e", "μ"], name="lepton", label="lepton").Int(4, 7, name="n", label="jets").Weight()
    h.fill(["e", "μ", "μ"], [4, 5, 6])
    figure = plane_figure(h, title="tt̄", logarithmic=True)
    axes = figure.axes[0]
    assert [text.get_text() for text in axes.get_xticklabels()] == ["e", "μ"]
    assert [text.get_text() for text in axes.get_yticklabels()] == ["4", "5", "6"]
    with pytest.raises(StudyError, match="two were expected"):
        plane_figure(h[{"lepton": "e"}])


@pytest.mark.parametrize(
    ("options", "message"), [({"blind": {"ht": (2.0, 1.0)}}, "lower end first"), ({"most_bins": 0}, "positive")]
)
def test_options_that_make_no_sense_are_refused(options, message):
    with pytest.raises(ConfigError, match=message):
        FiguresConfig(**options)


def test_a_fitted_expectation_has_its_uncertainty_as_band(found):
    channel = found[0]
    assert isinstance(channel, Channel)
    values = {name: 1.1 * template.values for name, template in channel.templates.items()}
    prediction = Prediction(values, 0.02 * channel.values)
    stack = stack_of_fit(channel, prediction, data=channel.data, uncertainty="postfit uncertainty")
    assert isinstance(stack, Stack)
    (upper, _) = stack_figure(stack).axes
    (band,) = bands(upper)
    assert band.get_data().values == pytest.approx(1.12 * channel.values)
    assert legend(upper)[-1] == "postfit uncertainty"
