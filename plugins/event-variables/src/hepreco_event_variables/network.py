"""The event-variable network V(X), and the classifier with which it is trained."""

from collections.abc import Sequence
from itertools import pairwise
from typing import Literal, Protocol, runtime_checkable

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits, softplus

from hepreco.generation import find_topology
from hepreco_event_variables.features import momentum_components, symmetric_features

Recipe = Literal["paper", "improved"]
#: Number of points of the calibration.
KNOTS = 32
#: Standard deviation below which a feature counts as constant.
CONSTANT = 1e-3
#: Standardised features are clipped at ± this, so that V stays bounded for events unlike those of the training.
FARTHEST = 10.0
#: Logits are clipped at ± this, so that the loss does not overflow.
LARGEST_LOGIT = 30.0
#: Hidden layers of V and of the classifier.
LAYERS: dict[Recipe, tuple[tuple[int, ...], tuple[int, ...]]] = {
    "paper": ((128, 64, 64, 64, 32), (16, 16, 16)),
    "improved": ((192, 192, 192), (64, 64, 64)),
}


class RatioEstimator(nn.Module):
    """A classifier that tells V with the masses Θ of its own event from V with those of another.

    The logit of the ideal classifier is ln p(V, Θ) − ln p(V) − ln p(Θ).

    Parameters
    ----------
    inputs
        Number of components of V and Θ together.
    hidden
        Sizes of the hidden layers.
    """

    def __init__(self, *, inputs: int, hidden: Sequence[int]) -> None:
        super().__init__()
        self.layers = _dense((inputs, *hidden, 1), nn.ReLU)

    def forward(
        self, variable: Float[Tensor, "*batch d"], theta: Float[Tensor, "*batch t"]
    ) -> Float[Tensor, " *batch"]:
        """The logit of each pair; Θ in GeV."""
        logit: Tensor = self.layers(torch.cat((variable, theta / 100), dim=-1))[..., 0]
        return logit.clamp(-LARGEST_LOGIT, LARGEST_LOGIT)


