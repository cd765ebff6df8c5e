"""Acceptance, efficiencies and resolutions of the detector, shared by simulation and reconstruction."""

import math
from dataclasses import dataclass
from typing import Final

import torch
from jaxtyping import Float
from torch import Tensor

from hepreco.errors import ConfigError

#: Half the scalar sum of jet pt in tt̄ events, in GeV, including jets below the acceptance.
_JET_ACTIVITY: Final = 273.4375


@dataclass(frozen=True)
class Detector:
    """A parametrised detector, applied by the simulation and assumed by the reconstruction.

    The defaults are round numbers of realistic size, not measurements. Efficiencies of b tags hold at the working point
    :data:`hepreco.conventions.B_TAG_THRESHOLD`.

    Parameters
    ----------
    radiation, radiation_slope, radiation_eta
        Jets of initial-state radiation: their mean number (Poisson-distributed, at most 12), the mean in GeV of the
        exponential distribution of pt above ``jet_pt_min``, and the width of the normal distribution of η. The hard
        event recoils against them.
    radiation_hard_fraction, radiation_hard_slope
        A fraction of these jets has another, larger mean pt (GeV).
    b_response, light_response
        Measured energy over energy of the quark or gluon, for b jets and for others.
    jet_stochastic, jet_constant
        Energy resolution of jets: σ(E)/E = stochastic/√(E/GeV) ⊕ constant.
    jet_tail_fraction, jet_tail_width
        A fraction of jets has a much worse resolution, to which this width of ln E is added in quadrature.
    jet_angle
        Resolution of η and φ of jets.
    jet_pt_min, jet_eta_max
        Acceptance of jets (GeV).
    jet_radius
        Jets closer than this in ΔR are merged, and leptons closer to a jet are part of it.
    lepton_resolution
        σ(pt)/pt of electrons and muons.
    lepton_efficiency
        Efficiency to find a lepton within the acceptance.
    lepton_pt_min, lepton_eta_max
        Acceptance of leptons (GeV).
    b_efficiency, c_efficiency, light_efficiency
        Efficiency to tag b, c and light jets as b.
    b_tag_eta_max
        Jets beyond this |η| are never tagged.
    missing_noise
        Resolution of each component of the missing transverse momentum in GeV, in addition to that of jets and leptons.
    """

    radiation: float = 1.0
    radiation_slope: float = 35.0
    radiation_eta: float = 2.0
    radiation_hard_fraction: float = 0.0
    radiation_hard_slope: float = 100.0
    b_response: float = 1.0
    light_response: float = 1.0
    jet_stochastic: float = 0.8
    jet_constant: float = 0.05
    jet_tail_fraction: float = 0.0
    jet_tail_width: float = 0.5
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
    b_tag_eta_max: float = 5.0
    missing_noise: float = 15.0

    def __post_init__(self) -> None:
        if any(value < 0 for value in vars(self).values()):
            raise ConfigError(f"the detector has a negative parameter: {self}", "give values of at least 0")
        if not (self.b_response and self.light_response):
            raise ConfigError(f"the detector has no response: {self}", "give a response above 0, such as 1")
        if max(self.radiation_hard_fraction, self.jet_tail_fraction) >= 1:
            raise ConfigError(f"the detector has a fraction of 1 or more: {self}", "give fractions below 1")

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
        """Resolution of each component of the missing transverse momentum in GeV, mismeasured jets included.

        Its square is missing_noise² + jet_stochastic² · 273 GeV, where 273 GeV describes the jets of tt̄ events.
        Simulated tt̄ → lepton + jets events have this resolution within 15 %.
        """
        return math.sqrt(self.missing_noise**2 + self.jet_stochastic**2 * _JET_ACTIVITY)
