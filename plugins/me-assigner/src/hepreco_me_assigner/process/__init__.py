"""A process as the assigner sees it: its matrix element, its branches, and the frame that it is evaluated in."""

from hepreco_me_assigner.process.frames import massless, neutrinos, partonic
from hepreco_me_assigner.process.hypothesis import MASSLESS, PROCESSES, Branch, Hypothesis, Kind, Resonance, beams

__all__ = [
    "MASSLESS",
    "PROCESSES",
    "Branch",
    "Hypothesis",
    "Kind",
    "Resonance",
    "beams",
    "massless",
    "neutrinos",
    "partonic",
]