class EventVariable(nn.Module):
    """V(X) and its classifier.

    Parameters
    ----------
    topology
        Name of the topology.
    recipe
        ``paper``: components of momenta into 128-64-64-64-32 ReLU, no symmetries (arXiv:2105.10126). ``improved``: the
        sum of a linear map and a network of :func:`~hepreco_event_variables.features.symmetric_features`, averaged
        over the arrangements of identical particles.
    dimensions
        Number of components of V.

    Attributes
    ----------
    knots
        Points of the calibration, V in the first row and GeV in the second, (2, points); NaN before the calibration.

    Example
    -------
    >>> network = EventVariable(topology="pair-semi-visible")
    >>> from hepreco.generation import sample_topology
    >>> sample = sample_topology("pair-semi-visible", events=3, seed=1)
    >>> network(network.features(sample.visible, sample.missing_momentum).float()).shape
    torch.Size([3, 1])
    """

    mean: Tensor
    deviation: Tensor
    knots: Tensor

    def __init__(self, *, topology: str, recipe: Recipe = "improved", dimensions: int = 1) -> None:
        super().__init__()
        self.topology, self.recipe, self.dimensions = topology, recipe, dimensions
        found = find_topology(topology)
        inputs = self.features(torch.ones(1, len(found.visible), 4), torch.ones(1, 2)).shape[-1]
        hidden, classifier = LAYERS[recipe]
        activation = nn.ReLU if recipe == "paper" else nn.SiLU
        self.layers = _dense((inputs, *hidden, dimensions), activation)
        self.linear = nn.Linear(inputs, dimensions) if recipe == "improved" else None
        self.classifier = RatioEstimator(inputs=dimensions + len(found.parameters), hidden=classifier)
        self.register_buffer("mean", torch.zeros(inputs))
        self.register_buffer("deviation", torch.ones(inputs))
        self.register_buffer("knots", torch.full((2, KNOTS), torch.nan))

    def features(
        self, visible: Float[Tensor, "event visible 4"], missing_momentum: Float[Tensor, "event 2"]
    ) -> Float[Tensor, "event arrangement feature"]:
        """The features that :meth:`forward` takes, of momenta in GeV."""
        compute = momentum_components if self.recipe == "paper" else symmetric_features
        return compute(visible, missing_momentum, topology=find_topology(self.topology))

    def standardise(self, features: Float[Tensor, "event arrangement feature"]) -> None:
        """Set mean and deviation of the features from a sample; constant features are ignored from then on.

        The recipe ``paper`` does not standardise.
        """
        if self.recipe == "improved":
            deviation = features.std(dim=(0, 1))
            self.mean.copy_(features.mean(dim=(0, 1)))
            self.deviation.copy_(torch.where(deviation < CONSTANT, torch.inf, deviation))

    def forward(self, features: Float[Tensor, "event arrangement feature"]) -> Float[Tensor, "event d"]:
        """V, dimensionless."""
        scaled = ((features - self.mean) / self.deviation).clamp(-FARTHEST, FARTHEST)
        value: Tensor = self.layers(scaled)
        if self.linear is not None:
            value = value + self.linear(scaled)
        return value.mean(dim=1)

    def in_gev(self, variable: Float[Tensor, "event 1"]) -> Float[Tensor, " event"]:
        """V in GeV: linear between the points of the calibration, and with their mean slope beyond them.

        V is returned unchanged where there is no calibration.
        """
        value, (x, y) = variable[:, 0].contiguous(), self.knots
        if self.knots.isnan().any():
            return value
        inside = value.clamp(x[0], x[-1])
        right = torch.searchsorted(x, inside.detach()).clamp(1, len(x) - 1)
        slope = (y[right] - y[right - 1]) / (x[right] - x[right - 1])
        beyond = (value - inside) * (y[-1] - y[0]) / (x[-1] - x[0])
        return y[right - 1] + slope * (inside - x[right - 1]) + beyond

    @torch.no_grad()
    def flip(self) -> None:
        """Change the sign of V, and of the weights of the classifier that read it."""
        last = [self.layers[-1]] if self.linear is None else [self.layers[-1], self.linear]
        for parameter in (parameter for layer in last for parameter in layer.parameters()):
            parameter.neg_()
        first = next(self.classifier.parameters())
        first[:, : self.dimensions].neg_()


@runtime_checkable
class Variable(Protocol):
    """A network that computes a variable and has a classifier."""

    classifier: RatioEstimator

    def __call__(self, inputs: Tensor, /) -> Tensor:
        """The variable."""


def loss_of_labelled(network: Variable, inputs: Tensor, theta: Tensor, label: Tensor) -> Tensor:
    """Binary cross entropy of events with their own Θ (label 1) or that of another event (label 0)."""
    return binary_cross_entropy_with_logits(network.classifier(network(inputs), theta), label)


def loss_of_pairs(network: Variable, inputs: Tensor, theta: Tensor, *, fakes: int = 8) -> Tensor:
    """Binary cross entropy of every event with its own Θ, and with those of ``fakes`` others of the minibatch.

    Both classes have the same weight. Each event is in both, which makes the loss fluctuate less.
    """
    variable = network(inputs)
    others = torch.stack([theta.roll(shift, dims=0) for shift in range(1, fakes + 1)])
    own = network.classifier(variable, theta)
    other = network.classifier(variable.expand(fakes, *variable.shape), others)
    return (softplus(-own).mean() + softplus(other).mean()) / 2


def _dense(sizes: Sequence[int], activation: type[nn.Module]) -> nn.Sequential:
    """Dense layers with Glorot initialisation and biases of zero."""
    layers: list[nn.Module] = []
    for before, after in pairwise(sizes):
        linear = nn.Linear(before, after)
        nn.init.xavier_uniform_(linear.weight)
        nn.init.zeros_(linear.bias)
        layers += [linear, activation()]
    return nn.Sequential(*layers[:-1])
