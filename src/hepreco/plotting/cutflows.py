"""The cut flow of a run."""

from collections.abc import Mapping

import hist
import numpy as np
from matplotlib import rc_context
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator, NullLocator

from hepreco.plotting.spectra import NOMINAL, require_axes
from hepreco.plotting.style import COLOURS, STYLE, end_labels, new_axes


@rc_context(STYLE)
def cutflow_figure(h: hist.Hist, *, labels: Mapping[str, str] | None = None) -> Figure:
    """Draw the nominal events after each cut, from top to bottom, as a bar for each dataset.

    Parameters
    ----------
    h
        Axes ``dataset``, ``variation`` and ``cut``, ``Weight`` storage.
    labels
        For the legend, by dataset; those that are missing are called by their names.

    Returns
    -------
    Figure
        Beside each bar stands the number of events, and what fraction of the first row they are. The axis is
        logarithmic where yields differ by more than a factor of 50.

    Raises
    ------
    StudyError
        If axes or storage are others.

    Example
    -------
    >>> h = hist.Hist(
    ...     hist.axis.StrCategory(["ttbar"], name="dataset"),
    ...     hist.axis.StrCategory(["nominal"], name="variation"),
    ...     hist.axis.StrCategory(["all", "six jets"], name="cut"),
    ...     storage=hist.storage.Weight(),
    ... ).fill("ttbar", "nominal", ["all", "all", "six jets"])
    >>> [text.get_text() for text in cutflow_figure(h).axes[0].texts]
    ['2  (100 %)', '1  (50 %)']
    """
    require_axes(h, "dataset", "variation", "cut")
    datasets, cuts = list(h.axes["dataset"]), list(h.axes["cut"])
    nominal = h[{"variation": NOMINAL}]
    values, uncertainties = nominal.values(), np.sqrt(nominal.variances())  # (dataset, cut)
    figure = Figure(figsize=(7.2, 1.6 + len(cuts) * (0.25 + 0.22 * len(datasets))))
    (axes,) = new_axes(figure)
    height = 0.8 / len(datasets)
    for row, dataset in enumerate(datasets):
        at = np.arange(len(cuts)) + (row - (len(datasets) - 1) / 2) * height
        axes.barh(
            at,
            values[row],
            0.9 * height,
            xerr=uncertainties[row],
            color=COLOURS[row % len(COLOURS)],
            ecolor="black",
            error_kw={"elinewidth": 1.0},
            label=(labels or {}).get(dataset, dataset),
        )
        for y, value, spread in zip(at, values[row], uncertainties[row], strict=True):
            axes.annotate(
                _number(value, values[row][0]),
                (max(value + spread, 0.0), y),
                xytext=(4, 0),
                textcoords="offset points",
                va="center",
                fontsize=9,
            )
    positive, top = values[values > 0], float((values + uncertainties).max(initial=0.0))
    if positive.size and positive.max() > 50 * positive.min():
        axes.set_xscale("log")
        lowest = float(positive.min()) / 3
        axes.set_xlim(lowest, top * (top / lowest) ** 0.35)
    else:
        axes.xaxis.set_major_locator(MaxNLocator(5))
        axes.xaxis.set_major_formatter(FuncFormatter(_events))
        axes.set_xlim(min(0.0, 1.1 * float(values.min(initial=0.0))), 1.3 * top or 1.0)
    axes.set_yticks(np.arange(len(cuts)), cuts)
    axes.yaxis.set_minor_locator(NullLocator())
    axes.tick_params(axis="y", which="both", length=0)
    axes.set_ylim(len(cuts) - 0.5, -0.5)
    end_labels(axes, x="Events")
    figure.legend(loc="outside upper right", ncols=min(len(datasets), 4))
    return figure


def _number(value: float, first: float) -> str:
    """Write a number of events and its fraction of the first."""
    return f"{_events(value)}  ({100 * value / first:.3g} %)" if first else _events(value)


def _events(value: float, _: object = None) -> str:
    """Write a number of events, large ones in groups of three digits."""
    return f"{value:,.0f}".replace(",", "\u2009") if abs(value) >= 1000 else f"{value:.3g}"
