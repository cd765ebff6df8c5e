"""Invariants and collider coordinates of four-momenta."""

from collections.abc import Callable

import torch
from jaxtyping import Float
from torch import Tensor


def from_pt_eta_phi_mass(
    pt: Float[Tensor, "*shape"],
    eta: Float[Tensor, "*shape"],
    phi: Float[Tensor, "*shape"],
    mass: Float[Tensor, "*shape"],
) -> Float[Tensor, "*shape 4"]:
    """Four-momenta (E, px, py, pz) in GeV from NanoAOD's coordinates.

    A negative mass means negative m², by the usual convention (some NanoAOD jets have it from rounding), and is kept:
    E² = p² + m·|m|.

    Example
    -------
    >>> one, zero = torch.ones(1), torch.zeros(1)
    >>> from_pt_eta_phi_mass(3 * one, zero, zero, 4 * one).tolist()
    [[5.0, 3.0, 0.0, 0.0]]
    """
    # torch's hyperbolic functions round the last few elements of a tensor differently.
    grown = torch.exp(eta.abs())
    p = pt * (grown + 1 / grown) / 2
    energy = torch.sqrt(torch.clamp(p * p + mass * mass.abs(), min=0.0))
    return torch.stack((energy, pt * torch.cos(phi), pt * torch.sin(phi), pt * _sinh(eta)), dim=-1)


def _sinh(x: Float[Tensor, "*shape"]) -> Float[Tensor, "*shape"]:
    """The hyperbolic sine, with a result that does not depend on the position in the tensor."""
    grown = torch.expm1(x.abs())
    return torch.sign(x) * 0.5 * (grown + grown / (grown + 1))


def to_pt_eta_phi_mass(momenta: Float[Tensor, "*shape 4"]) -> Float[Tensor, "*shape 4"]:
    """NanoAOD's coordinates (pt, η, φ, m) of four-momenta, the inverse of :func:`from_pt_eta_phi_mass`."""
    return torch.stack((pt(momenta), eta(momenta), phi(momenta), mass(momenta)), dim=-1)


def pt(momenta: Float[Tensor, "*shape 4"]) -> Float[Tensor, "*shape"]:
    """Transverse momentum √(px² + py²) in GeV."""
    return torch.hypot(momenta[..., 1], momenta[..., 2])


def phi(momenta: Float[Tensor, "*shape 4"]) -> Float[Tensor, "*shape"]:
    """Azimuth in (−π, π]."""
    return torch.atan2(momenta[..., 2], momenta[..., 1])


def eta(momenta: Float[Tensor, "*shape 4"]) -> Float[Tensor, "*shape"]:
    """Pseudorapidity asinh(pz / pt); ±∞ along the beam, 0 for a momentum of zero."""
    transverse, longitudinal = pt(momenta), momenta[..., 3]
    return torch.where(longitudinal == 0, torch.zeros_like(transverse), torch.asinh(longitudinal / transverse))


def mass_squared(momenta: Float[Tensor, "*shape 4"]) -> Float[Tensor, "*shape"]:
    """E² − p² in GeV², computed as (E − p)(E + p), which stays precise for light, fast particles."""
    p = torch.linalg.vector_norm(momenta[..., 1:], dim=-1)
    energy = momenta[..., 0]
    return (energy - p) * (energy + p)


def mass(momenta: Float[Tensor, "*shape 4"]) -> Float[Tensor, "*shape"]:
    """Invariant mass in GeV: √(m²), or −√(−m²) if rounding or measurement makes m² negative.

    Example
    -------
    >>> mass(torch.tensor([[5.0, 3.0, 0.0, 0.0], [3.0, 5.0, 0.0, 0.0]])).tolist()
    [4.0, -4.0]
    """
    squared = mass_squared(momenta)
    return torch.sign(squared) * torch.sqrt(squared.abs())


def minkowski_dot(
    first: Float[Tensor, "*#shape"], second: Float[Tensor, "*#shape"], *, dim: int = -1
) -> Float[Tensor, "..."]:
    """E₁E₂ − p₁·p₂ in GeV², broadcast; the components (E, px, py, pz) are along ``dim``.

    Example
    -------
    >>> minkowski_dot(torch.tensor([5.0, 3.0, 0.0, 0.0]), torch.tensor([5.0, 0.0, 3.0, 4.0])).item()
    25.0
    """
    energies = first.select(dim, 0) * second.select(dim, 0)
    return energies - (first.narrow(dim, 1, 3) * second.narrow(dim, 1, 3)).sum(dim)


def delta_phi(first: Float[Tensor, "*#shape"], second: Float[Tensor, "*#shape"]) -> Float[Tensor, "..."]:
    """Difference of azimuths first − second, wrapped into [−π, π), broadcast."""
    return torch.remainder(first - second + torch.pi, 2 * torch.pi) - torch.pi


def delta_r(
    first: Float[Tensor, "*#shape 4"],
    second: Float[Tensor, "*#shape 4"],
    *,
    longitudinal: Callable[[Float[Tensor, "*shape 4"]], Float[Tensor, "*shape"]] = eta,
) -> Float[Tensor, "..."]:
    """ΔR = √(Δη² + Δφ²) of two momenta, broadcast; ``longitudinal`` may compute the rapidity instead of η.

    Example
    -------
    >>> one, zero = torch.ones(1), torch.zeros(1)
    >>> first, second = (from_pt_eta_phi_mass(one, eta * one, phi * one, zero) for eta, phi in ((1, 0), (-2, 4)))
    >>> round(delta_r(first, second).item(), 4)  # √(3² + (2π − 4)²)
    3.77
    """
    return torch.hypot(longitudinal(first) - longitudinal(second), delta_phi(phi(first), phi(second)))
