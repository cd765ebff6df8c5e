"""Draws ROC curves in one figure."""

from collections.abc import Mapping

import numpy as np
from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from hepreco.errors import StudyError
from hepreco.plotting.style import COLOURS, GREY, STYLE, end_labels, new_axes
from hepreco.studies import ROC, Value

POINTS = 200


@rc_context(STYLE)
def roc_figure(curves: Mapping[str, ROC]) -> Figure:
    """Draw background rejection against signal efficiency, with the areas in the legend.

    Parameters
    ----------
    curves
        ROC curves by their names in the legend.

    Returns
    -------
    Figure
        Bands are the uncertainties of the rejection; curves end where no background is left. The dotted line is a
        random choice.

    Raises
    ------
    StudyError
        There are no curves.

    Example
    -------
    >>> import hist
    >>> from hepreco.studies import roc
    >>> h = hist.Hist(hist.axis.Regular(100, 0, 1, name="score"), storage=hist.storage.Weight()).fill([0.2, 0.6])
    >>> roc_figure({"random": roc(h, h)}).axes[0].get_legend().get_texts()[0].get_text()
    'random, AUC 0.50 ± 0.25'
    """
    if not curves:
        raise StudyError("there are no ROC curves to draw", "give at least one")
    figure = Figure()
    (axes,) = new_axes(figure)
    for position, (name, curve) in enumerate(curves.items()):
        _draw(axes, name, curve, colour=COLOURS[position % len(COLOURS)])
    grid = np.linspace(0.001, 1, POINTS)
    axes.plot(grid, 1 / grid, color=GREY, linestyle=":", linewidth=1.2, label="random choice")
    axes.set_yscale("log")
    axes.set_xlim(0, 1)
    axes.set_ylim(1, 2 * max(10.0, *(_highest(curve) for curve in curves.values())))
    end_labels(axes, x="Signal efficiency", y="Background rejection (1 / efficiency)")
    axes.grid(visible=True, which="major", color=GREY, alpha=0.2)
    axes.legend(loc="upper right")
    return figure


def _draw(axes: Axes, name: str, curve: ROC, *, colour: str) -> None:
    left = (curve.background_efficiency > 0) & (curve.signal_efficiency > 0)
    label = f"{name}, AUC {Value(curve.auc, curve.auc_uncertainty)}"
    axes.plot(
        curve.signal_efficiency[left], 1 / curve.background_efficiency[left], color=colour, linewidth=1.8, label=label
    )
    efficiencies = np.linspace(0.005, 1, POINTS)
    found = [curve.background_efficiency_at(float(efficiency)) for efficiency in efficiencies]
    value, spread = (np.array([getattr(each, part) for each in found]) for part in ("value", "uncertainty"))
    known = value > 0
    rejection, relative = 1 / value[known], spread[known] / value[known]
    low, high = rejection / (1 + relative), rejection * (1 + relative)  # symmetric on the logarithmic axis
    axes.fill_between(efficiencies[known], low, high, color=colour, alpha=0.25, linewidth=0)


def _highest(curve: ROC) -> float:
    """The highest rejection at a signal efficiency of at least five per cent, with enough background."""
    useful = (curve.signal_efficiency >= 0.05) & (curve.background_efficiency > curve.background_uncertainty)
    return float(1 / curve.background_efficiency[useful].min()) if useful.any() else 1.0
