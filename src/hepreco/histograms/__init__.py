"""Histograms: booked from specifications, filled with exact sums, stored as UHI."""

from hepreco.histograms.axes import Categories, Edges, Integers
from hepreco.histograms.filling import fill
from hepreco.histograms.specs import Dimension, HistogramSpec
from hepreco.histograms.storage import StoredHistograms, read_histograms, write_histograms

__all__ = [
    "Categories",
    "Dimension",
    "Edges",
    "HistogramSpec",
    "Integers",
    "StoredHistograms",
    "fill",
    "read_histograms",
    "write_histograms",
]
