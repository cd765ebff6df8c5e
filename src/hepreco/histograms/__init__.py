"""Histograms: booked from specifications, filled with exact sums, stored as UHI."""

from hepreco.histograms.filling import fill
from hepreco.histograms.specs import HistogramSpec
from hepreco.histograms.storage import StoredHistograms, read_histograms, write_histograms

__all__ = ["HistogramSpec", "StoredHistograms", "fill", "read_histograms", "write_histograms"]
