"""Figures of histograms and of study results; each function returns its own Figure, without pyplot."""

from hepreco.plotting.cutflows import cutflow_figure
from hepreco.plotting.files import save_figure
from hepreco.plotting.histograms import histogram_figure
from hepreco.plotting.mass_peaks import mass_peak_figure
from hepreco.plotting.reliability import reliability_figure
from hepreco.plotting.roc_curves import roc_figure

__all__ = ["cutflow_figure", "histogram_figure", "mass_peak_figure", "reliability_figure", "roc_figure", "save_figure"]
