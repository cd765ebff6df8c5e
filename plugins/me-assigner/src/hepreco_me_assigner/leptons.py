"""The lepton of an event, and its neutrino from missing momentum."""

from dataclasses import replace
from typing import Final

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from hepreco import EventBatch
from hepreco.kinematics import delta_phi, eta, phi, pt

#: Where leptons come from.
LEPTONS: Final = ("Electron", "Muon")
#: A jet this close to the lepton in ΔR is the lepton.
OVERLAP: Final = 0.4


def leading_lepton(batch: EventBatch) -> EventBatch:
    """The electron or muon of largest pt, in one slot that is empty where there is none."""
    species = batch.species.new_tensor([batch.collections.index(name) for name in LEPTONS])
    leptons = replace(batch, mask=batch.mask & torch.isin(batch.species, species))
    return leptons.objects_ordered_by(pt(leptons.momenta), at_most=1)


def apart(jets: Float[Tensor, "event object 4"], lepton: Float[Tensor, "event 1 4"]) -> Bool[Tensor, "event object"]:
    """Which jets are not the lepton, of which NanoAOD makes a jet too."""
    return torch.hypot(eta(jets) - eta(lepton), delta_phi(phi(jets), phi(lepton))) > OVERLAP


def neutrinos(
    lepton: Float[Tensor, "*batch 4"], missing_momentum: Float[Tensor, "*batch 2"], *, w_mass: float
) -> Float[Tensor, "*batch 2 4"]:
    """The two massless neutrinos that weigh m_W with a massless lepton.

    With A = m_W²/2 + p_T(ℓ)·p_T(ν): p_z(ν) = [A p_z(ℓ) ± E(ℓ) √(A² − p_T²(ℓ) p_T²(ν))] / p_T²(ℓ). Where the transverse
    mass exceeds m_W no p_z is real; then p_T(ν) is scaled down until they are equal, and both solutions are the same.

    NaN where lepton or missing momentum are, and where the lepton has no transverse momentum.

    References
    ----------
    arXiv:1305.1878, section 1, for the quadratic equation; arXiv:1209.4533 for p_T(ν) that makes a complex p_z real.
    """
    energy = lepton[..., 1:].norm(dim=-1)
    plane, along = lepton[..., 1:3], lepton[..., 3]
    square = plane.square().sum(dim=-1)
    product = (plane * missing_momentum).sum(dim=-1)
    transverse_mass = 2 * (square.sqrt() * missing_momentum.norm(dim=-1) - product)
    scale = (w_mass**2 / transverse_mass.clamp(min=1e-12)).clamp(max=1.0)
    in_plane = missing_momentum * scale[..., None]
    a = w_mass**2 / 2 + product * scale
    root = torch.sqrt((a * a - square * in_plane.square().sum(dim=-1)).clamp(min=0.0))
    pz = torch.stack([(a * along + sign * energy * root) / square for sign in (1, -1)], dim=-1)
    in_plane = in_plane[..., None, :].expand(*pz.shape, 2)
    return torch.cat((torch.sqrt(in_plane.square().sum(dim=-1) + pz * pz)[..., None], in_plane, pz[..., None]), dim=-1)
