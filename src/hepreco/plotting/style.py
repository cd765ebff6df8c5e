"""The style of all figures: mplhep's plain style, with a font that has all needed characters."""

from typing import Any, Final

import mplhep as mh
from cycler import cycler
from matplotlib.axes import Axes
from matplotlib.figure import Figure

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
        # matplotlib may create ticks later, outside this style, so set their appearance here
        axes.tick_params(which="both", direction="in", top=True, right=True, labelfontfamily=FONTS)
        axes.tick_params(which="major", length=6, labelsize=11)
        axes.tick_params(which="minor", length=3)
    return list(panels)


def end_labels(axes: Axes, *, x: str = "", y: str = "") -> None:
    """Label the axes at their ends."""
    axes.set_xlabel(x, loc="right")
    axes.set_ylabel(y, loc="top")


def note(axes: Axes, text: str) -> None:
    """Write a small note above the panel, on the right."""
    axes.text(1.0, 1.01, text, transform=axes.transAxes, ha="right", va="bottom", color=GREY, fontsize=9)
