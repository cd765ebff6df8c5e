"""Histograms: booked from output specifications, filled exactly, stored as UHI."""

from hepreco.histograms.filling import fill, fill_all, fill_cutflow, sort_categories
from hepreco.histograms.normalisation import normalisation
from hepreco.histograms.specs import HistogramSpec, check_memory, default_histograms, overflow_warnings
from hepreco.histograms.storage import StoredHistograms, read_histograms, write_histograms

__all__ = [
    "HistogramSpec",
    "StoredHistograms",
    "check_memory",
    "default_histograms",
    "fill",
    "fill_all",
    "fill_cutflow",
    "normalisation",
    "overflow_warnings",
    "read_histograms",
    "sort_categories",
    "write_histograms",
]
