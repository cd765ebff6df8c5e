"""Corrections of simulated events: weights and jet energies, from files of correctionlib and from the generator."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from hepreco.lazy import public_names
from hepreco.plugin import Correction, hookimpl

if TYPE_CHECKING:
    from hepreco_corrections.b_tagging import FixedWorkingPoints as FixedWorkingPoints
    from hepreco_corrections.efficiencies import measure_efficiencies as measure_efficiencies
    from hepreco_corrections.efficiencies import write_efficiencies as write_efficiencies
    from hepreco_corrections.jets import JetEnergy as JetEnergy
    from hepreco_corrections.single import Constant as Constant
    from hepreco_corrections.single import CorrectionlibWeight as CorrectionlibWeight
    from hepreco_corrections.single import PileUp as PileUp
    from hepreco_corrections.single import Systematic as Systematic
    from hepreco_corrections.theory import LhePdf as LhePdf
    from hepreco_corrections.theory import LheScale as LheScale
    from hepreco_corrections.theory import PartonShower as PartonShower
else:
    __all__, __getattr__, _ = public_names(__name__, __file__)

HEPRECO_API_VERSION: Final = 2


@hookimpl
def hepreco_register_corrections(register: Callable[[str, type[Correction]], None]) -> None:
    """Offer all corrections."""
    from hepreco_corrections.b_tagging import FixedWorkingPoints  # noqa: PLC0415  only where plugins are looked up
    from hepreco_corrections.jets import JetEnergy  # noqa: PLC0415
    from hepreco_corrections.single import CorrectionlibWeight, PileUp  # noqa: PLC0415
    from hepreco_corrections.theory import LhePdf, LheScale, PartonShower  # noqa: PLC0415

    register("correctionlib", CorrectionlibWeight)
    register("pileup", PileUp)
    register("btag-fixed-working-points", FixedWorkingPoints)
    register("jet-energy", JetEnergy)
    register("lhe-scale", LheScale)
    register("lhe-pdf", LhePdf)
    register("parton-shower", PartonShower)
