"""Shapes of processes over each other, and of one process's systematic shifts."""

from collections.abc import Sequence

import mplhep as mh
import numpy as np
from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from hepreco.errors import StudyError
from hepreco.inference.grouping import Grouping
from hepreco.inference.templates import Channel
from hepreco.plotting.bins import is_logarithmic, per_bin
from hepreco.plotting.options import FiguresConfig
from hepreco.plotting.style import COLOURS, GREY, colour_of, end_labels, experiment, name_bins, new_axes, rc

#: More shifts are not told apart.
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
        highest = 0.0
        for name in names:
            template, colour = (
                channel.templates[name],
                colour_of(name, [*channel.templates].index(name), grouping.colours),
            )
            total = template.values.sum()
            values, spread = template.values / total, np.sqrt(template.variances) / total
            axes.stairs(
                values + spread,
                channel.edges,
                baseline=values - spread,
                fill=True,
                color=colour,
                alpha=0.25,
                linewidth=0,
            )
            mh.histplot(
                values,
                channel.edges,
                ax=axes,
                yerr=False,
                flow="none",
                edges=False,
                color=colour,
                linewidth=2.0,
                label=grouping.labels.get(name, name),
            )
            highest = max(highest, float((values + spread).max()))
        axes.set_ylim(0, 1.4 * highest)
        _finish(axes, channel)
        end_labels(axes, x=channel.label, y=per_bin("Fraction of events", channel.edges, label=channel.label))
        axes.legend(loc="upper right", ncols=1 if len(names) <= 4 else 2, frameon=False)
        experiment(axes, options, right=axes)
        return figure


def shift_figure(
    channel: Channel,
    process: str,
    *,
    parameters: Sequence[str] = (),
    grouping: Grouping | None = None,
    options: FiguresConfig | None = None,
) -> Figure:
    """Draw the nominal template of a process, and below it how far each systematic shifts its bins.

    Parameters
    ----------
    channel, process
        Which template.
    parameters
        Which systematics; by default the six that change the largest fraction of its events.
    grouping, options
        As for :func:`~hepreco.plotting.stack_figure`.

    Raises
    ------
    StudyError
        There is no such template, or nothing shifts it.
    """
    grouping, options = grouping or Grouping({}), options or FiguresConfig()
    template = channel.templates.get(process)
    effects = template.effects if template else {}
    if template is None or not effects or not template.values.any():
        raise StudyError(
            f"no systematic shifts {process!r} in {channel.name!r}", "choose a process that has events and variations"
        )
    nominal = template.values
    size = {name: abs(each.up - nominal).sum() + abs(each.down - nominal).sum() for name, each in effects.items()}
    chosen = [name for name in parameters if name in effects] or sorted(size, key=lambda name: -size[name])[:MOST]
    with rc_context(rc(options)):
        figure = Figure(figsize=(6.4, 5.8))
        upper, lower = new_axes(figure, ratios=(1.5, 1.8))
        mh.histplot(
            nominal,
            channel.edges,
            ax=upper,
            yerr=np.sqrt(template.variances),
            flow="none",
            color="black",
            linewidth=1.8,
            label=grouping.labels.get(process, process),
        )
        upper.set_ylim(min(0.0, 1.2 * nominal.min()), 1.45 * nominal.max())
        known = nominal != 0
        lower.axhline(0.0, color=GREY, linewidth=1.0)
        reach = 0.0
        for at, name in enumerate(chosen):
            for bins, style in ((effects[name].up, "-"), (effects[name].down, "--")):
                change = 100 * np.divide(bins - nominal, nominal, out=np.zeros_like(nominal), where=known)
                label = name if style == "-" else None
                lower.stairs(
                    change,
                    channel.edges,
                    baseline=None,
                    color=COLOURS[at % len(COLOURS)],
                    linestyle=style,
                    linewidth=1.8,
                    label=label,
                )
                reach = max(reach, float(abs(change).max()))
        spread = 100 * np.divide(np.sqrt(template.variances), nominal, out=np.zeros_like(nominal), where=known)
        lower.stairs(spread, channel.edges, baseline=-spread, fill=True, color=GREY, alpha=0.25, label="stat.")
        lower.set_ylim(-1.25 * reach, 2.0 * reach)
        lower.yaxis.set_major_locator(MaxNLocator(6, steps=[1, 2, 5, 10]))
        _finish(upper, channel)
        end_labels(upper, y=per_bin("Events", channel.edges, label=channel.label))
        end_labels(lower, x=channel.label)
        lower.set_ylabel("shift [%]", loc="center")
        upper.legend(loc="upper right", frameon=False)
        lower.legend(loc="upper center", ncols=3, fontsize=9, frameon=False, title="up: full line, down: dashed")
        lower.get_legend().get_title().set_fontsize(9)
        experiment(upper, options, right=upper)
        return figure


def _finish(axes: Axes, channel: Channel) -> None:
    axes.set_xlim(channel.edges[0], channel.edges[-1])
    if is_logarithmic(channel.edges):
        axes.set_xscale("log")
    name_bins(axes.xaxis, channel.bins)
    if channel.region:
        axes.text(0.04, 0.95, channel.region, transform=axes.transAxes, va="top", fontweight="bold")
