"""Squared tree-level matrix elements from a process string, on batched tensors, without an event generator."""

from hepreco.amplitudes.decays import DecayTree, decay_trees, mothers
from hepreco.amplitudes.matrix_element import MatrixElement
from hepreco.amplitudes.model import LEADING_ORDER, StandardModel
from hepreco.amplitudes.multiparticles import expand_process
from hepreco.amplitudes.named import DECAYS, LEPTONIC, PROCESSES, TO_B_QUARKS, with_decays
from hepreco.amplitudes.particles import MULTIPARTICLES, PARTICLES, Particle
from hepreco.amplitudes.process import Leg, OrderLimit, Process, parse_process

__all__ = [
    "DECAYS",
    "LEADING_ORDER",
    "LEPTONIC",
    "MULTIPARTICLES",
    "PARTICLES",
    "PROCESSES",
    "TO_B_QUARKS",
    "DecayTree",
    "Leg",
    "MatrixElement",
    "OrderLimit",
    "Particle",
    "Process",
    "StandardModel",
    "decay_trees",
    "expand_process",
    "mothers",
    "parse_process",
    "with_decays",
]
