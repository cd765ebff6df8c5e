"""Minimises a loss over a sample, with early stopping."""

import math
from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn

from hepreco.errors import DatasetError, HepRecoError
from hepreco.plugin import Report, TrainingOptions
from hepreco.training.epochs import train_by_epochs
from hepreco.training.recording import descend_recorded
from hepreco.training.result import FitResult
from hepreco.training.seeding import seeded

#: ``loss(network, *tensors)``: the mean over the events of a minibatch, a scalar.
Loss = Callable[..., Tensor]


def fit(
    network: nn.Module,
    loss: Loss,
    *,
    training: Sequence[Tensor],
    validation: Sequence[Tensor],
    options: TrainingOptions,
    report: Report = lambda _epoch, _losses: None,
    fixed_shapes: bool = True,
) -> FitResult:
    """Minimise the loss with Adam until the validation loss has not improved for ``options.patience`` epochs.

    All randomness, of shuffling and of dropout, comes from ``options.seed``: one seed gives the same parameters, bit
    for bit, on one kind of machine (on a GPU if the network's operations are deterministic). The same holds for a fit
    that was interrupted and resumed with ``options.resume_from``.

    Parameters
    ----------
    network
        Trained in place; afterwards in evaluation mode, with the parameters of the best epoch.
    loss
        ``loss(network, *tensors)``, the mean over the events of a minibatch.
    training, validation
        One or more tensors each, ``(event, ...)``, which the loss gets minibatch by minibatch.
    options
        How to train. Sizes of minibatches are at most ``batch_size``, and differ by at most one event.
    report
        Called as ``report(epoch, losses)`` after every epoch, counted from 1.
    fixed_shapes
        Whether all shapes in network and loss depend on the shapes of their inputs alone. A step is then recorded once
        on a GPU, and replayed.

    Raises
    ------
    DatasetError
        A sample is empty, or its tensors are of different lengths.
    HepRecoError
        A loss or a gradient is not finite.
    WeightsError
        The checkpoint belongs to another network, sample, or set of options.
    """
    _check_sample(training, name="training")
    _check_sample(validation, name="validation")
    parts = [[tensor.to(options.device) for tensor in sample] for sample in (training, validation)]
    return train_by_epochs(
        network,
        train=lambda optimizer, generator: _train(
            network, loss, parts[0], optimizer, generator, batch_size=options.batch_size, recorded=fixed_shapes
        ),
        validate=lambda: _measure(network, loss, parts[1], batch_size=options.batch_size),
        sample=(*training, *validation),
        options=options,
        report=report,
    )


def _train(
    network: nn.Module,
    loss: Loss,
    sample: Sequence[Tensor],
    optimizer: torch.optim.Optimizer,
    generator: torch.Generator,
    *,
    batch_size: int,
    recorded: bool,
) -> float:
    """Train one epoch; returns the mean loss."""
    network.train()
    device, events = sample[0].device, len(sample[0])
    seed = int(torch.randint(2**62, (), generator=generator))
    order = torch.randperm(events, generator=generator).to(device)

    def gradient(rows: Tensor) -> tuple[Tensor, Tensor]:
        optimizer.zero_grad()
        value = loss(network, *(tensor[rows] for tensor in sample))
        torch.autograd.backward(value)
        norm = torch.nn.utils.get_total_norm([p.grad for p in network.parameters() if p.grad is not None])
        return value.detach() * (len(rows) / events), norm

    minibatches = _minibatches(order, batch_size)
    with seeded(seed, device=device):
        if recorded and device.type == "cuda":
            loss_of_epoch, norm = descend_recorded(minibatches, gradient, optimizer)
            _finite(norm, name="norm of the gradient")
            return _finite(loss_of_epoch, name="training loss")
        total = 0.0
        for rows in minibatches:
            value, norm = gradient(rows)
            total += _finite(value, name="training loss")
            _finite(norm, name="norm of the gradient")
            optimizer.step()
    return total


@torch.no_grad()
def _measure(network: nn.Module, loss: Loss, sample: Sequence[Tensor], *, batch_size: int) -> float:
    """The mean of the loss over a sample, with the network in evaluation mode."""
    network.eval()
    events, total = len(sample[0]), 0.0
    for rows in _minibatches(torch.arange(events, device=sample[0].device), batch_size):
        value = loss(network, *(tensor[rows] for tensor in sample))
        total += _finite(value, name="validation loss") * len(rows) / events
    return total


def _minibatches(order: Tensor, batch_size: int) -> Sequence[Tensor]:
    return order.tensor_split(math.ceil(len(order) / batch_size))


def _finite(value: Tensor, *, name: str) -> float:
    number = value.item()
    if not math.isfinite(number):
        raise HepRecoError(
            f"the {name} is {number}", "check that the inputs are finite and scaled, or lower the learning rate"
        )
    return number


def _check_sample(sample: Sequence[Tensor], *, name: str) -> None:
    lengths = sorted({len(tensor) for tensor in sample})
    if len(lengths) > 1:
        raise DatasetError(f"the {name} tensors have {lengths} events", "give each tensor one row per event")
    if not lengths or lengths[0] == 0:
        raise DatasetError(f"the {name} sample has no events", "give more events, or change validation_fraction")
