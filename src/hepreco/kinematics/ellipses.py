"""Pairs of ellipses in the transverse plane: where their points add up to a given one, or nearly so.

An ellipse is a matrix H, whose points are H (cos t, sin t, 1) for all angles t.
"""

from typing import Final

import torch
from jaxtyping import Complex, Float
from torch import Tensor

#: Iterations of the search for roots, which converges cubically, and of Newton's method, which converges quadratically.
_ROOT_STEPS: Final = 16
_NEWTON_STEPS: Final = 3
#: Roots z = exp(it) are real angles t if |z| is within this of 1.
_ON_CIRCLE: Final = 1e-6
#: Largest difference from the missing momentum of a solution, relative to the sizes of both ellipses.
_SAME: Final = 1e-9
#: Damped steps of the search for the closest approach.
_DAMPED_STEPS: Final = 30
#: Angles of either ellipse from which the search for the closest approach starts.
_GRID: Final = 32


def points_at(
    ellipses: Float[Tensor, "*#batch component 3"], angles: Float[Tensor, "*#batch"]
) -> Float[Tensor, "*batch component"]:
    """The points of ellipses at these angles."""
    one, other, centre = ellipses.unbind(dim=-1)
    return one * angles.cos()[..., None] + other * angles.sin()[..., None] + centre


def crossings(plane: Float[Tensor, "event 2 2 3"], missing: Float[Tensor, "event 2"]) -> Float[Tensor, "event 4 2"]:
    """Angles at which the points of both ellipses add up to ``missing``, padded with NaN."""
    first, second = plane.unbind(dim=1)
    # The second point is on its ellipse if |w| = |det| with w = w₀ + w₁ cos t + w₂ sin t: a polynomial in exp(it).
    (a, b), (c, d) = (row.unbind(dim=1) for row in second[..., :2].unbind(dim=1))
    adjoint = torch.stack((torch.stack((d, -b), dim=1), torch.stack((-c, a), dim=1)), dim=1)
    determinant = a * d - b * c
    offset = (missing - second[..., 2] - first[..., 2])[..., None]
    w1, w2, w0 = (adjoint @ torch.cat((-first[..., :2], offset), dim=2)).unbind(dim=2)

    def dot(one: Tensor, other: Tensor) -> Tensor:
        return (one * other).sum(dim=1)

    constant = dot(w0, w0) + (dot(w1, w1) + dot(w2, w2)) / 2 - determinant**2
    single = torch.complex(dot(w0, w1), -dot(w0, w2))
    double = torch.complex((dot(w1, w1) - dot(w2, w2)) / 4, -dot(w1, w2) / 2)
    z = _roots(torch.stack((double, single, constant.to(single.dtype), single.conj(), double.conj()), dim=1))
    t = z.angle()
    w = w0[:, None] + w1[:, None] * t.cos()[..., None] + w2[:, None] * t.sin()[..., None]
    w = w * determinant.sign()[:, None, None]
    angles = torch.stack((t, torch.atan2(w[..., 1], w[..., 0])), dim=2)
    for _ in range(_NEWTON_STEPS):
        angles = angles - _newton(plane[:, None], missing[:, None], angles)
    gap = _gap(plane[:, None], missing[:, None], angles).norm(dim=2)
    size = plane.abs().sum(dim=(1, 2, 3)) + missing.abs().sum(dim=1)
    is_real = ((z.abs() - 1).abs() < _ON_CIRCLE) & (gap < _SAME * size[:, None])
    angles = torch.where(is_real[..., None], angles, torch.nan)
    order = is_real.int().argsort(dim=1, descending=True, stable=True)
    return angles.gather(1, order[..., None].expand_as(angles))


