"""Histograms with two axes."""

import hist
import mplhep as mh
import numpy as np
from matplotlib import rc_context
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure

from hepreco.errors import StudyError
from hepreco.inference.bins import bin_names
from hepreco.plotting.bins import label_of
from hepreco.plotting.options import FiguresConfig
from hepreco.plotting.style import end_labels, experiment, name_bins, new_axes, rc


def plane_figure(
    h: hist.Hist, *, title: str = "", logarithmic: bool = False, options: FiguresConfig | None = None
) -> Figure:
    """Draw a histogram with two axes as a colour map.

    Parameters
    ----------
    h
        A histogram with two axes, for one variation and one region, of one dataset or of the sum of several.
    title
        Text in the panel, for example the process.
    logarithmic
        Whether colours are on a logarithmic scale; bins without events stay white.
    options
        Style and labels.

    Raises
    ------
    StudyError
        The histogram has another number of axes.

    Example
    -------
    >>> h = hist.Hist.new.Reg(4, 0, 2, name="x", label="Δη").Reg(5, 0, 100, name="y", label="mass [GeV]").Weight()
    >>> plane_figure(h.fill([1.0], [50.0])).axes[0].get_ylabel()
    'mass [GeV]'
    """
    if h.ndim != 2:
        raise StudyError(
            f"a histogram with axes {tuple(h.axes.name)} came, two were expected",
            "slice it, as in h[{'dataset': 'ttbar', 'variation': 'nominal'}]",
        )
    options = options or FiguresConfig()
    values = np.asarray(h.values(), dtype=np.float64)
    with rc_context(rc(options)):
        figure = Figure(figsize=(6.8, 5.0))
        (axes,) = new_axes(figure)
        shown = np.where(values == 0, np.nan, values)
        norm = LogNorm(values[values > 0].min(), values.max()) if logarithmic and (values > 0).any() else None
        names = [bin_names(axis) for axis in h.axes]
        edges = [
            np.arange(len(axis) + 1.0) if name else np.asarray(axis.edges, dtype=np.float64)
            for axis, name in zip(h.axes, names, strict=True)
        ]
        mesh = mh.hist2dplot(
            shown, *edges, ax=axes, cbar=False, flow="none", cmap="viridis", norm=norm, rasterized=True
        )
        bar = figure.colorbar(mesh.pcolormesh, ax=axes, pad=0.02)
        bar.set_label("Events / bin", loc="top")
        name_bins(axes.xaxis, names[0])
        name_bins(axes.yaxis, names[1])
        end_labels(axes, x=label_of(h.axes[0]), y=label_of(h.axes[1]))
        if title:
            axes.text(
                0.97,
                0.95,
                title,
                transform=axes.transAxes,
                ha="right",
                va="top",
                fontweight="bold",
                bbox={"facecolor": "white", "edgecolor": "none", "alpha": 0.8},
            )
        experiment(axes, options, right=axes)
        return figure
