"""Corrections of simulated events: weights and jet energies, from files of correctionlib and from the generator."""

from collections.abc import Callable
from typing import Final

from hepreco.plugin import Correction, hookimpl
from hepreco_corrections.b_tagging import FixedWorkingPoints
from hepreco_corrections.efficiencies import measure_efficiencies, write_efficiencies
from hepreco_corrections.jets import JetEnergy
from hepreco_corrections.single import Constant, CorrectionlibWeight, PileUp, Systematic
from hepreco_corrections.theory import LhePdf, LheScale, PartonShower

HEPRECO_API_VERSION: Final = 2

__all__ = [
    "Constant",
    "CorrectionlibWeight",
    "FixedWorkingPoints",
    "JetEnergy",
    "LhePdf",
    "LheScale",
    "PartonShower",
    "PileUp",
    "Systematic",
    "measure_efficiencies",
    "write_efficiencies",
]


@hookimpl
def hepreco_register_corrections(register: Callable[[str, type[Correction]], None]) -> None:
    """Offer all corrections."""
    register("correctionlib", CorrectionlibWeight)
    register("pileup", PileUp)
    register("btag-fixed-working-points", FixedWorkingPoints)
    register("jet-energy", JetEnergy)
    register("lhe-scale", LheScale)
    register("lhe-pdf", LhePdf)
    register("parton-shower", PartonShower)
