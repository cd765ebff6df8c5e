"""Panels with hundreds of datasets, one row for each."""

from collections.abc import Sequence
from typing import Final

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LogNorm, Normalize
from matplotlib.ticker import NullLocator
from numpy.typing import NDArray

#: Perceptually uniform, also with colour-vision deficiency; large values are dark.
COLOUR_MAP: Final = "Blues"
#: Height of a row in inches, and its font size.
ROW: Final = 0.14
LETTERS: Final = 7
#: Smaller fractions have the colour of zero.
LEAST: Final = 1e-4


def draw_shapes(axes: Axes, edges: NDArray[np.float64], rows: NDArray[np.float64], *, names: Sequence[str]) -> None:
    """Colour the bins of each row by their fraction of the row's largest bin.

    Parameters
    ----------
    edges
        Edges of the bins.
    rows
        Contents of the bins, of shape ``(dataset, bin)``; negative bins have the colour of zero.
    names
        Names of the rows.
    """
    largest = rows.max(axis=1, initial=0.0, keepdims=True)
    fractions = np.clip(np.divide(rows, largest, out=np.zeros_like(rows), where=largest > 0), 0.0, 1.0)
    axes.pcolormesh(
        edges, np.arange(len(rows) + 1) - 0.5, fractions, cmap=COLOUR_MAP, norm=Normalize(0, 1), rasterized=True
    )
    _name_rows(axes, names)


def draw_table(
    axes: Axes, fractions: NDArray[np.float64], texts: Sequence[Sequence[str]], *, names: Sequence[str]
) -> None:
    """Colour the cells of a table by a fraction on a logarithmic scale, and write a text into each.

    Parameters
    ----------
    fractions
        Fractions of shape ``(row, column)``.
    texts
        Texts of the cells, row by row.
    names
        Names of the rows.
    """
    norm = LogNorm(LEAST, 1.0)
    axes.imshow(np.clip(fractions, LEAST, 1.0), cmap=COLOUR_MAP, norm=norm, aspect="auto", interpolation="nearest")
    for (row, column), fraction in np.ndenumerate(fractions):
        colour = "white" if norm(max(fraction, LEAST)) > 0.6 else "black"
        text = axes.text(column, row, texts[row][column], ha="center", va="center", fontsize=LETTERS, color=colour)
        text.set_in_layout(False)  # the layout need not measure a thousand texts, since none leaves its cell
    _name_rows(axes, names)


def _name_rows(axes: Axes, names: Sequence[str]) -> None:
    axes.set_yticks(np.arange(len(names)), names, fontsize=LETTERS)
    axes.yaxis.set_minor_locator(NullLocator())
    axes.tick_params(axis="y", which="both", length=0)
    axes.set_ylim(len(names) - 0.5, -0.5)
