"""The neutrino of a W boson from a charged lepton and missing transverse momentum."""

from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor

#: Treatment of events in which no longitudinal momentum is real, because the transverse mass exceeds m_W.
ComplexRoots = Literal["scale missing momentum", "take real part"]


def neutrino_solutions(
    lepton: Float[Tensor, "*batch 4"],
    missing_momentum: Float[Tensor, "*batch 2"],
    *,
    w_mass: float,
    complex_roots: ComplexRoots,
) -> Float[Tensor, "*batch 2 4"]:
    """The two momenta in GeV of a massless neutrino that give invariant mass m_W with a massless lepton.

    With A = m_W²/2 + p_T(ℓ)·p_T(ν): p_z(ν) = [A p_z(ℓ) ± E(ℓ) √(A² − p_T²(ℓ) p_T²(ν))] / p_T²(ℓ). The result is NaN
    if the lepton or the missing momentum is NaN, or if the lepton has no transverse momentum.

    Parameters
    ----------
    missing_momentum
        Missing transverse momentum (p_x, p_y), assumed to be that of the neutrino.
    complex_roots
        If the transverse mass exceeds m_W, the root is imaginary. ``scale missing momentum`` scales p_T(ν) down until
        the transverse mass is m_W, so that m(ℓν) = m_W always holds. ``take real part`` keeps p_T(ν) and omits the
        root, so that m(ℓν) is at least the transverse mass, and exceeds m_W. Both solutions are then the same.

    References
    ----------
    arXiv:1305.1878, section 1, for the quadratic equation; arXiv:1209.4533 for p_T(ν) that makes a complex p_z real.

    Example
    -------
    >>> lepton, missing = torch.tensor([50.0, 30.0, 0.0, 40.0]), torch.tensor([0.0, 40.0])
    >>> both = neutrino_solutions(lepton, missing, w_mass=80.0, complex_roots="take real part")
    >>> [round(float(m), 3) for m in ((lepton + both)[:, 0] ** 2 - (lepton + both)[:, 1:].square().sum(-1)).sqrt()]
    [80.0, 80.0]
    """
    plane, along = lepton[..., 1:3], lepton[..., 3]
    square = plane.square().sum(dim=-1)
    product = (plane * missing_momentum).sum(dim=-1)
    if complex_roots == "scale missing momentum":
        transverse_mass_squared = 2 * (square.sqrt() * missing_momentum.norm(dim=-1) - product)
        scale = (w_mass**2 / transverse_mass_squared.clamp(min=1e-12)).clamp(max=1.0)
        missing_momentum, product = missing_momentum * scale[..., None], product * scale
    a = w_mass**2 / 2 + product
    root = torch.sqrt((a * a - square * missing_momentum.square().sum(dim=-1)).clamp(min=0.0))
    pz = torch.stack([(a * along + sign * lepton[..., 0] * root) / square for sign in (1, -1)], dim=-1)
    in_plane = missing_momentum[..., None, :].expand(*pz.shape, 2)
    energy = torch.sqrt(in_plane.square().sum(dim=-1) + pz * pz)
    return torch.cat((energy[..., None], in_plane, pz[..., None]), dim=-1)
