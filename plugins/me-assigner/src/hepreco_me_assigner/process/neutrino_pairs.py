"""The momenta of two neutrinos, given an assignment of all other objects."""

import math
from typing import Final

import torch
from jaxtyping import Float
from torch import Tensor

from hepreco.detector import Detector
from hepreco.kinematics import (
    minkowski_dot,
    neutrino_ellipse,
    neutrino_family,
    neutrino_pair_solutions,
)
from hepreco_me_assigner.process.frames import massless
from hepreco_me_assigner.process.hypothesis import Hypothesis

#: Angles of a neutrino on its ellipse that are tried, and the number of the heaviest that are kept.
_ANGLES: Final = 32
_KEPT: Final = 8
#: A measured b quark that is too heavy with its lepton for a top quark is scaled to this fraction of the largest m_bℓ².
_LIGHTER: Final = 0.95
_MISSING_RESOLUTION: Final = Detector().missing_resolution


def completions(
    hypothesis: Hypothesis,
    assigned: Float[Tensor, "*batch leg 4"],
    missing_momentum: Float[Tensor, "*batch 2"],
    *,
    missing_resolution: float | None,
) -> tuple[Float[Tensor, "*batch completion leg 4"], Float[Tensor, "*batch completion"]]:
    """All momenta of the legs of a process with two neutrinos, with every W and t on its pole.

    Parameters
    ----------
    assigned
        Momenta of jets and leptons on their legs; those on the legs of neutrinos are not used.
    missing_resolution
        Resolution in GeV of each component of the missing momentum. None takes it as exact.

    Returns
    -------
    Momenta that are finite everywhere, and ln of the weight of each completion, which is −∞ where there is none.

    Two neutrinos of top quarks have at most four solutions, of weight 1, if the missing momentum is exact. Where there
    is none, the pair nearest to it is taken, with a weight for the difference. With a resolution, the angles of both
    neutrinos on their ellipses are summed with Gaussian weights: the heaviest angles of the first are kept, each with
    the heaviest of the other, and they share the weight of all. A neutrino of a top quark and one of another W boson
    leave an angle free, of which the heaviest values are kept; the missing momentum is exact where that is possible. A
    b quark that is too heavy with its lepton for a top quark is made softer for this purpose.
    """
    tops = [decay.b for decay in hypothesis.leptonic if decay.b is not None]
    leptons = massless(assigned[..., [decay.lepton for decay in hypothesis.leptonic], :])
    masses = top_mass, w_mass = hypothesis.pole_masses
    b = massless(assigned[..., tops, :])
    from_tops = leptons[..., [decay.b is not None for decay in hypothesis.leptonic], :]
    largest = _LIGHTER * (top_mass**2 - w_mass**2) / 2 / minkowski_dot(b, from_tops)
    b = b * largest.clamp(max=1.0)[..., None]
    if len(tops) == 1:
        pair, log_weight = _with_another_w(b[..., 0, :], leptons, missing_momentum, hypothesis)
    elif missing_resolution is None:
        pair, log_weight = _exact(b, leptons, missing_momentum, *masses)
    else:
        pair, log_weight = _smeared(b, leptons, missing_momentum, *masses, missing_resolution)
    exists = pair.isfinite().flatten(-2).all(dim=-1) & log_weight.isfinite()
    pair = torch.where(exists[..., None, None], pair, leptons[..., None, :, :])
    complete = assigned[..., None, :, :].repeat(*[1] * (assigned.ndim - 2), pair.shape[-3], 1, 1)
    complete[..., [decay.neutrino for decay in hypothesis.leptonic], :] = pair
    return complete, torch.where(exists, log_weight, -torch.inf)


def _exact(b: Tensor, leptons: Tensor, missing: Tensor, top_mass: float, w_mass: float) -> tuple[Tensor, Tensor]:
    pair = neutrino_pair_solutions(b, leptons, missing, top_mass=top_mass, w_mass=w_mass, no_solution="nearest")
    gap = pair.sum(dim=-2)[..., 1:3] - missing[..., None, :]
    return pair, -gap.square().sum(dim=-1) / (2 * _MISSING_RESOLUTION**2)


def _smeared(
    b: Tensor, leptons: Tensor, missing: Tensor, top_mass: float, w_mass: float, resolution: float
) -> tuple[Tensor, Tensor]:
    ellipses = neutrino_ellipse(b, leptons, top_mass=top_mass, w_mass=w_mass)
    t = torch.arange(_ANGLES, dtype=b.dtype, device=b.device) * (2 * torch.pi / _ANGLES)
    one, other = (ellipses @ torch.stack((t.cos(), t.sin(), torch.ones_like(t)))).mT.unbind(dim=-3)
    rest = missing[..., None, :] - one[..., 1:3]
    gap = torch.cdist(rest, other[..., 1:3])
    log_weight = -gap.square() / (2 * resolution**2)
    total = log_weight.logsumexp(dim=-1)
    best = log_weight.argmax(dim=-1)
    kept, angle = total.nan_to_num(-torch.inf).topk(_KEPT, dim=-1)
    share = total.logsumexp(dim=-1) - kept.logsumexp(dim=-1) - minkowski_dot(b, leptons).log().sum(dim=-1)
    pair = torch.stack((_take(one, angle), _take(other, best.gather(-1, angle))), dim=-2)
    return pair, kept + share[..., None]


def _with_another_w(b: Tensor, leptons: Tensor, missing: Tensor, hypothesis: Hypothesis) -> tuple[Tensor, Tensor]:
    """The lepton of the top quark comes first in the family, which has two solutions for the other neutrino."""
    top_mass, w_mass = hypothesis.pole_masses
    order = [0, 1] if hypothesis.leptonic[0].b is not None else [1, 0]
    pair, log_weight = neutrino_family(
        b, leptons[..., order, :], missing, top_mass=top_mass, w_mass=w_mass, points=_ANGLES
    )
    pair, log_weight = pair.flatten(-4, -3), log_weight.flatten(-2)
    gap = pair.sum(dim=-2)[..., 1:3] - missing[..., None, :]
    scale = -math.log(8 * _ANGLES / (2 * torch.pi) * w_mass**2) - minkowski_dot(b, leptons[..., order[0], :]).log()
    alternative = scale[..., None] - gap.square().sum(dim=-1) / (2 * _MISSING_RESOLUTION**2)
    log_weight = torch.where(log_weight.isinf().all(dim=-1, keepdim=True), alternative, log_weight)
    kept, which = log_weight.topk(_KEPT, dim=-1)
    share = log_weight.logsumexp(dim=-1) - kept.logsumexp(dim=-1)
    pair = pair.gather(-3, which[..., None, None].expand(*which.shape, 2, 4))
    return pair[..., order, :], kept + share[..., None]


def _take(values: Float[Tensor, "*batch number 4"], which: Tensor) -> Float[Tensor, "*batch kept 4"]:
    return values.gather(-2, which[..., None].expand(*which.shape, 4))
