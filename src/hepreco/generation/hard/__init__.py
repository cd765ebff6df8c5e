"""The hard process: from random numbers to weighted phase-space points and accepted events at parton level."""

from hepreco.generation.hard.beams import Beams
from hepreco.generation.hard.cuts import Cuts
from hepreco.generation.hard.densities import GridDensities, SimpleDensities, find_densities
from hepreco.generation.hard.hard_process import HardProcess
from hepreco.generation.hard.parton_level import make_batch
from hepreco.generation.hard.sampler import IntegrationBudget, Sampler, adapt

__all__ = [
    "Beams",
    "Cuts",
    "GridDensities",
    "HardProcess",
    "IntegrationBudget",
    "Sampler",
    "SimpleDensities",
    "adapt",
    "find_densities",
    "make_batch",
]
