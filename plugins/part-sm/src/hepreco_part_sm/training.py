"""How a model learns: losses, class weights, the fit, and the temperature that calibrates it."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Final, NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from hepreco.plugin import TrainingOptions
from hepreco.training import FitResult, fit, initialised
from hepreco_part_sm.models import Size, build_member, find_model
from hepreco_part_sm.particles import Particles
from hepreco_part_sm.trees import grow

#: Of the focal loss: the weight of the signal, and the exponent.
FOCAL_ALPHA, FOCAL_GAMMA = 0.75, 3.0
Report = Callable[[int, Mapping[str, float]], None]
_TEMPERATURES: Final = (0.05, 20.0)


class Labelled(NamedTuple):
    """Events whose class is known, in single precision."""

    momenta: Float[Tensor, "event object 4"]
    kinds: Int[Tensor, "event object"]
    missing_momentum: Float[Tensor, "event 2"]
    label: Int[Tensor, " event"]
    weight: Float[Tensor, " event"]

    @property
    def particles(self) -> Particles:
        """What the models are given."""
        return Particles(self.momenta, self.kinds, self.missing_momentum)


def balanced(label: Int[Tensor, " event"], weight: Float[Tensor, " event"]) -> Float[Tensor, " event"]:
    """Weights with a mean of 1, and the same sum in every class that has events."""
    sums = torch.zeros(int(label.max()) + 1, dtype=weight.dtype).scatter_add(0, label, weight)
    return weight / sums[label] * len(label) / (sums > 0).sum()


def cross_entropy(network: nn.Module, *tensors: Tensor) -> Tensor:
    """Mean of −w ln p of the true class."""
    events = Labelled(*tensors)
    losses = nn.functional.cross_entropy(network(events.particles.trimmed()), events.label, reduction="none")
    return (events.weight * losses).mean()


def focal(network: nn.Module, *tensors: Tensor) -> Tensor:
    r"""Mean of :math:`-w\, α_t (1 - p_t)^γ \ln p_t`, with α for class 0, the signal, and 1 − α for all others.

    References
    ----------
    Lin et al., arXiv:1708.02002.
    """
    events = Labelled(*tensors)
    logarithm = -nn.functional.cross_entropy(network(events.particles.trimmed()), events.label, reduction="none")
    alpha = torch.where(events.label == 0, FOCAL_ALPHA, 1 - FOCAL_ALPHA)
    return -(events.weight * alpha * (1 - logarithm.exp()) ** FOCAL_GAMMA * logarithm).mean()


def train_member(
    name: str,
    *,
    size: Size,
    classes: int,
    training: Labelled,
    validation: Labelled,
    options: TrainingOptions,
    report: Report,
) -> tuple[nn.Module, FitResult]:
    """One member of a classifier, in evaluation mode, and how it was trained."""
    model = find_model(name)
    if model.backbone == "trees":
        return grow(training, validation, pairs=model.pairs, classes=classes, options=options, report=report)
    network = initialised(lambda: build_member(name, size=size, outputs=classes), seed=options.seed)
    result = fit(
        network,
        focal if model.focal else cross_entropy,
        training=training,
        validation=validation,
        options=options,
        report=report,
        fixed_shapes=False,
    )
    return network.cpu(), result


def train_members(
    name: str,
    *,
    size: Size,
    classes: int,
    members: int,
    training: Labelled,
    validation: Labelled,
    options: TrainingOptions,
    report: Report,
) -> list[tuple[nn.Module, FitResult]]:
    """Members with seeds from ``options.seed`` upwards; each has a checkpoint of its own."""
    trained: list[tuple[nn.Module, FitResult]] = []
    for number in range(members):
        own = replace(
            options,
            seed=options.seed + number,
            resume_from=options.resume_from / f"member-{number}" if options.resume_from else None,
        )
        done = sum(result.epochs for _, result in trained)
        trained.append(
            train_member(
                name,
                size=size,
                classes=classes,
                training=training,
                validation=validation,
                options=own,
                report=_counted_from(done, report),
            )
        )
    return trained


@torch.no_grad()
def temperature(network: nn.Module, events: Labelled, *, batch_size: int = 1000) -> float:
    """The T for which softmax(logits/T) has the largest likelihood.

    References
    ----------
    Guo et al., On calibration of modern neural networks, arXiv:1706.04599.
    """
    logits = torch.cat(
        [
            network(Labelled(*(tensor[start : start + batch_size] for tensor in events)).particles.trimmed())
            for start in range(0, len(events.label), batch_size)
        ]
    ).double()

    def loss(logarithm: Float[Tensor, " trial"]) -> Float[Tensor, " trial"]:
        scaled = logits[:, None] / logarithm.exp()[:, None]
        losses = nn.functional.cross_entropy(
            scaled.flatten(end_dim=1), events.label.repeat_interleave(len(logarithm)), reduction="none"
        )
        return (events.weight[:, None] * losses.view(-1, len(logarithm))).mean(dim=0)

    low, high = (torch.tensor(value, dtype=torch.float64).log() for value in _TEMPERATURES)
    for _ in range(6):  # the loss is convex in 1/T: a grid around the best is refined
        grid = torch.linspace(float(low), float(high), 21, dtype=torch.float64)
        best = int(loss(grid).argmin())
        low, high = grid[max(best - 1, 0)], grid[min(best + 1, 20)]
    return float(((low + high) / 2).exp())


def _counted_from(done: int, report: Report) -> Report:
    """Epochs go on from those of the members before."""

    def counted(epoch: int, losses: Mapping[str, float]) -> None:
        report(done + epoch, losses)

    return counted
