"""The detector as a value that the simulation of events and their reconstruction share."""

import math
from dataclasses import dataclass
from typing import Final

import torch
from jaxtyping import Float
from torch import Tensor

from hepreco.errors import ConfigError

#: In GeV, of tt̄ pairs: a half of the scalar sum of the pt of jets, with what is lost below the acceptance.
_JET_ACTIVITY: Final = 273.4375


@dataclass(frozen=True)
class Detector:
    """What a detector does to particles: simulation applies it, and reconstruction assumes it.

    The defaults are round numbers of the size of a real detector's, not measurements. Efficiencies of b tags are those
    at the working point :data:`hepreco.conventions.B_TAG_THRESHOLD`.

    Parameters
    ----------
    radiation, radiation_slope, radiation_eta
        The mean number of jets of initial-state radiation, Poisson-distributed, at most 12. Their pt above
        ``jet_pt_min`` falls exponentially with a mean of ``radiation_slope`` GeV, η is normal with a width of
        ``radiation_eta``; the hard event recoils.
    jet_stochastic, jet_constant
        σ(E)/E = stochastic/√(E/GeV) ⊕ constant.
    jet_angle
        Resolution of η and φ of jets.
    jet_pt_min, jet_eta_max
        Acceptance of jets (GeV).
    jet_radius
        Jets closer than this in ΔR are merged, and leptons closer to a jet are part of it.
    lepton_resolution
        σ(pt)/pt of electrons and muons.
    lepton_efficiency
        To find a lepton within the acceptance.
    lepton_pt_min, lepton_eta_max
        Acceptance of leptons (GeV).
    b_efficiency, c_efficiency, light_efficiency
        To tag jets of each flavour as b.
    missing_noise
        Resolution of each component of the missing momentum, beyond that of jets and leptons, in GeV.
    """

    radiation: float = 1.0
    radiation_slope: float = 35.0
    radiation_eta: float = 2.0
    jet_stochastic: float = 0.8
    jet_constant: float = 0.05
    jet_angle: float = 0.02
    jet_pt_min: float = 20.0
    jet_eta_max: float = 4.7
    jet_radius: float = 0.4
    lepton_resolution: float = 0.02
    lepton_efficiency: float = 0.9
    lepton_pt_min: float = 10.0
    lepton_eta_max: float = 2.5
    b_efficiency: float = 0.77
    c_efficiency: float = 0.15
    light_efficiency: float = 0.02
    missing_noise: float = 15.0

    def __post_init__(self) -> None:
        if any(value < 0 for value in vars(self).values()):
            raise ConfigError(f"a detector with a negative parameter: {self}", "give values of at least 0")

    def jet_resolution(self, energy: Float[Tensor, "*shape"]) -> Float[Tensor, "*shape"]:
        """σ(E)/E of jets of these energies in GeV.

        Example
        -------
        >>> round(Detector().jet_resolution(torch.tensor([100.0])).item(), 4)  # 8 % ⊕ 5 %
        0.0943
        """
        return torch.sqrt(self.jet_stochastic**2 / energy + self.jet_constant**2)

    @property
    def missing_resolution(self) -> float:
        """Of each component of the missing momentum, mismeasured jets included, in GeV.

        The square is missing_noise² + jet_stochastic² · 273 GeV, where 273 GeV stands for the jets of tt̄ pairs.
        Simulated tt̄ → lepton + jets has this width within 15 %.
        """
        return math.sqrt(self.missing_noise**2 + self.jet_stochastic**2 * _JET_ACTIVITY)
