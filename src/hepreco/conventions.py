"""Units, axis order and constants that all of hepreco shares.

Energies, momenta and masses are in GeV, angles in radians, cross-sections in pb, luminosities in fb⁻¹.
Four-momenta have components (E, px, py, pz) in the last axis and the metric (+, −, −, −).
Axes are ordered: event, permutation, object, component.
"""

import math
from typing import Final

from hepreco.errors import ConfigError

#: Masses in GeV, with MadGraph's values: the defaults of :class:`~hepreco.amplitudes.StandardModel`, with which samples
#: are generated and which plugins assume. The W mass follows from m_Z, α and G_F.
W_MASS: Final = 80.419002
TOP_MASS: Final = 173.0
Z_MASS: Final = 91.188

#: A jet is tagged where btagDeepFlavB is above it: the medium working point of CMS for data of 2018.
B_TAG_THRESHOLD: Final = 0.2783

#: Events = σ · L · this, with the cross-section σ in pb and the luminosity L in fb⁻¹.
PB_FB: Final = 1000.0

#: (ħc)² in pb GeV²: a cross-section in GeV⁻² times this is in pb (CODATA 2018).
HBARC_SQUARED: Final = 3.893793721e8


def check_positive(value: float, *, what: str, unit: str) -> None:
    """Refuse a cross-section or luminosity that is zero, negative, infinite, or NaN.

    Example
    -------
    >>> check_positive(831.8, what="cross_section of 'ttbar'", unit="pb")
    """
    if not (math.isfinite(value) and value > 0):
        raise ConfigError(f"{what} is {value:g} {unit}", f"give a positive number, in {unit}")
