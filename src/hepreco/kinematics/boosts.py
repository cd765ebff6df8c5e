"""Lorentz boosts and the decay of a particle in its rest frame."""

import torch
from jaxtyping import Float
from torch import Tensor


def boost(
    momenta: Float[Tensor, "*shape 4"], *, velocity: Float[Tensor, "*shape 3"] | Float[Tensor, "*batch 3"]
) -> Float[Tensor, "*shape 4"]:
    """Boost four-momenta by a velocity β (|β| < 1, in units of c), broadcast over the leading axes.

    p′ = p + [(γ − 1)(p·β)/β² + γE] β,  E′ = γ(E + p·β); a particle at rest moves with velocity β afterwards.
    (γ − 1)/β² is computed as γ²/(γ + 1), which is also defined at β = 0.
    """
    energy, p = momenta[..., :1], momenta[..., 1:]
    gamma = torch.rsqrt(1 - (velocity * velocity).sum(-1, keepdim=True))
    along = (p * velocity).sum(-1, keepdim=True)
    boosted = p + (gamma * gamma / (gamma + 1) * along + gamma * energy) * velocity
    return torch.cat((gamma * (energy + along), boosted), dim=-1)


def two_body_decay(
    parent: Float[Tensor, "event 4"],
    *,
    masses: tuple[Float[Tensor, " event"], Float[Tensor, " event"]],
    generator: torch.Generator,
) -> tuple[Float[Tensor, "event 4"], Float[Tensor, "event 4"]]:
    """Decay each parent isotropically in its rest frame into two daughters of the given masses (GeV).

    The daughters are returned in the parent's original frame. |p*| = √λ(m², m₁², m₂²) / 2m (PDG review of kinematics,
    equation 49.17). The result is NaN if the daughters are heavier than the parent.
    """
    m = torch.sqrt(parent[:, 0] ** 2 - (parent[:, 1:] ** 2).sum(-1))
    first, second = masses
    kallen = (m * m - (first + second) ** 2) * (m * m - (first - second) ** 2)
    p = torch.sqrt(kallen) / (2 * m)
    uniform = torch.rand(2, len(parent), generator=generator, dtype=parent.dtype, device=parent.device)
    cos_theta, azimuth = 2 * uniform[0] - 1, 2 * torch.pi * uniform[1]
    sin_theta = torch.sqrt(1 - cos_theta**2)
    direction = torch.stack((sin_theta * torch.cos(azimuth), sin_theta * torch.sin(azimuth), cos_theta), dim=-1)
    velocity = parent[:, 1:] / parent[:, :1]
    daughters = [
        torch.cat((torch.sqrt(p * p + mass * mass)[:, None], sign * p[:, None] * direction), dim=-1)
        for mass, sign in ((first, 1.0), (second, -1.0))
    ]
    return boost(daughters[0], velocity=velocity), boost(daughters[1], velocity=velocity)
