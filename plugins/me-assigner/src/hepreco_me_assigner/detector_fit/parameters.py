"""The parameters of a detector that unlabelled events determine, and the detector that they describe."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import torch
from jaxtyping import Float
from torch import Tensor, nn

from hepreco.detector import Detector
from hepreco.errors import WeightsError
from hepreco.weights import read_card


@dataclass(frozen=True)
class _Parameter:
    """The start of a parameter, which is also the mean of its prior, and the width of that; in ln or logit."""

    start: float
    width: float
    is_probability: bool = False


#: Fields of the detector by name, then two probabilities that a quark leaves no jet.
PARAMETERS: Final = {
    "b_response": _Parameter(0.0, 0.15),
    "light_response": _Parameter(0.0, 0.15),
    "jet_stochastic": _Parameter(-0.2, 0.5),
    "jet_constant": _Parameter(-2.5, 0.5),
    "jet_tail_fraction": _Parameter(-2.0, 0.7, is_probability=True),
    "b_efficiency": _Parameter(1.2, 0.5, is_probability=True),
    "c_efficiency": _Parameter(-1.7, 0.5, is_probability=True),
    "light_efficiency": _Parameter(-3.3, 0.5, is_probability=True),
    "radiation": _Parameter(0.2, 0.5),
    "radiation_slope": _Parameter(3.0, 0.5),
    "radiation_eta": _Parameter(0.6, 0.5),
    "radiation_hard_slope": _Parameter(4.0, 0.5),
    "radiation_hard_fraction": _Parameter(0.0, 0.5, is_probability=True),
    "lost_b": _Parameter(-2.5, 0.7, is_probability=True),
    "lost_quark": _Parameter(-1.5, 0.7, is_probability=True),
}
#: A step of Adam of the default learning rate, 0.001, is this many thousandths of the width of the prior.
UNIT: Final = 60.0


class DetectorModel(nn.Module):
    """The parameters, in units that make one learning rate suit them all, with their normal prior.

    Example
    -------
    >>> round(DetectorModel().values()["jet_stochastic"].item(), 3)
    0.819
    """

    def __init__(self) -> None:
        super().__init__()
        self.moved = nn.Parameter(torch.zeros(len(PARAMETERS), dtype=torch.float64))

    def values(self) -> dict[str, Tensor]:
        """Every parameter by name, as fractions, GeV, or numbers without unit."""
        values = {}
        for (name, parameter), moved in zip(PARAMETERS.items(), self.moved, strict=True):
            value = parameter.start + UNIT * parameter.width * moved
            values[name] = value.sigmoid() if parameter.is_probability else value.exp()
        return values

    def log_prior(self) -> Float[Tensor, ""]:
        """Ln of the prior, up to a constant."""
        return -(UNIT * self.moved).square().sum() / 2


def fields_of(values: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Those parameters that are fields of the detector."""
    return {name: value for name, value in values.items() if not name.startswith("lost_")}


def variable(values: Mapping[str, Tensor], measured: Mapping[str, float]) -> Detector:
    """A detector with tensors for fields, so that a likelihood can be differentiated by them."""
    detector = object.__new__(Detector)
    for name, value in {**measured, **fields_of(values)}.items():
        object.__setattr__(detector, name, value)
    return detector


def read_detector(directory: Path) -> Detector:
    """The detector that a directory of weights describes.

    Raises
    ------
    WeightsError
        There is no card, or it is that of something else.
    """
    network = read_card(directory).network
    if "jet_stochastic" not in network:
        raise WeightsError(f"{directory} holds no detector", "train one: hepreco train me-assigner --solver marginal")
    return Detector(**network)  # type: ignore[arg-type]  # of which the constructor checks the values


def read_losses(directory: Path) -> tuple[Tensor, Tensor]:
    """Probabilities that a b quark and another quark of a top leave no jet, from the same card."""
    metrics = read_card(directory).metrics
    b, quark = (torch.tensor(metrics[name], dtype=torch.float64) for name in ("lost_b", "lost_quark"))
    return b, quark
