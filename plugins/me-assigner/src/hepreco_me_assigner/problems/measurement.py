"""The assumed detector: energies of jets, their b tags, and radiated jets."""

from dataclasses import dataclass, replace

import torch
from jaxtyping import Float
from torch import Tensor

from hepreco import EventBatch
from hepreco.detector import Detector
from hepreco.errors import ConfigError
from hepreco.kinematics import eta
from hepreco_me_assigner.process import Hypothesis
from hepreco_me_assigner.transfer_functions import TransferFunctions


@dataclass(frozen=True)
class Measurement:
    """The assumed detector; the fields are the reconstructor's options of the same names."""

    resolution: Detector | tuple[float, float] | None
    b_tag: str | None
    b_tag_threshold: float
    b_efficiency: float | None
    light_efficiency: float | None

    def __post_init__(self) -> None:
        detector = self.detector
        rates = detector.b_efficiency, detector.c_efficiency, detector.light_efficiency
        if self.b_tag and not all(0 < rate < 1 for rate in rates):
            raise ConfigError(
                f"me-assigner: efficiencies {rates} of b tags are out of range", "give numbers between 0 and 1"
            )

    @property
    def detector(self) -> Detector:
        """The detector, with the efficiencies that are given as options."""
        given = Detector() if self.resolution is None else self.resolution
        detector = given if isinstance(given, Detector) else Detector(jet_stochastic=given[0], jet_constant=given[1])
        rates = {"b_efficiency": self.b_efficiency, "light_efficiency": self.light_efficiency}
        return replace(detector, **{name: rate for name, rate in rates.items() if rate is not None})

    @property
    def transfer(self) -> TransferFunctions | None:
        """The transfer functions of energies; ``None`` if energies are exact."""
        return None if self.resolution is None else TransferFunctions(self.detector)

    def prior(self, jets: EventBatch, number: int, hypothesis: Hypothesis) -> Float[Tensor, "event object leg"] | None:
        """Log-probability of a jet's tag and momentum given its leg, less that of a radiated jet, for the first jets.

        ``None`` where neither is known. Radiated jets are tagged like light ones.
        """
        momenta, transfer, prior = jets.momenta[:, :number], self.transfer, None
        if transfer is not None and number > hypothesis.jets:
            prior = -transfer.log_radiation(momenta)[..., None].expand(-1, -1, hypothesis.legs)
        if self.b_tag is None:
            return prior
        tagged = jets.features[self.b_tag][:, :number, None] > self.b_tag_threshold
        rates = momenta.new_tensor(self._rates(hypothesis))
        light = momenta.new_tensor(self.detector.light_efficiency)
        seen = torch.where(tagged, (rates / light).log(), ((1 - rates) / (1 - light)).log())
        seen = torch.where(eta(momenta).abs()[..., None] < self.detector.b_tag_eta_max, seen, 0.0)
        return seen if prior is None else seen + prior

    def _rates(self, hypothesis: Hypothesis) -> list[float]:
        """The probability of a tag on each leg; every other W that decays to quarks decays to charm."""
        detector, charm = self.detector, hypothesis.charm_legs
        by_flavour = {5: detector.b_efficiency, 4: detector.c_efficiency}
        half = (detector.c_efficiency + detector.light_efficiency) / 2
        return [
            half if leg in charm else by_flavour.get(abs(particle.pdg_id), detector.light_efficiency)
            for leg, particle in enumerate(hypothesis.parsed.final)
        ]
