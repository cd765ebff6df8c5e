"""Draws the histograms of a run, with all datasets in one figure."""

from collections.abc import Mapping, Sequence

import hist
import mplhep as mh
import numpy as np
from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from numpy.typing import NDArray

from hepreco.plotting.bins import is_logarithmic, label_of, per_bin
from hepreco.plotting.maps import ROW, draw_shapes
from hepreco.plotting.spectra import NOMINAL, Spectrum, spectra
from hepreco.plotting.style import COLOURS, GREY, STYLE, end_labels, new_axes, note


@rc_context(STYLE)
def histogram_figure(h: hist.Hist, *, labels: Mapping[str, str] | None = None, density: bool = False) -> Figure:
    """Draw every dataset's nominal histogram with its statistical uncertainty and the envelope of its variations.

    If there are more than ten datasets, the nine largest are drawn, and the sum of all others in black. A panel below
    then has a row for each dataset, whose colours show its shape.

    Parameters
    ----------
    h
        A histogram with axes ``dataset``, ``variation`` and a numeric one, and ``Weight`` storage.
    labels
        Labels in the legend, by dataset; the default is the name of the dataset.
    density
        Draw fractions of each dataset's Σw (including entries outside the axis) instead of events, to compare shapes.
        Variations are divided by their own Σw, so the envelope is that of the shape.

    Returns
    -------
    Figure
        The horizontal axis is logarithmic if the bins are. A note gives the fraction of entries outside the axis.

    Raises
    ------
    StudyError
        The histogram has other axes or another storage, or ``density`` is requested for a dataset without events.

    Example
    -------
    >>> h = hist.Hist(
    ...     hist.axis.StrCategory(["ttbar"], name="dataset"),
    ...     hist.axis.StrCategory(["nominal"], name="variation"),
    ...     hist.axis.Regular(30, 100, 250, name="mass", label="top mass", __dict__={"unit": "GeV"}),
    ...     storage=hist.storage.Weight(),
    ... ).fill("ttbar", "nominal", [170.0, 175.0, 180.0])
    >>> histogram_figure(h, labels={"ttbar": "top pairs"}).axes[0].get_ylabel()
    'Entries / 5 GeV'
    """
    drawn = spectra(h, labels=labels or {}, density=density)
    edges = np.asarray(h.axes[2].edges, dtype=np.float64)
    label = label_of(h.axes[2])
    many = len(drawn) < len(h.axes[0])
    figure, axes = _with_rows(h, edges, labels=labels or {}) if many else _alone()
    for position, spectrum in enumerate(drawn):
        is_sum = many and position == len(drawn) - 1
        _draw(axes, edges, spectrum, colour="black" if is_sum else COLOURS[position % len(COLOURS)])
    entries = per_bin("Fraction of entries" if density else "Entries", edges, label=label)
    end_labels(axes, x="" if many else label, y=entries)
    if is_logarithmic(edges):
        axes.set_xscale("log")
    axes.set_xlim(edges[0], edges[-1])
    lowest, highest = _extent(drawn)
    axes.set_ylim(1.15 * lowest if lowest < 0 else 0.0, (1.25 + 0.08 * len(drawn)) * highest or 1.0)
    _legend(axes, drawn)
    if outside := _outside(drawn):
        note(axes, f"outside the axis: {outside}")
    return figure


def _outside(drawn: Sequence[Spectrum]) -> str:
    """Fractions of entries outside the axis: of each dataset, or the largest if there are many datasets."""
    some = [each for each in drawn if abs(each.outside) >= 0.0005]
    if len(some) > 3:
        return f"at most {100 * max(abs(each.outside) for each in some):.1f} %"
    return ", ".join(f"{each.label} {100 * each.outside:.1f} %" for each in some)


def _alone() -> tuple[Figure, Axes]:
    figure = Figure()
    (axes,) = new_axes(figure)
    return figure, axes


def _with_rows(h: hist.Hist, edges: NDArray[np.float64], *, labels: Mapping[str, str]) -> tuple[Figure, Axes]:
    """A figure with a panel for lines, above a panel with a row for each dataset."""
    names = list(h.axes["dataset"])
    below = 1.0 + ROW * len(names)
    figure = Figure(figsize=(7.2, 4.8 + below))
    above, rows = new_axes(figure, ratios=(4.8, below))
    draw_shapes(rows, edges, h[{"variation": NOMINAL}].values(), names=[labels.get(name, name) for name in names])
    end_labels(rows, x=label_of(h.axes[2]))
    note(rows, "each dataset's shape: darkest at its largest bin")
    return figure, above


def _draw(axes: Axes, edges: NDArray[np.float64], spectrum: Spectrum, *, colour: str) -> None:
    """Draw the envelope hatched, the statistical uncertainty shaded, and the values as a step line."""
    if spectrum.low is not None and spectrum.high is not None:
        axes.stairs(
            spectrum.high, edges, baseline=spectrum.low, fill=False, hatch="/////", edgecolor=colour, linewidth=0
        )
    up, down = spectrum.values + spectrum.uncertainties, spectrum.values - spectrum.uncertainties
    axes.stairs(up, edges, baseline=down, fill=True, color=colour, alpha=0.25, linewidth=0)
    mh.histplot(
        spectrum.values, edges, ax=axes, yerr=False, flow="none", color=colour, label=spectrum.label, linewidth=1.6
    )


def _extent(drawn: Sequence[Spectrum]) -> tuple[float, float]:
    """Find the lowest and the highest point of all bands."""
    ups = [each.values + each.uncertainties for each in drawn] + [each.high for each in drawn if each.high is not None]
    downs = [each.values - each.uncertainties for each in drawn] + [each.low for each in drawn if each.low is not None]
    lowest = min((float(np.min(each.values)) for each in drawn), default=0.0)
    return (min(float(np.min(down)) for down in downs) if lowest < 0 else 0.0), max(float(np.max(up)) for up in ups)


def _legend(axes: Axes, drawn: Sequence[Spectrum]) -> None:
    handles, texts = axes.get_legend_handles_labels()
    handles, texts = [*handles, Patch(facecolor=GREY, alpha=0.35)], [*texts, "stat. uncertainty"]
    if any(each.low is not None for each in drawn):
        handles.append(Patch(facecolor="none", edgecolor=GREY, hatch="/////", linewidth=0))
        texts.append("variations")
    if len(texts) > 8:
        axes.legend(handles, texts, loc="upper right", ncols=3, fontsize=9)
    else:
        axes.legend(handles, texts, loc="upper right", ncols=2 if len(texts) > 4 else 1)
