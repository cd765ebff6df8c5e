"""Simulated events: from matrix elements to unweighted events, measured objects, and files."""

from hepreco.detector import Detector
from hepreco.formats import (
    CrossSection,
    DetectorEvents,
    LheHeader,
    LheWriter,
    PartonEvents,
    read_lhe,
    read_lhe_header,
    read_spanet,
    spanet_targets,
)
from hepreco.generation.hard import Cuts, SimpleDensities
from hepreco.generation.samples import (
    PRESETS,
    Preset,
    Production,
    Sample,
    find_preset,
    import_lhe,
    is_written,
    write_sample,
)
from hepreco.generation.topologies import TOPOLOGIES, Topology, TopologySample, find_topology, sample_topology

__all__ = [
    "PRESETS",
    "TOPOLOGIES",
    "CrossSection",
    "Cuts",
    "Detector",
    "DetectorEvents",
    "LheHeader",
    "LheWriter",
    "PartonEvents",
    "Preset",
    "Production",
    "Sample",
    "SimpleDensities",
    "Topology",
    "TopologySample",
    "find_preset",
    "find_topology",
    "import_lhe",
    "is_written",
    "read_lhe",
    "read_lhe_header",
    "read_spanet",
    "sample_topology",
    "spanet_targets",
    "write_sample",
]
