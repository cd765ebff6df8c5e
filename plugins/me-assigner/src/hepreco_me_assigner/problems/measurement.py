"""The assumed detector: energy resolution and b-tagging efficiencies."""

from dataclasses import dataclass
from math import log

import torch
from jaxtyping import Float
from torch import Tensor

from hepreco import EventBatch
from hepreco.detector import Detector
from hepreco.errors import ConfigError
from hepreco_me_assigner.process import Hypothesis
from hepreco_me_assigner.transfer_functions import TransferFunctions


@dataclass(frozen=True)
class Measurement:
    """The assumed detector; the fields are the reconstructor's options of the same names."""

    resolution: Detector | tuple[float, float] | None
    b_tag: str | None
    b_tag_threshold: float
    b_efficiency: float
    light_efficiency: float

    def __post_init__(self) -> None:
        if not all(0 < efficiency < 1 for efficiency in (self.b_efficiency, self.light_efficiency)):
            raise ConfigError(
                f"me-assigner: efficiencies {self.b_efficiency} and {self.light_efficiency} are out of range",
                "give numbers between 0 and 1",
            )

    @property
    def transfer(self) -> TransferFunctions | None:
        """The transfer functions of energies; ``None`` if energies are exact."""
        if self.resolution is None or isinstance(self.resolution, Detector):
            return None if self.resolution is None else TransferFunctions(self.resolution)
        stochastic, constant = self.resolution
        return TransferFunctions(Detector(jet_stochastic=stochastic, jet_constant=constant))

    def prior(self, jets: EventBatch, number: int, hypothesis: Hypothesis) -> Float[Tensor, "event object leg"] | None:
        """Log-probability of a jet's tag and radiation given its leg, for the first jets; ``None`` without either."""
        prior, transfer = None, self.transfer
        if transfer is not None and number > hypothesis.jets:
            radiated = transfer.log_radiation(jets.momenta[:, :number])
            prior = -radiated[..., None].expand(-1, -1, hypothesis.legs)
        if self.b_tag is None:
            return prior
        tagged = jets.features[self.b_tag][:, :number] > self.b_tag_threshold
        columns = []
        for particle in hypothesis.parsed.final:
            efficiency = self.b_efficiency if abs(particle.pdg_id) == 5 else self.light_efficiency
            columns.append(torch.where(tagged, log(efficiency), log(1 - efficiency)).to(jets.momenta.dtype))
        seen = torch.stack(columns, dim=-1)
        return seen if prior is None else seen + prior
