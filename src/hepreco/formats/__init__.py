"""File formats other than NanoAOD: Les Houches event files and SPANet's HDF5, and their events."""

from hepreco.formats.lhe import LheHeader, LheWriter, read_lhe, read_lhe_header
from hepreco.formats.records import CrossSection, DetectorEvents, PartonEvents
from hepreco.formats.spanet import SpanetLabels, read_spanet, spanet_labels, spanet_targets

__all__ = [
    "CrossSection",
    "DetectorEvents",
    "LheHeader",
    "LheWriter",
    "PartonEvents",
    "SpanetLabels",
    "read_lhe",
    "read_lhe_header",
    "read_spanet",
    "spanet_labels",
    "spanet_targets",
]
