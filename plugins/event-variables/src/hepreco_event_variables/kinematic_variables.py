"""Event variables derived by hand, on tensors of events."""

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
    """The invariant mass of all visible particles, in GeV; padding has momentum 0 and does not contribute."""
    return mass(visible.sum(dim=1))


def transverse_mass(visible: Momenta, missing_momentum: Transverse, *, trial_mass: float = 0.0) -> Scalar:
    """The transverse mass of all visible particles and one invisible particle of a trial mass, in GeV.

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
    """m_T2 of two decays A → visible + invisible, in GeV, with one trial mass for both invisible particles.

    References
    ----------
    Lester, Summers, hep-ph/9906349; computed by the package ``mt2``, after Lester, Nachman, arXiv:1411.4312.
    """
    invisible = torch.as_tensor(trial_mass).to(one).expand(len(one))
    columns = [component for side in (one, other) for component in (mass(side), side[:, 1], side[:, 2])]
    columns += [*missing_momentum.unbind(dim=1), invisible, invisible]
    with np.errstate(divide="ignore", invalid="ignore"):  # events without a visible particle on one side
        found = mt2(*(column.detach().cpu().numpy() for column in columns))
    return torch.as_tensor(found, dtype=one.dtype, device=one.device)


def paired_stransverse_mass(
    leading: Momenta, others: Momenta, missing_momentum: Transverse, *, trial_mass: float = 0.0
) -> Scalar:
    """The smaller m_T2 of the two ways to pair the two ``leading`` particles with the two ``others``, in GeV.

    m_T2 of the right pairing cannot exceed the mass of the decaying particles, so the smaller of both cannot either.
    """
    (b1, b2), (l1, l2) = leading.unbind(dim=1), others.unbind(dim=1)
    one = stransverse_mass(b1 + l1, b2 + l2, missing_momentum, trial_mass=trial_mass)
    return torch.minimum(one, stransverse_mass(b1 + l2, b2 + l1, missing_momentum, trial_mass=trial_mass))


def largest_paired_mass(leading: Momenta, others: Momenta) -> Scalar:
    """The larger of the two pair masses, for the pairing in which it is smaller, in GeV.

    Its spectrum has the endpoint of the masses of true pairs.
    """
    (b1, b2), (l1, l2) = leading.unbind(dim=1), others.unbind(dim=1)
    one = torch.maximum(mass(b1 + l1), mass(b2 + l2))
    return torch.minimum(one, torch.maximum(mass(b1 + l2), mass(b2 + l1)))


def scalar_sum(visible: Momenta) -> Scalar:
    """H_T: the scalar sum of the pt of the visible particles, in GeV."""
    return pt(visible).sum(dim=1)
