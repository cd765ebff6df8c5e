"""Draws a mass peak with its fit."""

import hist
import mplhep as mh
import numpy as np
from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from hepreco.plotting.bins import label_of, per_bin, unit_of
from hepreco.plotting.style import COLOURS, GREY, STYLE, end_labels, new_axes, note
from hepreco.studies import MassPeak

POINTS = 400


@rc_context(STYLE)
def mass_peak_figure(h: hist.Hist, peak: MassPeak, *, title: str = "") -> Figure:
    """Draw the fitted histogram, the model, the pulls, and the results.

    Parameters
    ----------
    h
        The histogram that was fitted by :func:`hepreco.studies.mass_peak`.
    peak
        The result of the fit.
    title
        Text above the panel, for example the dataset.

    Returns
    -------
    Figure
        Points are Σw per bin with √Σw²; the lower panel shows (points − fit) / √Σw² for bins with entries.

    Example
    -------
    >>> from hepreco.studies import mass_peak
    >>> rng = np.random.default_rng(1)
    >>> h = hist.Hist(hist.axis.Regular(50, 100, 250, name="mass"), storage=hist.storage.Weight())
    >>> h = h.fill(rng.normal(172.5, 15, 10_000)).fill(rng.uniform(100, 250, 5_000))
    >>> len(mass_peak_figure(h, mass_peak(h, window=(140.0, 205.0))).axes)
    2
    """
    edges, label = np.asarray(h.axes[0].edges, dtype=np.float64), label_of(h.axes[0])
    uncertainties = np.sqrt(h.variances())
    figure = Figure(figsize=(6.4, 5.6))
    upper, lower = new_axes(figure, ratios=(3.5, 1.0))
    _shade(upper, peak)
    _shade(lower, peak)
    mh.histplot(
        h.values(),
        edges,
        ax=upper,
        histtype="errorbar",
        yerr=uncertainties,
        flow="none",
        color="black",
        markersize=4,
        label="events",
        zorder=5,
    )
    _draw_model(upper, peak, edges)
    _draw_pulls(lower, h.values(), uncertainties, peak, edges)
    upper.set_xlim(*peak.fit_range)
    shown = (edges[1:] > peak.fit_range[0]) & (edges[:-1] < peak.fit_range[1])
    upper.set_ylim(
        min(0.0, 1.1 * float(np.min(h.values()[shown]))), 1.5 * float(np.max((h.values() + uncertainties)[shown]))
    )
    end_labels(upper, y=per_bin("Entries", edges, label=label))
    end_labels(lower, x=label)
    lower.set_ylabel("Pull", loc="center")
    upper.legend(loc="upper right")
    upper.text(
        0.03,
        0.96,
        _numbers(peak, unit_of(label)),
        transform=upper.transAxes,
        va="top",
        fontsize=10,
        linespacing=1.3,
    )
    note(upper, title)
    figure.align_ylabels()
    return figure


def _shade(axes: Axes, peak: MassPeak) -> None:
    axes.axvspan(*peak.window, color=GREY, alpha=0.10, linewidth=0, zorder=0)


def _draw_model(axes: Axes, peak: MassPeak, edges: NDArray[np.float64]) -> None:
    """Draw the density of the fit times the width of the bin around each point."""
    grid = np.linspace(*peak.fit_range, POINTS + 1)
    centres = (grid[1:] + grid[:-1]) / 2
    bins = np.clip(np.searchsorted(edges, centres, side="right") - 1, 0, len(edges) - 2)
    scale = np.diff(edges)[bins] / np.diff(grid)
    below = peak.model.expected_background(grid) * scale
    axes.fill_between(centres, 0, below, color=COLOURS[0], alpha=0.2, linewidth=0)
    axes.plot(centres, below, color=COLOURS[0], linestyle="--", linewidth=1.5, label="background")
    axes.plot(centres, peak.model.expected(grid) * scale, color=COLOURS[1], linewidth=1.8, label="fit")


def _draw_pulls(
    axes: Axes,
    values: NDArray[np.float64],
    uncertainties: NDArray[np.float64],
    peak: MassPeak,
    edges: NDArray[np.float64],
) -> None:
    fitted = (edges[:-1] >= peak.fit_range[0]) & (edges[1:] <= peak.fit_range[1]) & (uncertainties > 0)
    pulls = (values[fitted] - peak.model.expected(edges)[fitted]) / uncertainties[fitted]
    axes.axhline(0, color=COLOURS[1], linewidth=1.2)
    axes.plot((edges[1:] + edges[:-1])[fitted] / 2, pulls, "o", color="black", markersize=3)
    limit = max(3.5, 1.15 * float(np.max(np.abs(pulls), initial=0.0)))
    axes.set_ylim(-limit, limit)


def _numbers(peak: MassPeak, unit: str) -> str:
    low, high = peak.window
    lines = [
        f"position  {peak.position}{unit}",
        f"width  {peak.width}{unit}",
        f"purity  {peak.purity} in {low:g}–{high:g}{unit}",
        f"signal  {peak.signal_yield} entries",
        f"χ²/ndof  {peak.chi2:.1f}/{peak.ndof}",
    ]
    return "\n".join(lines + ["uncertainties unreliable"] * (not peak.valid))
