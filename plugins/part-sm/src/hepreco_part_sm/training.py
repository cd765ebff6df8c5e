"""Training of models: losses, class weights, fits and calibration."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from math import log
from typing import NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from hepreco.plugin import Report, TrainingOptions
from hepreco.training import FitResult, fit, initialised
from hepreco_part_sm.labelled import Labelled
from hepreco_part_sm.models import Size, build_member, find_model
from hepreco_part_sm.trees import grow

#: Weight of the signal and exponent of the focal loss.
FOCAL_ALPHA, FOCAL_GAMMA = 0.75, 3.0


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
    """Train one member of a classifier; returns it in evaluation mode, with the result of its fit."""
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
    """Train members with seeds from ``options.seed`` upwards, each with its own checkpoint."""
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


class Calibration(NamedTuple):
    """The parameters of probabilities softmax(logits/T + offset).

    Parameters
    ----------
    temperature
        The temperature T.
    offset
        One number per class.
    """

    temperature: Float[Tensor, ""]
    offset: Float[Tensor, " class"]


def calibrate(members: Sequence[nn.Module], events: Labelled, *, batch_size: int = 1000) -> Calibration:
    """The calibration for which the mean probability of the members has the largest likelihood.

    The mean of individually calibrated members would be underconfident. ln T and the offsets have a normal prior of
    width 1, which keeps them bounded if there are few events, or none of a class.

    References
    ----------
    Guo et al., On calibration of modern neural networks, arXiv:1706.04599; Alexandari et al., arXiv:1901.06852, for the
    offsets; Rahaman, Thiery, Uncertainty quantification and deep ensembles, arXiv:2007.08792, for the mean.
    """
    parts = [
        Labelled(*(tensor[start : start + batch_size] for tensor in events)).particles.trimmed()
        for start in range(0, len(events.label), batch_size)
    ]
    with torch.no_grad():
        logits = torch.stack([torch.cat([member(part) for part in parts]) for member in members], dim=1).double()
    parameters = torch.zeros(1 + logits.shape[-1], dtype=torch.float64, requires_grad=True)
    optimizer = torch.optim.LBFGS([parameters], max_iter=200, tolerance_grad=1e-8, line_search_fn="strong_wolfe")

    def loss() -> Tensor:
        optimizer.zero_grad()
        scaled = logits * (-parameters[0]).exp() + parameters[1:]
        mean = torch.log_softmax(scaled, dim=-1).logsumexp(dim=1) - log(len(members))
        losses = events.weight * nn.functional.nll_loss(mean, events.label, reduction="none")
        value = (losses.sum() + parameters.square().sum() / 2) / len(losses)
        value.backward()
        return value

    optimizer.step(loss)
    found = parameters.detach()
    return Calibration(found[0].exp(), found[1:])


def _counted_from(done: int, report: Report) -> Report:
    """A report that counts epochs on from those of earlier members."""

    def counted(epoch: int, losses: Mapping[str, float]) -> None:
        report(done + epoch, losses)

    return counted
