"""The cut flow of a run."""

from collections.abc import Mapping
from textwrap import fill
from typing import Final

import hist
import numpy as np
from matplotlib import rc_context
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator, NullLocator
from numpy.typing import NDArray

from hepreco.plotting.maps import ROW, draw_table
from hepreco.plotting.spectra import MOST, NOMINAL, require_axes
from hepreco.plotting.style import COLOURS, STYLE, end_labels, new_axes

#: Characters per line in the heading of a column.
WORDS: Final = 16


@rc_context(STYLE)
def cutflow_figure(h: hist.Hist, *, labels: Mapping[str, str] | None = None) -> Figure:
    """Draw the nominal events after each cut, from top to bottom, as one bar per dataset.

    Parameters
    ----------
    h
        A histogram with axes ``dataset``, ``variation`` and ``cut``, and ``Weight`` storage.
    labels
        Labels in the legend, by dataset; the default is the name of the dataset.

    Returns
    -------
    Figure
        Next to each bar are the number of events and its fraction of the first row. The axis is logarithmic if yields
        differ by more than a factor of 50. More than ten datasets are shown as a table with the same numbers, with a
        row per dataset and a column per cut.

    Raises
    ------
    StudyError
        The histogram has other axes or another storage.

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
    names = [(labels or {}).get(dataset, dataset) for dataset in datasets]
    if len(datasets) > MOST:
        return _table(values, names=names, cuts=cuts)
    return _bars(values, uncertainties, names=names, cuts=cuts)


def _table(values: NDArray[np.float64], *, names: list[str], cuts: list[str]) -> Figure:
    """Draw a table with one row per dataset."""
    figure = Figure(figsize=(2.4 + 1.3 * len(cuts), 1.6 + ROW * len(names)))
    (axes,) = new_axes(figure)
    first = values[:, :1]
    fractions = np.divide(values, first, out=np.zeros_like(values), where=first > 0)
    texts = [[_number(value, row[0]) for value in row] for row in values]
    draw_table(axes, fractions, texts, names=names)
    axes.set_xticks(np.arange(len(cuts)), [fill(cut, WORDS) for cut in cuts], fontsize=9)
    axes.xaxis.set_minor_locator(NullLocator())
    axes.tick_params(axis="x", which="both", length=0, labeltop=True, labelbottom=False)
    end_labels(axes, x="Events, and their fraction of the first column")
    return figure


def _bars(
    values: NDArray[np.float64], uncertainties: NDArray[np.float64], *, names: list[str], cuts: list[str]
) -> Figure:
    figure = Figure(figsize=(7.2, 1.6 + len(cuts) * (0.25 + 0.22 * len(names))))
    (axes,) = new_axes(figure)
    height = 0.8 / len(names)
    for row, name in enumerate(names):
        at = np.arange(len(cuts)) + (row - (len(names) - 1) / 2) * height
        axes.barh(
            at,
            values[row],
            0.9 * height,
            xerr=uncertainties[row],
            color=COLOURS[row % len(COLOURS)],
            ecolor="black",
            error_kw={"elinewidth": 1.0},
            label=name,
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
    figure.legend(loc="outside upper right", ncols=min(len(names), 4))
    return figure


def _number(value: float, first: float) -> str:
    """Format a number of events and its fraction of the first."""
    return f"{_events(value)}  ({100 * value / first:.3g} %)" if first else _events(value)


def _events(value: float, _: object = None) -> str:
    """Format a number of events, large ones in groups of three digits."""
    return f"{value:,.0f}".replace(",", "\u2009") if abs(value) >= 1000 else f"{value:.3g}"
