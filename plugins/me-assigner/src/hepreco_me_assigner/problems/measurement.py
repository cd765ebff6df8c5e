"""What is assumed of the detector: how well energies are measured, and how often jets are tagged."""

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
    """The options of the reconstructor that are about the detector.

    Parameters
    ----------
    resolution
        A detector, or the stochastic and the constant term of the energies of jets; None where energies are exact.
    b_tag, threshold
        A discriminator of jets and its working point; None where there are no tags.
    b, light
        How often b quarks and others are above it.
    """

    resolution: Detector | tuple[float, float] | None
    b_tag: str | None
    threshold: float
    b: float
    light: float

    def __post_init__(self) -> None:
        if not all(0 < efficiency < 1 for efficiency in (self.b, self.light)):
            raise ConfigError(
                f"me-assigner: b_efficiency = {self.b} and light_efficiency = {self.light} are out of range",
                "give numbers between 0 and 1",
            )

    @property
    def transfer(self) -> TransferFunctions | None:
        """The transfer functions of energies; None where these are exact."""
        if self.resolution is None or isinstance(self.resolution, Detector):
            return None if self.resolution is None else TransferFunctions(self.resolution)
        stochastic, constant = self.resolution
        return TransferFunctions(Detector(jet_stochastic=stochastic, jet_constant=constant))

    def prior(self, jets: EventBatch, number: int, hypothesis: Hypothesis) -> Float[Tensor, "event object leg"] | None:
        """Ln P(what is seen of a jet | leg), of the first jets; None where nothing is seen."""
        prior, transfer = None, self.transfer
        if transfer is not None and number > hypothesis.jets:
            radiated = transfer.log_radiation(jets.momenta[:, :number])
            prior = -radiated[..., None].expand(-1, -1, hypothesis.legs)
        if self.b_tag is None:
            return prior
        tagged = jets.features[self.b_tag][:, :number] > self.threshold
        columns = []
        for particle in hypothesis.parsed.final:
            efficiency = self.b if abs(particle.pdg_id) == 5 else self.light
            columns.append(torch.where(tagged, log(efficiency), log(1 - efficiency)).to(jets.momenta.dtype))
        seen = torch.stack(columns, dim=-1)
        return seen if prior is None else seen + prior
