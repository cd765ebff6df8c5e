"""The conventions that every room shares.

Energies, momenta and masses are in GeV, angles in radians, cross-sections in pb, luminosities in fb⁻¹.
Four-momenta have components (E, px, py, pz) in the last axis and the metric (+, −, −, −).
Axes are ordered: event, permutation, object, component.
"""

import math
from typing import Final

from hepreco.errors import ConfigError

#: Masses in GeV, with MadGraph's values: those that :class:`~hepreco.amplitudes.StandardModel` has by default, samples
#: are generated with, and plugins assume. The W mass is the one that follows there from m_Z, α and G_F.
W_MASS: Final = 80.419002
TOP_MASS: Final = 173.0
Z_MASS: Final = 91.188

#: A jet is tagged where btagDeepFlavB is above it: the medium working point of CMS for data of 2018.
B_TAG_THRESHOLD: Final = 0.2783

#: Cross-sections come in pb and luminosities in fb⁻¹: events = σ · L · this.
PB_FB: Final = 1000.0

#: (ħc)² in pb GeV²: a cross-section in GeV⁻² times this is in pb (CODATA 2018).
HBARC_SQUARED: Final = 3.893793721e8


def check_positive(value: float, *, what: str, unit: str) -> None:
    """Refuse a cross-section or a luminosity that no sample has: zero, negative, infinite, or NaN.

    Example
    -------
    >>> check_positive(831.8, what="cross_section of 'ttbar'", unit="pb")
    """
    if not (math.isfinite(value) and value > 0):
        raise ConfigError(f"{what} is {value:g} {unit}", f"give a positive number, in {unit}")
