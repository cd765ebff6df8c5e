"""Input features of the networks: of objects, of pairs of objects, and of the whole event."""

import torch
from jaxtyping import Float
from torch import Tensor, nn

from hepreco.kinematics import delta_r, eta, mass_squared, phi, pt
from hepreco_part_sm.couplings import Couplings, strengths
from hepreco_part_sm.particles import Kind, Particles

#: ln E, ln pt, η, φ, and a one-hot encoding of the kind, in which padding is a kind too.
TOKEN_FEATURES = 4 + len(Kind)
EVENT_FEATURES = 3
#: Squared masses (GeV²) and distances, and momenta (GeV), are raised to these before their logarithm is taken.
_LEAST = 1e-8
_SOFTEST = 1e-2


def token_features(particles: Particles) -> Float[Tensor, "event object feature"]:
    """Ln E, ln pt (GeV), η, φ and the kind of every object; in padding all are zero but the kind."""
    momenta, mask = particles.momenta, particles.mask
    safe = torch.where(mask[..., None], momenta, momenta.new_tensor([1.0, 1.0, 0.0, 0.0]))
    kinematic = torch.stack((torch.log(safe[..., 0]), torch.log(pt(safe)), eta(safe), phi(safe)), dim=-1)
    kind = nn.functional.one_hot(particles.kinds, len(Kind)).to(momenta)
    return torch.cat((kinematic, kind), dim=-1)


def event_features(particles: Particles) -> Float[Tensor, "event 3"]:
    """Ln of the missing transverse momentum (GeV), cos φ and sin φ."""
    missing = particles.missing_momentum
    size = missing.norm(dim=-1, keepdim=True).clamp(min=_SOFTEST)
    return torch.cat((torch.log(size), missing / size), dim=-1)


def pair_kinematics(momenta: Float[Tensor, "event object 4"]) -> Float[Tensor, "event object object 2"]:
    """Ln m² and ln ΔR (with rapidity) of all pairs; m² and ΔR below 10⁻⁸ count as 10⁻⁸."""
    one, other = momenta[:, :, None], momenta[:, None]
    distance = delta_r(one, other, longitudinal=_rapidity)
    squared = mass_squared(one + other)
    return torch.stack((torch.log(squared.clamp(min=_LEAST)), torch.log(distance.clamp(min=_LEAST))), dim=-1)


class PairFeatures(nn.Module):
    """Ln m², ln ΔR and, with an interaction matrix, the coupling of all pairs of objects of an event.

    Parameters
    ----------
    couplings
        The interaction matrix; ``table`` is a learned parameter of this module.
    """

    def __init__(self, couplings: Couplings) -> None:
        super().__init__()
        self.couplings: Couplings = couplings
        self.width = 2 if couplings == "none" else 3
        self.table = nn.Parameter(torch.zeros(len(Kind), len(Kind))) if couplings == "table" else None

    def forward(self, particles: Particles) -> Float[Tensor, "event object object feature"]:
        """Symmetric in the objects. Values at padded pairs are undefined."""
        kinematics = pair_kinematics(particles.momenta)
        if self.couplings == "none":
            return kinematics
        one, other = torch.broadcast_tensors(particles.kinds[:, :, None], particles.kinds[:, None])
        if self.table is not None:
            coupling = (self.table + self.table.T)[one, other]
        else:
            transverse = pt(particles.momenta)
            scale = (transverse[:, :, None] + transverse[:, None]) / 2
            coupling = strengths(one, other, scale, couplings=self.couplings)
        return torch.cat((kinematics, coupling[..., None]), dim=-1)


def _rapidity(momenta: Float[Tensor, "*object 4"]) -> Float[Tensor, "*object"]:
    energy, along = momenta[..., 0], momenta[..., 3]
    return torch.atanh((along / energy.clamp(min=_LEAST)).clamp(min=-1 + 1e-6, max=1 - 1e-6))
