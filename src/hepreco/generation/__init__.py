"""Simulated events: matrix elements to unweighted events, to what a detector measures, to files.

The public names are imported when they are first used, so that a run on files that exist does not pay for them.
"""

from typing import TYPE_CHECKING

from hepreco.lazy import public_names

if TYPE_CHECKING:
    from hepreco.detector import Detector as Detector
    from hepreco.formats import CrossSection as CrossSection
    from hepreco.formats import DetectorEvents as DetectorEvents
    from hepreco.formats import LheHeader as LheHeader
    from hepreco.formats import LheWriter as LheWriter
    from hepreco.formats import PartonEvents as PartonEvents
    from hepreco.formats import read_lhe as read_lhe
    from hepreco.formats import read_lhe_header as read_lhe_header
    from hepreco.formats import read_spanet as read_spanet
    from hepreco.formats import spanet_targets as spanet_targets
    from hepreco.generation.hard import Cuts as Cuts
    from hepreco.generation.hard import SimpleDensities as SimpleDensities
    from hepreco.generation.samples import PRESETS as PRESETS
    from hepreco.generation.samples import Preset as Preset
    from hepreco.generation.samples import Production as Production
    from hepreco.generation.samples import Sample as Sample
    from hepreco.generation.samples import find_preset as find_preset
    from hepreco.generation.samples import import_lhe as import_lhe
    from hepreco.generation.samples import is_written as is_written
    from hepreco.generation.samples import write_sample as write_sample
    from hepreco.generation.topologies import TOPOLOGIES as TOPOLOGIES
    from hepreco.generation.topologies import Topology as Topology
    from hepreco.generation.topologies import TopologySample as TopologySample
    from hepreco.generation.topologies import find_topology as find_topology
    from hepreco.generation.topologies import sample_topology as sample_topology
else:
    __all__, __getattr__, __dir__ = public_names(__name__, __file__)
