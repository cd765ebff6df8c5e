"""A fit between two epochs: everything that the next one depends on."""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from hepreco.training.result import FitResult, copied


@dataclass(frozen=True)
class Snapshot:
    """The state of a fit, on the CPU.

    Parameters
    ----------
    progress
        The losses so far and the best parameters.
    network
        State of the network.
    optimizer
        State of the optimiser, under ``<position of the parameter>/<name>``.
    generator
        State of the generator that shuffles.
    """

    progress: FitResult
    network: dict[str, Tensor]
    optimizer: dict[str, Tensor]
    generator: Tensor

    @classmethod
    def take(
        cls, progress: FitResult, network: nn.Module, optimizer: torch.optim.Optimizer, generator: torch.Generator
    ) -> "Snapshot":
        """The state after the epochs of ``progress``."""
        moments = {
            f"{position}/{name}": value
            for position, state in optimizer.state_dict()["state"].items()
            for name, value in state.items()
        }
        return cls(progress, copied(network.state_dict()), copied(moments), generator.get_state())

    def restore(self, network: nn.Module, optimizer: torch.optim.Optimizer, generator: torch.Generator) -> FitResult:
        """Put network, optimiser and generator into this state; returns the progress."""
        network.load_state_dict(self.network)
        moments: dict[int, dict[str, Tensor]] = {}
        for key, value in self.optimizer.items():
            position, _, name = key.partition("/")
            moments.setdefault(int(position), {})[name] = value
        optimizer.load_state_dict({**optimizer.state_dict(), "state": moments})
        generator.set_state(self.generator)
        return self.progress