def _roots(coefficients: Complex[Tensor, "event 5"]) -> Complex[Tensor, "event 4"]:
    """The complex roots of quartic polynomials, by the iteration of Ehrlich and Aberth; highest power first."""
    largest = coefficients.abs().amax(dim=1, keepdim=True)
    leading = coefficients[:, :1] / largest
    leading = torch.where(leading.abs() < 1e-14, torch.full_like(leading, 1e-14), leading)
    monic = (coefficients / largest / leading).unsqueeze(2)
    start = torch.polar(torch.ones(4, dtype=largest.dtype), 0.4 + torch.arange(4, dtype=largest.dtype) * torch.pi / 2)
    z = start.to(coefficients).expand(len(coefficients), 4) * monic[:, 4].abs() ** 0.25 * 1.1
    apart = torch.eye(4, dtype=torch.bool, device=z.device)
    for _ in range(_ROOT_STEPS):
        value, slope = torch.ones_like(z), torch.zeros_like(z)
        for power in range(1, 5):
            slope = slope * z + value
            value = value * z + monic[:, power]
        ratio = value / slope
        others = (1 / (z[:, :, None] - z[:, None, :]).masked_fill(apart, 1.0)).masked_fill(apart, 0.0).sum(dim=2)
        step = ratio / (1 - ratio * others)
        z = z - torch.where(step.isfinite(), step, 0.0)
    return z


def _gap(
    plane: Float[Tensor, "*#batch 2 2 3"], missing: Float[Tensor, "*#batch 2"], angles: Float[Tensor, "*#batch 2"]
) -> Tensor:
    """The sum of both points minus ``missing``."""
    one, other = points_at(plane, angles).unbind(dim=-2)
    return one + other - missing


def _tangents(plane: Float[Tensor, "*#batch 2 2 3"], angles: Float[Tensor, "*#batch 2"]) -> Tensor:
    """Derivatives of the points by their angles, (..., side, component)."""
    return plane[..., 1] * angles.cos()[..., None] - plane[..., 0] * angles.sin()[..., None]


def _newton(plane: Tensor, missing: Tensor, angles: Tensor) -> Tensor:
    """The step of Newton's method towards a gap of zero."""
    (a, c), (b, d) = (side.unbind(dim=-1) for side in _tangents(plane, angles).unbind(dim=-2))
    x, y = _gap(plane, missing, angles).unbind(dim=-1)
    step = torch.stack((d * x - b * y, a * y - c * x), dim=-1) / (a * d - b * c)[..., None]
    return torch.where(step.isfinite(), step, 0.0)


def closest_approach(
    plane: Float[Tensor, "event 2 2 3"], missing: Float[Tensor, "event 2"]
) -> Float[Tensor, "event 2"]:
    """Angles at which the sum of both points is nearest to ``missing``."""
    t = torch.arange(_GRID, dtype=plane.dtype, device=plane.device) * (2 * torch.pi / _GRID)
    grid = torch.cartesian_prod(t, t)
    angles = grid[_gap(plane[:, None], missing[:, None], grid).norm(dim=2).argmin(dim=1)]
    distance = _gap(plane, missing, angles).norm(dim=1)
    damping = torch.ones_like(distance)
    for _ in range(_DAMPED_STEPS):
        step = _downhill(plane, missing, angles, damping)
        after = _gap(plane, missing, angles - step).norm(dim=1)
        closer = after < distance
        angles = torch.where(closer[:, None], angles - step, angles)
        distance = torch.where(closer, after, distance)
        damping = torch.where(closer, damping / 8, damping * 4)
    return angles


def _downhill(plane: Tensor, missing: Tensor, angles: Tensor, damping: Tensor) -> Tensor:
    """A damped step of Newton's method towards a smaller gap, also where its square is not convex."""
    gap, tangents = _gap(plane, missing, angles), _tangents(plane, angles)
    bends = plane[..., 2] - points_at(plane, angles)  # second derivatives
    slope = (tangents * gap[:, None]).sum(dim=2)
    bend = tangents @ tangents.mT + torch.diag_embed((bends * gap[:, None]).sum(dim=2))
    values, vectors = torch.linalg.eigh(bend)
    size = values.abs() + damping[:, None] * values.abs().sum(dim=1, keepdim=True)
    return (vectors @ ((vectors.mT @ slope[..., None]) / size[..., None]))[..., 0]
