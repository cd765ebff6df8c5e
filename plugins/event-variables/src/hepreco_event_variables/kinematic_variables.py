"""Event variables that people derived by hand, on tensors of events."""

import numpy as np
import torch
from jaxtyping import Float
from mt2 import mt2
from torch import Tensor

from hepreco.kinematics import mass, pt

Momenta = Float[Tensor, "event object 4"]
Transverse = Float[Tensor, "event 2"]
Scalar = Float[Tensor, " event"]


def invariant_mass(visible: Momenta) -> Scalar:
    """Of all visible particles together, GeV; those in padding are zero and count for nothing."""
    return mass(visible.sum(dim=1))


def transverse_mass(visible: Momenta, missing_momentum: Transverse, *, trial_mass: float = 0.0) -> Scalar:
    """Of all visible particles together and one invisible one of a trial mass, GeV.

    m_T² = m² + m̃² + 2(E_T p̸_E − p_T·p̸_T) with E_T = √(m² + p_T²) and p̸_E = √(m̃² + p̸_T²).

    References
    ----------
    PDG review of kinematics, section 49.6; arXiv:2105.10126, equation 10.
    """
    total = visible.sum(dim=1)
    squared = mass(total).square()
    energy = torch.sqrt(squared + pt(total).square())
    missing = torch.sqrt(trial_mass**2 + missing_momentum.square().sum(dim=1))
    inner = (total[:, 1:3] * missing_momentum).sum(dim=1)
    return torch.sqrt((squared + trial_mass**2 + 2 * (energy * missing - inner)).clamp(min=0))


def stransverse_mass(
    one: Float[Tensor, "event 4"],
    other: Float[Tensor, "event 4"],
    missing_momentum: Transverse,
    *,
    trial_mass: float | Scalar = 0.0,
) -> Scalar:
    """m_T2 of two decays A → visible + invisible, GeV, with one trial mass for both invisible particles.

    References
    ----------
    Lester, Summers, hep-ph/9906349; computed by the package ``mt2``, after Lester, Nachman, arXiv:1411.4312.
    """
    invisible = torch.as_tensor(trial_mass).to(one).expand(len(one))
    columns = [component for side in (one, other) for component in (mass(side), side[:, 1], side[:, 2])]
    columns += [*missing_momentum.unbind(dim=1), invisible, invisible]
    with np.errstate(divide="ignore", invalid="ignore"):  # events where one side has nothing
        found = mt2(*(column.detach().cpu().numpy() for column in columns))
    return torch.as_tensor(found, dtype=one.dtype, device=one.device)


def paired_stransverse_mass(
    leading: Momenta, others: Momenta, missing_momentum: Transverse, *, trial_mass: float = 0.0
) -> Scalar:
    """The smaller m_T2 of the two ways to make pairs of one of two ``leading`` and one of two ``others``, GeV.

    The right pairing cannot exceed the mass of what decayed, so the smaller value cannot either.
    """
    (b1, b2), (l1, l2) = leading.unbind(dim=1), others.unbind(dim=1)
    one = stransverse_mass(b1 + l1, b2 + l2, missing_momentum, trial_mass=trial_mass)
    return torch.minimum(one, stransverse_mass(b1 + l2, b2 + l1, missing_momentum, trial_mass=trial_mass))


def largest_paired_mass(leading: Momenta, others: Momenta) -> Scalar:
    """The larger mass of two pairs, in the pairing where it is smaller, GeV: it ends where masses of true pairs end."""
    (b1, b2), (l1, l2) = leading.unbind(dim=1), others.unbind(dim=1)
    one = torch.maximum(mass(b1 + l1), mass(b2 + l2))
    return torch.minimum(one, torch.maximum(mass(b1 + l2), mass(b2 + l1)))


def scalar_sum(visible: Momenta) -> Scalar:
    """H_T: the sum of pt of the visible particles, GeV."""
    return pt(visible).sum(dim=1)
