"""The process that objects are assigned to: its matrix element, its branches, and the frame of its momenta."""

from hepreco_me_assigner.process.frames import massless, neutrinos, partonic
from hepreco_me_assigner.process.hypothesis import (
    MASSLESS,
    PROCESSES,
    Branch,
    Hypothesis,
    Kind,
    LeptonicDecay,
    Resonance,
    beams,
)
from hepreco_me_assigner.process.neutrino_pairs import completions

__all__ = [
    "MASSLESS",
    "PROCESSES",
    "Branch",
    "Hypothesis",
    "Kind",
    "LeptonicDecay",
    "Resonance",
    "beams",
    "completions",
    "massless",
    "neutrinos",
    "partonic",
]
