"""The style of all figures: mplhep's plain style, with a font that has all needed characters."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

import mplhep as mh
from cycler import cycler
from matplotlib import rcParams
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.figure import Figure
from matplotlib.font_manager import get_font_names
from matplotlib.ticker import NullLocator, ScalarFormatter

from hepreco.plotting.options import FiguresConfig

FONTS: Final = ["Fira Sans", "DejaVu Sans"]  # the second has characters that the first lacks
#: Distinguishable with colour-vision deficiency and in grey: M. A. Petroff, arXiv:2107.02270.
COLOURS: Final = (
    "#3f90da",
    "#bd1f01",
    "#ffa90e",
    "#832db6",
    "#94a4a2",
    "#a96b59",
    "#e76300",
    "#b9ac70",
    "#717581",
    "#92dadd",
)
GREY: Final = "#717581"
#: Parameters of matplotlib, set with ``rc_context`` while a figure is made or written.
STYLE: Final[dict[Any, Any]] = {
    **mh.style.plothist,
    "figure.figsize": (6.4, 4.8),
    "figure.constrained_layout.use": True,
    "font.family": FONTS,
    "font.sans-serif": FONTS,
    "font.size": 11,
    "axes.labelsize": 13,
    "xtick.labelsize": 11,
    "ytick.labelsize": 11,
    "legend.fontsize": 11,
    "mathtext.fontset": "custom",
    "mathtext.rm": "Fira Sans",
    "mathtext.it": "Fira Sans:italic",
    "mathtext.bf": "Fira Sans:bold",
    "mathtext.sf": "Fira Sans",
    "mathtext.tt": "Fira Mono",
    "mathtext.cal": "Fira Sans:italic",
    "mathtext.fallback": "stixsans",
    "axes.prop_cycle": cycler(color=COLOURS),
    "hatch.linewidth": 0.6,
    "pdf.fonttype": 42,
}


def new_axes(figure: Figure, *, ratios: tuple[float, ...] = (1.0,)) -> list[Axes]:
    """Add stacked panels with a common x axis; ``ratios`` are their heights from top to bottom."""
    panels = figure.subplots(len(ratios), 1, sharex=True, squeeze=False, height_ratios=ratios)[:, 0]
    for axes in panels:
        tick(axes)
    return list(panels)


class Numbers(ScalarFormatter):
    """Numbers along an axis as plain text, which is drawn much faster than mathtext; a power of ten is mathtext."""

    def get_offset(self) -> str:
        """The power of ten that multiplies the numbers, if any."""
        self.set_useMathText(True)
        offset = super().get_offset()
        self.set_useMathText(False)
        return offset


def tick(axes: Axes) -> None:
    """Set the appearance of ticks here, because matplotlib may create them later, outside this style."""
    axes.xaxis.set_major_formatter(Numbers(useMathText=False))
    axes.yaxis.set_major_formatter(Numbers(useMathText=False))
    axes.tick_params(which="both", direction="in", top=True, right=True, labelfontfamily=rcParams["font.family"])
    axes.tick_params(which="major", length=6, labelsize=11)
    axes.tick_params(which="minor", length=3)


def share_axis(panels: Sequence[Axes]) -> None:
    """Show the numbers of the x axis below the lowest panel of a column only."""
    for axes in panels[:-1]:
        axes.tick_params(labelbottom=False)


def name_bins(axis: Axis, names: Sequence[str]) -> None:
    """Write names of bins that are integers or categories at their centres; without names nothing is done."""
    if names:
        axis.set_ticks([at + 0.5 for at in range(len(names))], list(names))
        axis.set_minor_locator(NullLocator())


def rc(options: FiguresConfig) -> dict[Any, Any]:
    """Parameters of matplotlib: hepreco's sizes, with the fonts of the experiment if one is chosen."""
    if not options.style:
        return STYLE
    style, known = getattr(mh.style, options.style), get_font_names()
    chosen = [*style.get("font.sans-serif", []), *style.get("font.serif", [])]
    fonts = [font for font in (*chosen, *FONTS) if font in known]  # matplotlib warns of missing ones at every text
    return {**STYLE, "font.family": fonts, "font.sans-serif": fonts}


def experiment(axes: Axes, options: FiguresConfig, *, right: Axes) -> None:
    """Write the label above the panel in the experiment's style, and the luminosity above the ``right`` panel."""
    if options.style:
        mh.label.exp_label(
            exp=options.style, text=options.label, llabel=options.label or None, data=True, rlabel="", loc=0, ax=axes
        )
    elif options.label:
        axes.text(0.0, 1.01, options.label, transform=axes.transAxes, va="bottom", fontweight="bold")
    if options.luminosity:
        right.text(1.0, 1.01, options.luminosity, transform=right.transAxes, ha="right", va="bottom")


def colour_of(name: str, position: int, colours: Mapping[str, str]) -> str:
    """The configured colour of a process, or else the colour for its position."""
    return colours.get(name) or COLOURS[position % len(COLOURS)]


def end_labels(axes: Axes, *, x: str = "", y: str = "") -> None:
    """Label the axes at their ends."""
    axes.set_xlabel(x, loc="right")
    axes.set_ylabel(y, loc="top")


def note(axes: Axes, text: str) -> None:
    """Write a small note above the panel, on the right."""
    axes.text(1.0, 1.01, text, transform=axes.transAxes, ha="right", va="bottom", color=GREY, fontsize=9)
