"""The neutrinos of two leptonic top quarks from b quarks, leptons, and missing transverse momentum."""

import math
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor

from hepreco.kinematics.ellipses import closest_approach, crossings, points_at
from hepreco.kinematics.four_vectors import minkowski_dot
from hepreco.kinematics.neutrinos import neutrino_solutions

#: Treatment of events in which the two ellipses do not meet.
NoSolution = Literal["none", "nearest"]


def neutrino_ellipse(
    b: Float[Tensor, "*batch 4"],
    lepton: Float[Tensor, "*batch 4"],
    *,
    top_mass: float | Float[Tensor, "*batch"],
    w_mass: float | Float[Tensor, "*batch"],
) -> Float[Tensor, "*batch 4 3"]:
    """The momenta of a massless neutrino that give m_W with a massless lepton, and m_t with both and a b quark.

    They are H (cos t, sin t, 1) for all angles t; the result is H, in GeV. Phase space of the neutrino on both poles,
    ∫ d³p/2E δ(p_W² − m_W²) δ(p_t² − m_t²), is ∫ dt / (8 p_ℓ·p_b). The result is NaN if the lepton and the b quark
    together are too heavy for the top quark, or parallel.

    References
    ----------
    Betchart, Demina, Harel, arXiv:1305.1878, for the ellipse; its form as four-vectors is ours.
    """
    # p = x ℓ + y b + r (cos t e₁ + sin t e₂), where e₁ and e₂ are orthogonal to ℓ and b.
    product, square = minkowski_dot(lepton, b), minkowski_dot(b, b)
    with_lepton = w_mass**2 / 2
    with_b = (top_mass**2 - w_mass**2 - square) / 2 - product
    y = with_lepton / product
    x = (with_b - y * square) / product
    radius = torch.sqrt(y * (2 * with_b - y * square))
    normal = torch.linalg.cross(lepton[..., 1:], b[..., 1:])
    normal = normal / normal.norm(dim=-1, keepdim=True)
    across = torch.linalg.cross(normal, lepton[..., 1:] / lepton[..., 1:].norm(dim=-1, keepdim=True))
    tilt = (across * b[..., 1:]).sum(dim=-1) / product
    zero = torch.zeros_like(product)[..., None]
    one = torch.cat((zero, normal), dim=-1)
    other = torch.cat((zero, across), dim=-1) + tilt[..., None] * lepton
    centre = x[..., None] * lepton + y[..., None] * b
    return torch.stack((radius[..., None] * one, radius[..., None] * other, centre), dim=-1)


def neutrino_pair_solutions(
    b: Float[Tensor, "*batch 2 4"],
    lepton: Float[Tensor, "*batch 2 4"],
    missing_momentum: Float[Tensor, "*batch 2"],
    *,
    top_mass: float | Float[Tensor, "*batch 2"],
    w_mass: float | Float[Tensor, "*batch 2"],
    no_solution: NoSolution,
) -> Float[Tensor, "*batch 4 2 4"]:
    """All momenta of two neutrinos with both W and both top quarks on their poles and the missing momentum of both.

    There are zero, two or four solutions, which come first; the others are NaN. Masses may differ between events and
    between both sides.

    Parameters
    ----------
    b, lepton
        Momenta of each side, t or t̄, in GeV; leptons are massless.
    missing_momentum
        Missing transverse momentum (p_x, p_y).
    no_solution
        Where no solution exists, ``none`` gives NaN. ``nearest`` gives the pair with all masses on their poles whose
        transverse momentum is nearest to the missing momentum (of several minima, in one event in a hundred not the
        smallest). It is NaN as well if a lepton and its b quark together are too heavy for the top quark.

    References
    ----------
    Sonnenschein, hep-ph/0603011; Betchart, Demina, Harel, arXiv:1305.1878.
    """
    ellipses = neutrino_ellipse(b, lepton, top_mass=top_mass, w_mass=w_mass).double()
    shape = missing_momentum.shape[:-1]
    plane = ellipses[..., 1:3, :].reshape(-1, 2, 2, 3)
    missing = missing_momentum.double().reshape(-1, 2)
    exists = plane.isfinite().flatten(1).all(dim=1) & missing.isfinite().all(dim=1)
    angles = torch.full((len(plane), 4, 2), torch.nan, dtype=plane.dtype, device=plane.device)
    angles[exists] = crossings(plane[exists], missing[exists])
    if no_solution == "nearest":
        alone = exists & angles[:, 0, 0].isnan()
        angles[alone, 0] = closest_approach(plane[alone], missing[alone])
    points = points_at(ellipses.reshape(-1, 1, 2, 4, 3), angles)
    return points.reshape(*shape, 4, 2, 4).to(b.dtype)


