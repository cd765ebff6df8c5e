"""Samples of events: their definition, production, and writing."""

from hepreco.generation.samples.presets import PRESETS, Preset, find_preset
from hepreco.generation.samples.production import Production, produce
from hepreco.generation.samples.sample import Sample
from hepreco.generation.samples.writing import import_lhe, is_written, write_sample

__all__ = [
    "PRESETS",
    "Preset",
    "Production",
    "Sample",
    "find_preset",
    "import_lhe",
    "is_written",
    "produce",
    "write_sample",
]
