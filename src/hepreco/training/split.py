"""Splits events into training and validation samples."""

import numpy as np
import torch
from jaxtyping import Bool, Int
from numpy.typing import NDArray
from torch import Tensor

from hepreco.errors import ConfigError
from hepreco.events import EventBatch


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
    key = np.full(len(event_id), seed, dtype=np.int64).view(np.uint64)
    for number in event_id.cpu().numpy().T:
        key = _mixed(key) ^ np.ascontiguousarray(number).view(np.uint64)
    uniform = (_mixed(key) >> np.uint64(11)).astype(np.float64) * 2.0**-53
    return torch.from_numpy(uniform < fraction).to(event_id.device)


def _mixed(key: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """SplitMix64: every bit of the result depends on every bit of the key, modulo 2⁶⁴.

    References
    ----------
    G. L. Steele, D. Lea, C. H. Flood, Fast splittable pseudorandom number generators, OOPSLA 2014.
    """
    key = key + np.uint64(0x9E3779B97F4A7C15)
    key = (key ^ (key >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    key = (key ^ (key >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return key ^ (key >> np.uint64(31))
