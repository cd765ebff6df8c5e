"""The colliding beams: protons, or partons of fixed energy."""

import math
from dataclasses import dataclass, field

import torch
from torch import Tensor

from hepreco.errors import ConfigError
from hepreco.generation.hard.densities import PartonDensities, SimpleDensities
from hepreco.generation.hard.mappings import Mapping, uniform
from hepreco.generation.hard.phase_space import Scalar, Walk


@dataclass(frozen=True)
class Beams:
    """Two beams of the same energy.

    Parameters
    ----------
    energy
        Centre-of-mass energy of both beams, in GeV.
    densities
        Parton densities of the proton; None if the beams are the partons of the process.
    """

    energy: float = 13_000.0
    densities: PartonDensities | None = field(default_factory=SimpleDensities)

    def __post_init__(self) -> None:
        if not 0 < self.energy < float("inf"):
            raise ConfigError(f"beams of {self.energy} GeV", "give a positive energy in GeV")

    def luminosity(self, pair: tuple[int, int], x: tuple[Tensor, Tensor]) -> Tensor:
        """Parton luminosity f₁(x₁) f₂(x₂); 1 without parton densities."""
        if self.densities is None:
            return torch.ones_like(x[0])
        return self.densities(pair[0], x[0]) * self.densities(pair[1], x[1]) / (x[0] * x[1])

    def choose_energy(
        self, walk: Walk, *, low: Scalar, high: Scalar, mapping: Mapping
    ) -> tuple[Scalar, tuple[Scalar, Scalar]]:
        """√ŝ between bounds and the momentum fractions (x₁, x₂), with the Jacobian of dx₁ dx₂."""
        if self.densities is None:
            one = torch.ones_like(low)
            return self.energy * one, (one, one)
        squared = walk.coordinate(mapping, low**2, high**2)
        tau = (squared / self.energy**2).clamp(max=1.0)
        limit = (-0.5 * torch.log(tau)).clamp(min=1e-12)
        rapidity = walk.coordinate(uniform(), -limit, limit)
        # dx₁ dx₂ = dŝ dY / s
        walk.log_jacobian = walk.log_jacobian - 2 * math.log(self.energy)
        return torch.sqrt(squared), (torch.sqrt(tau) * torch.exp(rapidity), torch.sqrt(tau) * torch.exp(-rapidity))
