"""Stacked processes with their uncertainty, and data as points."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import mplhep as mh
import numpy as np
from hist.intervals import poisson_interval
from matplotlib import rc_context
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from hepreco.errors import StudyError
from hepreco.inference.fitting import Prediction
from hepreco.inference.grouping import Grouping
from hepreco.inference.templates import Channel
from hepreco.plotting.bins import is_logarithmic, per_bin
from hepreco.plotting.options import FiguresConfig
from hepreco.plotting.style import GREY, colour_of, end_labels, experiment, name_bins, rc, share_axis, tick

BAND: Final[dict[str, Any]] = {"facecolor": "none", "edgecolor": "#333333", "hatch": "/////", "linewidth": 0}


@dataclass(frozen=True)
class Stack:
    """The contents of a panel, for one region.

    Parameters
    ----------
    name, region
        Name of the channel, and the text in the panel.
    edges, label
        Edges, of shape ``(bin + 1,)``, and label of the axis.
    values
        Events of each process, of shape ``(bin,)``.
    down, up
        Uncertainties of their sum.
    data
        Observed events; ``None`` without data.
    bins
        Names of the bins if they are integers or categories.
    uncertainty
        Label of the uncertainty band in the legend.
    """

    name: str
    region: str
    edges: NDArray[np.float64]
    label: str
    values: Mapping[str, NDArray[np.float64]]
    down: NDArray[np.float64]
    up: NDArray[np.float64]
    data: NDArray[np.float64] | None
    bins: tuple[str, ...] = ()
    uncertainty: str = "stat. ⊕ syst."

    @property
    def total(self) -> NDArray[np.float64]:
        """The sum of all processes."""
        return np.sum([*self.values.values()], axis=0)


def stack_of(channel: Channel) -> Stack:
    """The templates of a channel, with statistical and systematic uncertainties added in quadrature."""
    down, up = channel.band.total
    values = {name: template.values for name, template in channel.templates.items()}
    systematic = any(template.effects for template in channel.templates.values())
    return Stack(
        channel.name,
        channel.region,
        channel.edges,
        channel.label,
        values,
        down,
        up,
        channel.data,
        channel.bins,
        "stat. ⊕ syst." if systematic else "stat. uncertainty",
    )


def stack_of_fit(
    channel: Channel, prediction: Prediction, *, data: NDArray[np.float64] | None, uncertainty: str
) -> Stack:
    """The expected events of a channel before or after the fit, and the fitted data."""
    spread = prediction.uncertainty
    values = {name: prediction.values[name] for name in channel.templates}
    return Stack(
        channel.name,
        channel.region,
        channel.edges,
        channel.label,
        values,
        spread,
        spread,
        data,
        channel.bins,
        uncertainty,
    )


def stack_figure(
    *stacks: Stack, histogram: str = "", grouping: Grouping | None = None, options: FiguresConfig | None = None
) -> Figure:
    """Draw stacked processes with their uncertainty, data as points, and the ratio of both below.

    Parameters
    ----------
    stacks
        One region, or several side by side.
    histogram
        Name of the histogram, by which ``options`` choose blinding and logarithmic scale.
    grouping
        Labels and colours of processes.
    options
        Style, labels, blinding.

    Returns
    -------
    Figure
        Errors of data are central Poisson intervals of 68 %. The ratio is drawn only if there are data.

    Raises
    ------
    StudyError
        There is nothing to draw.

    Example
    -------
    >>> one, bins = np.array([0.5]), np.array([5.0])
    >>> stack = Stack("4j", "4j", np.array([0.0, 1.0]), "score", {"ttbar": bins}, one, one, np.array([7.0]))
    >>> [text.get_text() for text in stack_figure(stack).axes[0].get_legend().get_texts()]
    ['data', 'ttbar', 'stat. ⊕ syst.']
    """
    grouping, options = grouping or Grouping({}), options or FiguresConfig()
    if not stacks or not all(stack.values for stack in stacks):
        raise StudyError("there are no processes to draw", "give datasets of simulated events")
    with rc_context(rc(options)):
        return _figure(stacks, histogram, grouping, options)


def _figure(stacks: tuple[Stack, ...], histogram: str, grouping: Grouping, options: FiguresConfig) -> Figure:
    ratio = any(stack.data is not None for stack in stacks)
    columns, heights = len(stacks), (3.2, 1.0) if ratio else (1.0,)
    figure = Figure(figsize=(6.4, 5.6) if columns == 1 else (1.2 + 4.4 * columns, 5.4))
    panels = figure.subplots(len(heights), columns, sharex="col", squeeze=False, height_ratios=heights)
    for column, stack in enumerate(stacks):
        upper, *lower = panels[:, column]
        seen = _unblinded(stack, options.blind.get(histogram))
        _draw_stack(upper, stack, seen, grouping)
        _scale(upper, stack, logarithmic=histogram in options.logarithmic)
        for axes in lower:
            _draw_ratio(axes, stack, seen)
        _labels([upper, *lower], stack, first=column == 0)
        if histogram in options.blind:
            _mark_blinded([upper, *lower], options.blind[histogram])
    if columns == 1:
        _legend(panels[0, 0])
    else:
        handles, texts = _ordered(panels[0, -1])
        figure.legend(handles, texts, loc="outside right upper", frameon=False)
    experiment(panels[0, 0], options, right=panels[0, -1])
    return figure


def _draw_stack(axes: Axes, stack: Stack, seen: NDArray[np.bool_], grouping: Grouping) -> None:
    names = list(stack.values)
    mh.histplot(
        [stack.values[name] for name in names],
        stack.edges,
        ax=axes,
        stack=True,
        histtype="fill",
        flow="none",
        color=[colour_of(name, at, grouping.colours) for at, name in enumerate(names)],
        label=[grouping.labels.get(name, name) for name in names],
        edgecolor="white",
        linewidth=0.4,
    )
    total = stack.total
    axes.stairs(total + stack.up, stack.edges, baseline=total - stack.down, fill=True, label=stack.uncertainty, **BAND)
    if stack.data is not None:
        _points(axes, stack, stack.data, seen, np.ones_like(total), label="data")


def _draw_ratio(axes: Axes, stack: Stack, seen: NDArray[np.bool_]) -> None:
    """Draw the ratio of data to the sum of processes, in bins with expected events, with the band around 1."""
    total = stack.total
    known = total > 0
    scale = np.divide(1.0, total, out=np.full_like(total, np.nan), where=known)
    low, high = (np.where(known, 1 + change * scale, 1.0) for change in (-stack.down, stack.up))
    axes.stairs(high, stack.edges, baseline=low, fill=True, **BAND)
    axes.axhline(1.0, color=GREY, linewidth=1.0)
    extent = [abs(low - 1), abs(high - 1)]
    if stack.data is not None:
        _points(axes, stack, stack.data, seen & known & (stack.data > 0), scale)
        points = stack.data * scale - 1
        extent.append((abs(points) + np.sqrt(stack.data) * scale)[seen & known & (stack.data > 0)])
    reach = float(np.clip(1.1 * np.max(np.concatenate(extent), initial=0.0), 0.05, 1.0))
    axes.set_ylim(1 - reach, 1 + reach)
    axes.yaxis.set_major_locator(MaxNLocator(4, steps=[1, 2, 5, 10], prune="upper"))


def _points(
    axes: Axes,
    stack: Stack,
    data: NDArray[np.float64],
    seen: NDArray[np.bool_],
    scale: NDArray[np.float64],
    *,
    label: str | None = None,
) -> None:
    low, high = np.nan_to_num(poisson_interval(data, data))
    width = abs(np.array([data - low, high - data])) * scale
    values = np.where(seen, data * scale, np.nan)
    mh.histplot(
        values,
        stack.edges,
        ax=axes,
        histtype="errorbar",
        yerr=np.where(seen, width, np.nan),
        flow="none",
        color="black",
        markersize=5,
        elinewidth=1.2,
        label=label,
        zorder=5,
    )


def _unblinded(stack: Stack, window: tuple[float, float] | None) -> NDArray[np.bool_]:
    """The bins without overlap with the window in which no data are drawn."""
    if window is None:
        return np.ones(len(stack.edges) - 1, dtype=bool)
    return (stack.edges[1:] <= window[0]) | (stack.edges[:-1] >= window[1])


def _mark_blinded(panels: list[Axes], window: tuple[float, float]) -> None:
    for axes in panels:
        axes.axvspan(*window, color=GREY, alpha=0.18, linewidth=0, zorder=0)
    panels[-1].text(
        sum(window) / 2,
        0.06,
        "blinded",
        transform=panels[-1].get_xaxis_transform(),
        ha="center",
        fontsize=10,
        bbox={"facecolor": "white", "edgecolor": "none", "alpha": 0.8, "pad": 1.5},
    )


def _scale(axes: Axes, stack: Stack, *, logarithmic: bool) -> None:
    data = stack.data if stack.data is not None else np.zeros(1)
    highest = float(max((stack.total + stack.up).max(), data.max(initial=0.0))) or 1.0
    if logarithmic and (stack.total > 0).any():
        lowest = max(0.3 * float(stack.total[stack.total > 0].min()), 1e-4 * highest)
        axes.set_yscale("log")
        axes.set_ylim(lowest, highest * (highest / lowest) ** 0.55)
    else:
        lowest = min(0.0, 1.15 * float(min(stack.total.min(), *(each.min() for each in stack.values.values()))))
        axes.set_ylim(lowest, 1.5 * highest)
    axes.set_xlim(stack.edges[0], stack.edges[-1])
    if is_logarithmic(stack.edges):
        axes.set_xscale("log")


def _labels(panels: list[Axes], stack: Stack, *, first: bool) -> None:
    for axes in panels:
        tick(axes)
    share_axis(panels)
    name_bins(panels[-1].xaxis, stack.bins)
    y = "Events" if stack.bins else per_bin("Events", stack.edges, label=stack.label)
    end_labels(panels[0], y=y, x="" if len(panels) > 1 else stack.label)
    if len(panels) > 1:
        end_labels(panels[1], x=stack.label)
        panels[1].set_ylabel("data / sum" if first else "", loc="center")
    if stack.region:
        panels[0].text(0.04, 0.95, stack.region, transform=panels[0].transAxes, va="top", fontweight="bold")


def _ordered(axes: Axes) -> tuple[list[Artist], list[str]]:
    """Entries of the legend: data, processes from the top of the stack (mplhep's order), and the band."""
    entries = list(zip(*reversed(axes.get_legend_handles_labels()), strict=True))
    data = [each for each in entries if each[0] == "data"]
    band = [each for each in entries if "uncertainty" in each[0] or "⊕" in each[0] or "fit" in each[0]]
    processes = [each for each in entries if each not in data and each not in band]
    ordered = [*data, *processes, *band]
    return [handle for _, handle in ordered], [text for text, _ in ordered]


def _legend(axes: Axes) -> None:
    handles, texts = _ordered(axes)
    axes.legend(handles, texts, loc="upper right", ncols=1 if len(texts) <= 4 else 2, fontsize=11, frameon=False)
