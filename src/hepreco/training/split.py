"""Splits events into training and validation samples."""

import torch
from jaxtyping import Bool, Int
from torch import Tensor

from hepreco.errors import ConfigError
from hepreco.events import EventBatch, uniform_hash


def split(batch: EventBatch, *, fraction: float, seed: int) -> tuple[EventBatch, EventBatch]:
    """The events for training and those for validation.

    The sample of an event depends only on the seed and on its run, luminosity block and event number, not on other
    events or on the order of files. The fraction is therefore met within statistics, and copies of an event are in the
    same sample.

    Parameters
    ----------
    batch
        The events.
    fraction
        Fraction of events for validation.
    seed
        Different seeds give independent splits.

    Raises
    ------
    ConfigError
        The fraction is not between 0 and 1.
    """
    if not 0 < fraction < 1:
        raise ConfigError(f"validation_fraction = {fraction}", "give a number between 0 and 1, for example 0.1")
    validating = for_validation(batch.event_id, fraction=fraction, seed=seed)
    return batch[~validating], batch[validating]


def for_validation(event_id: Int[Tensor, "event 3"], *, fraction: float, seed: int) -> Bool[Tensor, " event"]:
    """Whether each event's hash, uniform in [0, 1), falls below the fraction."""
    uniform = uniform_hash(event_id.cpu().numpy().T, seed=seed)
    return torch.from_numpy(uniform < fraction).to(event_id.device)
