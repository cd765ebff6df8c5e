"""Four-vector algebra on torch tensors, components (E, px, py, pz), metric (+, −, −, −)."""

from hepreco.kinematics.boosts import boost, two_body_decay
from hepreco.kinematics.four_vectors import (
    delta_phi,
    eta,
    from_pt_eta_phi_mass,
    mass,
    mass_squared,
    phi,
    pt,
    to_pt_eta_phi_mass,
)

__all__ = [
    "boost",
    "delta_phi",
    "eta",
    "from_pt_eta_phi_mass",
    "mass",
    "mass_squared",
    "phi",
    "pt",
    "to_pt_eta_phi_mass",
    "two_body_decay",
]
