"""Seeds torch's own generators, and restores them."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

import torch
from torch import nn

Network = TypeVar("Network", bound=nn.Module)


@contextmanager
def seeded(seed: int, *, device: str | torch.device = "cpu") -> Iterator[None]:
    """Seed torch's generators of the CPU and of ``device`` for a block, and restore them afterwards.

    Example
    -------
    >>> with seeded(1):
    ...     first = torch.rand(3)
    >>> with seeded(1):
    ...     again = torch.rand(3)
    >>> torch.equal(first, again)
    True
    """
    ordinal = torch.empty(0, device=device).get_device()  # -1 on the CPU
    cards = [ordinal] if ordinal >= 0 else []
    with torch.random.fork_rng(devices=cards):
        torch.default_generator.manual_seed(seed)
        for card in cards:
            torch.cuda.default_generators[card].manual_seed(seed)
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
