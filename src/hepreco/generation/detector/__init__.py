"""From particles to what a detector measures: parametrised, or with a parton shower before."""

from hepreco.generation.detector.parametrised import measure, radiate, to_objects
from hepreco.generation.detector.shower import shower

__all__ = ["measure", "radiate", "shower", "to_objects"]
