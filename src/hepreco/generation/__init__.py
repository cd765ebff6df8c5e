"""Simulated events: matrix elements to unweighted events, to what a detector measures, to files."""

from hepreco.detector import WORKING_POINT, Detector
from hepreco.generation.beams import Beams
from hepreco.generation.cuts import Cuts
from hepreco.generation.densities import GridDensities, SimpleDensities, find_densities
from hepreco.generation.detector import measure, radiate, to_objects
from hepreco.generation.hard_process import HardProcess
from hepreco.generation.lhe import LheHeader, LheWriter, read_lhe, read_lhe_header
from hepreco.generation.presets import PRESETS, Preset, find_preset
from hepreco.generation.production import Production, produce
from hepreco.generation.records import CrossSection, DetectorEvents, PartonEvents
from hepreco.generation.sample import Sample
from hepreco.generation.sampler import Effort, Sampler, adapt
from hepreco.generation.shower import shower
from hepreco.generation.spanet import read_spanet, spanet_targets
from hepreco.generation.topologies import TOPOLOGIES, Topology, TopologySample, find_topology, sample_topology
from hepreco.generation.writing import import_lhe, is_written, write_sample

__all__ = [
    "PRESETS",
    "TOPOLOGIES",
    "WORKING_POINT",
    "Beams",
    "CrossSection",
    "Cuts",
    "Detector",
    "DetectorEvents",
    "Effort",
    "GridDensities",
    "HardProcess",
    "LheHeader",
    "LheWriter",
    "PartonEvents",
    "Preset",
    "Production",
    "Sample",
    "Sampler",
    "SimpleDensities",
    "Topology",
    "TopologySample",
    "adapt",
    "find_densities",
    "find_preset",
    "find_topology",
    "import_lhe",
    "is_written",
    "measure",
    "produce",
    "radiate",
    "read_lhe",
    "read_lhe_header",
    "read_spanet",
    "sample_topology",
    "shower",
    "spanet_targets",
    "to_objects",
    "write_sample",
]
