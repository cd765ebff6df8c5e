"""Overlaid shapes of processes, and systematic shifts of one process."""

from collections.abc import Sequence

import mplhep as mh
import numpy as np
from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from hepreco.errors import StudyError
from hepreco.inference.grouping import Grouping
from hepreco.inference.templates import Channel, Template
from hepreco.plotting.bins import is_logarithmic, per_bin
from hepreco.plotting.options import FiguresConfig
from hepreco.plotting.style import COLOURS, GREY, colour_of, end_labels, experiment, name_bins, new_axes, rc

#: Largest number of shifts in a figure; more cannot be distinguished.
MOST = 6


def shape_figure(channel: Channel, *, grouping: Grouping | None = None, options: FiguresConfig | None = None) -> Figure:
    """Draw the shape of every process, normalised to one, with its statistical uncertainty.

    Raises
    ------
    StudyError
        No process has a positive number of events.

    Example
    -------
    >>> from hepreco.inference.templates import Template
    >>> template = Template(np.array([1.0, 3.0]), np.array([0.1, 0.3]), {}, {})
    >>> channel = Channel("4j", "4j", np.array([0.0, 1.0, 2.0]), "score", {"ttbar": template}, None)
    >>> shape_figure(channel).axes[0].get_ylabel()
    'Fraction of events / 1'
    """
    grouping, options = grouping or Grouping({}), options or FiguresConfig()
    names = [name for name, each in channel.templates.items() if each.values.sum() > 0]
    if not names:
        raise StudyError(f"no process has events in {channel.name!r}", "loosen the cuts")
    with rc_context(rc(options)):
        figure = Figure()
        (axes,) = new_axes(figure)
        for name in names:
            colour = colour_of(name, [*channel.templates].index(name), grouping.colours)
            _draw_shape(axes, channel, name, colour=colour, label=grouping.labels.get(name, name))
        _finish(axes, channel)
        axes.set_ylim(0, 1.25 * axes.get_ylim()[1])
        end_labels(axes, x=channel.label, y=per_bin("Fraction of events", channel.edges, label=channel.label))
        axes.legend(loc="upper right", ncols=1 if len(names) <= 4 else 2, frameon=False)
        experiment(axes, options, right=axes)
        return figure


def _draw_shape(axes: Axes, channel: Channel, process: str, *, colour: str, label: str) -> None:
    """Draw the fraction of events in each bin, and its statistical uncertainty shaded."""
    template = channel.templates[process]
    total = template.values.sum()
    values, spread = template.values / total, np.sqrt(template.variances) / total
    axes.stairs(
        values + spread, channel.edges, baseline=values - spread, fill=True, color=colour, alpha=0.25, linewidth=0
    )
    mh.histplot(
        values, channel.edges, ax=axes, yerr=False, flow="none", edges=False, color=colour, linewidth=2.0, label=label
    )


def shift_figure(
    channel: Channel,
    process: str,
    *,
    parameters: Sequence[str] = (),
    grouping: Grouping | None = None,
    options: FiguresConfig | None = None,
) -> Figure:
    """Draw the nominal template of a process, and below it the relative shifts of its bins by each systematic.

    Parameters
    ----------
    channel, process
        Channel and process of the template.
    parameters
        The systematics; by default the six that change the largest fraction of its events.
    grouping, options
        As for :func:`~hepreco.plotting.stack_figure`.

    Raises
    ------
    StudyError
        There is no such template, or no systematic shifts it.
    """
    grouping, options = grouping or Grouping({}), options or FiguresConfig()
    template = channel.templates.get(process)
    effects = template.effects if template else {}
    if template is None or not effects or not template.values.any():
        raise StudyError(
            f"no systematic shifts {process!r} in {channel.name!r}", "choose a process that has events and variations"
        )
    with rc_context(rc(options)):
        figure = Figure(figsize=(6.4, 5.8))
        upper, lower = new_axes(figure, ratios=(1.5, 1.8))
        _draw_nominal(upper, channel, template, label=grouping.labels.get(process, process))
        _draw_shifts(lower, channel, template, [name for name in parameters if name in effects] or _largest(template))
        _finish(upper, channel)
        end_labels(upper, y=per_bin("Events", channel.edges, label=channel.label))
        end_labels(lower, x=channel.label)
        experiment(upper, options, right=upper)
        return figure


def _largest(template: Template) -> list[str]:
    """The parameters that change the largest fraction of events."""
    size = {
        name: float(abs(each.up - template.values).sum() + abs(each.down - template.values).sum())
        for name, each in template.effects.items()
    }
    return sorted(size, key=lambda name: -size[name])[:MOST]


def _draw_nominal(axes: Axes, channel: Channel, template: Template, *, label: str) -> None:
    mh.histplot(
        template.values,
        channel.edges,
        ax=axes,
        yerr=np.sqrt(template.variances),
        flow="none",
        color="black",
        linewidth=1.8,
        label=label,
    )
    axes.set_ylim(min(0.0, 1.2 * template.values.min()), 1.45 * template.values.max())
    axes.legend(loc="upper right", frameon=False)


def _draw_shifts(axes: Axes, channel: Channel, template: Template, names: Sequence[str]) -> None:
    """Draw shifts in per cent, with full lines up and dashed lines down, and shade the statistical uncertainty."""
    nominal = template.values

    def percent(change: NDArray[np.float64]) -> NDArray[np.float64]:
        return 100 * np.divide(change, nominal, out=np.zeros_like(nominal), where=nominal != 0)

    shifts = [(percent(template.effects[n].up - nominal), percent(template.effects[n].down - nominal)) for n in names]
    for at, (name, (up, down)) in enumerate(zip(names, shifts, strict=True)):
        colour = COLOURS[at % len(COLOURS)]
        axes.stairs(up, channel.edges, baseline=None, color=colour, linewidth=1.8, label=name)
        axes.stairs(down, channel.edges, baseline=None, color=colour, linewidth=1.8, linestyle="--")
    spread = percent(np.sqrt(template.variances))
    axes.stairs(spread, channel.edges, baseline=-spread, fill=True, color=GREY, alpha=0.25, label="stat.")
    axes.axhline(0.0, color=GREY, linewidth=1.0)
    reach = float(np.max(np.abs(shifts), initial=0.0)) or 1.0
    axes.set_ylim(-1.25 * reach, 2.0 * reach)
    axes.yaxis.set_major_locator(MaxNLocator(6, steps=[1, 2, 5, 10]))
    axes.set_ylabel("shift [%]", loc="center")
    legend = axes.legend(loc="upper center", ncols=3, fontsize=9, title="up: full line, down: dashed", frameon=False)
    legend.get_title().set_fontsize(9)


def _finish(axes: Axes, channel: Channel) -> None:
    axes.set_xlim(channel.edges[0], channel.edges[-1])
    if is_logarithmic(channel.edges):
        axes.set_xscale("log")
    name_bins(axes.xaxis, channel.bins)
    if channel.region:
        axes.text(0.04, 0.95, channel.region, transform=axes.transAxes, va="top", fontweight="bold")
