"""Randomness of networks: torch draws it from generators of its own, which are seeded here and put back."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

import torch
from torch import nn

Network = TypeVar("Network", bound=nn.Module)


@contextmanager
def seeded(seed: int, *, device: str | torch.device = "cpu") -> Iterator[None]:
    """Seed torch's generators of the CPU and of ``device`` for a block, and leave them as they were.

    Example
    -------
    >>> with seeded(1):
    ...     first = torch.rand(3)
    >>> with seeded(1):
    ...     again = torch.rand(3)
    >>> torch.equal(first, again)
    True
    """
    device = torch.device(device)
    if device.type != "cuda":
        with torch.random.fork_rng(devices=[]):
            torch.default_generator.manual_seed(seed)
            yield
        return
    index = torch.cuda.current_device() if device.index is None else device.index
    with torch.random.fork_rng(devices=[index]):
        torch.default_generator.manual_seed(seed)
        torch.cuda.default_generators[index].manual_seed(seed)
        yield


def initialised(build: Callable[[], Network], *, seed: int) -> Network:
    """The network that ``build`` makes, its parameters drawn from ``seed`` on the CPU.

    Example
    -------
    >>> first, again = (initialised(lambda: nn.Linear(2, 1), seed=1) for _ in range(2))
    >>> torch.equal(first.weight, again.weight)
    True
    """
    with seeded(seed):
        return build()
