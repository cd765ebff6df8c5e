"""Detector simulation: parametrised, optionally after a parton shower."""

from hepreco.generation.detector.parametrised import measure, radiate, to_objects
from hepreco.generation.detector.shower import shower

__all__ = ["measure", "radiate", "shower", "to_objects"]
