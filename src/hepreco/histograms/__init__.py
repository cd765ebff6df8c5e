"""Histograms: booked from output specifications, filled exactly, stored as UHI."""

from hepreco.histograms.filling import fill, fill_cutflow, sort_categories
from hepreco.histograms.specs import HistogramSpec, default_histograms
from hepreco.histograms.storage import StoredHistograms, read_histograms, write_histograms

__all__ = [
    "HistogramSpec",
    "StoredHistograms",
    "default_histograms",
    "fill",
    "fill_cutflow",
    "read_histograms",
    "sort_categories",
    "write_histograms",
]
