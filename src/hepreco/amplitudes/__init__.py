"""Squared tree-level matrix elements from a process string, on batched tensors, without a generator."""

from hepreco.amplitudes.matrix_element import MatrixElement
from hepreco.amplitudes.model import StandardModel
from hepreco.amplitudes.particles import PARTICLES, Particle
from hepreco.amplitudes.process import Leg, OrderLimit, Process, parse_process

__all__ = [
    "PARTICLES",
    "Leg",
    "MatrixElement",
    "OrderLimit",
    "Particle",
    "Process",
    "StandardModel",
    "parse_process",
]
