"""The loop over epochs, with early stopping, the best epoch, and a checkpoint after every epoch."""

import math
from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn

from hepreco.plugin import Report, TrainingOptions
from hepreco.training.checkpoint import Checkpoint, identity, read_checkpoint, write_checkpoint
from hepreco.training.result import FitResult


def train_by_epochs(
    network: nn.Module,
    *,
    train: Callable[[torch.optim.Optimizer, torch.Generator], float],
    validate: Callable[[], float],
    sample: Sequence[Tensor],
    options: TrainingOptions,
    report: Report = lambda _epoch, _losses: None,
    memory: nn.Module | None = None,
) -> FitResult:
    """Train with Adam until the validation loss has not improved for ``options.patience`` epochs.

    This is for trainings other than the minimisation of a loss over a sample, for which there is
    :func:`~hepreco.training.fit`.

    Parameters
    ----------
    network
        Moved to ``options.device``; afterwards in evaluation mode, with the parameters of the best epoch.
    train
        ``train(optimizer, generator)`` trains one epoch and returns its loss. To be resumed bit for bit, it must draw
        random numbers from this generator and have no state beside network and memory.
    validate
        Returns the validation loss; the lowest is the best.
    sample
        The tensors of the training; a checkpoint for another sample is refused.
    options
        How to train.
    report
        Called as ``report(epoch, losses)`` after every epoch, counted from 1.
    memory
        Further state that is kept from epoch to epoch, as part of the checkpoint.

    Raises
    ------
    WeightsError
        The checkpoint belongs to another network, sample, or set of options.
    """
    state = network if memory is None else nn.ModuleDict({"network": network, "memory": memory})
    state.to(options.device)
    on_gpu = torch.device(options.device).type == "cuda"
    optimizer = torch.optim.Adam(network.parameters(), lr=options.learning_rate, fused=on_gpu, capturable=on_gpu)
    generator = torch.Generator().manual_seed(options.seed)
    directory = options.resume_from
    belongs_to = identity(state, sample, options) if directory else {}
    stored = read_checkpoint(directory, belongs_to=belongs_to, epochs=options.epochs) if directory else None
    progress = stored.restore(state, optimizer, generator) if stored else FitResult()
    while progress.epochs < options.epochs and progress.epochs - progress.best_epoch < options.patience:
        for group in optimizer.param_groups:
            group["lr"] = _learning_rate(options, progress.epochs)
        losses = {"training_loss": train(optimizer, generator), "validation_loss": validate()}
        progress = progress.after(**losses, state=network.state_dict())
        if directory:
            write_checkpoint(directory, Checkpoint.take(progress, state, optimizer, generator), belongs_to=belongs_to)
        report(progress.epochs, losses)
    network.load_state_dict(progress.best)
    network.eval()
    return progress


def _learning_rate(options: TrainingOptions, epoch: int) -> float:
    """The learning rate of an epoch, counted from 0."""
    if options.schedule == "constant":
        return options.learning_rate
    return options.learning_rate * (1 + math.cos(math.pi * epoch / options.epochs)) / 2
