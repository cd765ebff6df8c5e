"""Squared tree-level matrix elements from a process string, on batched tensors, without a generator."""

from hepreco.amplitudes.matrix_element import MatrixElement
from hepreco.amplitudes.model import StandardModel
from hepreco.amplitudes.multiparticles import expand_process
from hepreco.amplitudes.particles import MULTIPARTICLES, PARTICLES, Particle
from hepreco.amplitudes.process import Leg, OrderLimit, Process, parse_process

__all__ = [
    "MULTIPARTICLES",
    "PARTICLES",
    "Leg",
    "MatrixElement",
    "OrderLimit",
    "Particle",
    "Process",
    "StandardModel",
    "expand_process",
    "parse_process",
]