def neutrino_pair_log_density(
    b: Float[Tensor, "*batch 2 4"], lepton: Float[Tensor, "*batch 2 4"], neutrino: Float[Tensor, "*batch 2 4"]
) -> Float[Tensor, "*batch"]:
    r"""Ln of the weight of a solution of :func:`neutrino_pair_solutions` in an integral over both neutrinos, in GeV⁻⁶.

    ∫ d³p₁/2E₁ d³p₂/2E₂ δ²(p_T − p_T,miss) Π δ(p_W² − m_W²) δ(p_t² − m_t²) is the sum of 1 / 64 \|e₁ × e₂\| over all
    solutions. Here e is the transverse part of ε(ℓ, b, p), which points along the ellipse.
    """
    one, other = _along(b, lepton, neutrino)[..., :2].unbind(dim=-2)
    return -(one[..., 0] * other[..., 1] - one[..., 1] * other[..., 0]).abs().log() - math.log(64)


def _along(b: Tensor, lepton: Tensor, neutrino: Tensor) -> Float[Tensor, "*batch 3"]:
    """The spatial part of ε(ℓ, b, p), the derivative of p by its angle times p_ℓ·p_b."""
    terms = ((lepton, b, neutrino), (b, neutrino, lepton), (neutrino, lepton, b))
    return torch.stack([x[..., :1] * torch.linalg.cross(y[..., 1:], z[..., 1:]) for x, y, z in terms]).sum(dim=0)


def neutrino_family(
    b: Float[Tensor, "*batch 4"],
    leptons: Float[Tensor, "*batch 2 4"],
    missing_momentum: Float[Tensor, "*batch 2"],
    *,
    top_mass: float,
    w_mass: float,
    points: int,
) -> tuple[Float[Tensor, "*batch point 2 2 4"], Float[Tensor, "*batch point 2"]]:
    """Momenta of two neutrinos, of a top quark and of another W boson, as in tt̄W with two leptons of one charge.

    Three masses and the missing momentum leave one free parameter, the angle of the first neutrino on its ellipse.
    There are ``points`` angles at equal distances, and two solutions for the second neutrino at each of them. Where
    none is real, its transverse momentum is scaled down until there is one, of weight 0.

    Parameters
    ----------
    b, leptons
        The b quark, the lepton of its top quark, and the lepton of the other W boson, in GeV.
    missing_momentum
        Missing transverse momentum (p_x, p_y).

    Returns
    -------
    The momenta, and ln of their weights in GeV⁻⁴: the sum of the weights of all points approximates
    ∫ d³p₁/2E₁ d³p₂/2E₂ δ²(p_T − p_T,miss) δ(p_t² − m_t²) Π δ(p_W² − m_W²).
    """
    first, second = leptons.unbind(dim=-2)
    ellipse = neutrino_ellipse(b, first, top_mass=top_mass, w_mass=w_mass)
    angles = torch.arange(points, dtype=b.dtype, device=b.device) * (2 * torch.pi / points)
    one = points_at(ellipse[..., None, :, :], angles)
    rest = missing_momentum[..., None, :] - one[..., 1:3]
    second = second[..., None, :].expand(one.shape)
    both = neutrino_solutions(second, rest, w_mass=w_mass, complex_roots="scale missing momentum")
    slope = second[..., None, 0] * both[..., 3] - second[..., None, 3] * both[..., 0]
    is_real = (both[..., 1:3] == rest[..., None, :]).all(dim=-1) & (slope != 0)
    log_weight = -(32 * points / (2 * torch.pi) * minkowski_dot(first, b)[..., None, None] * slope.abs()).log()
    momenta = torch.stack((one[..., None, :].expand(both.shape), both), dim=-2)
    return momenta, torch.where(is_real, log_weight, -torch.inf)
