"""Cuts at parton level."""

import math
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from hepreco.errors import ConfigError
from hepreco.kinematics import delta_r, eta, pt


@dataclass(frozen=True)
class Cuts:
    r"""Cuts on the final particles other than neutrinos, in the laboratory.

    Parameters
    ----------
    pt_min
        Smallest transverse momentum of each, in GeV.
    eta_max
        Largest \|η\| of each.
    delta_r_min
        Smallest ΔR = √(Δη² + Δφ²) of any two.
    mass_window
        Smallest and largest invariant mass of all final particles, in GeV.
    """

    pt_min: float = 0.0
    eta_max: float = math.inf
    delta_r_min: float = 0.0
    mass_window: tuple[float, float] = (0.0, math.inf)

    def __post_init__(self) -> None:
        if (
            self.pt_min < 0
            or self.eta_max <= 0
            or self.delta_r_min < 0
            or not self.mass_window[0] < self.mass_window[1]
        ):
            raise ConfigError(
                f"impossible cuts {self}", "give positive values, and a mass_window with its smaller end first"
            )

    def __call__(self, momenta: Float[Tensor, "event particle 4"]) -> Bool[Tensor, " event"]:
        """Whether events pass; ``momenta`` are those of the particles that are cut on."""
        passes = torch.ones(len(momenta), dtype=torch.bool)
        if self.pt_min > 0:
            passes &= (pt(momenta) > self.pt_min).all(dim=1)
        if self.eta_max < math.inf:
            passes &= (eta(momenta).abs() < self.eta_max).all(dim=1)
        if self.delta_r_min > 0:
            first, second = torch.triu_indices(momenta.shape[1], momenta.shape[1], offset=1)
            away = delta_r(momenta[:, :, None], momenta[:, None])[:, first, second]
            passes &= (away > self.delta_r_min).all(dim=1)
        return passes
