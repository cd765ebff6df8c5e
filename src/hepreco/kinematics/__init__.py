"""Four-vector algebra on torch tensors, components (E, px, py, pz), metric (+, −, −, −)."""

from hepreco.kinematics.boosts import boost, two_body_decay
from hepreco.kinematics.four_vectors import (
    delta_phi,
    delta_r,
    eta,
    from_pt_eta_phi_mass,
    mass,
    mass_squared,
    minkowski_dot,
    phi,
    pt,
    to_pt_eta_phi_mass,
)
from hepreco.kinematics.neutrino_pairs import (
    NoSolution,
    neutrino_ellipse,
    neutrino_family,
    neutrino_pair_log_density,
    neutrino_pair_solutions,
)
from hepreco.kinematics.neutrinos import ComplexRoots, neutrino_solutions

__all__ = [
    "ComplexRoots",
    "NoSolution",
    "boost",
    "delta_phi",
    "delta_r",
    "eta",
    "from_pt_eta_phi_mass",
    "mass",
    "mass_squared",
    "minkowski_dot",
    "neutrino_ellipse",
    "neutrino_family",
    "neutrino_pair_log_density",
    "neutrino_pair_solutions",
    "neutrino_solutions",
    "phi",
    "pt",
    "to_pt_eta_phi_mass",
    "two_body_decay",
]
