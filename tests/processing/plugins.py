"""Reconstructors that misbehave on purpose."""

import os
import signal
from dataclasses import dataclass
from pathlib import Path

import torch

from hepreco import Column, InputSpec, ObjectSpec, Reconstructor
from hepreco.plugin import Axis


@dataclass(frozen=True)
class ScalarSum(Reconstructor):
    """H_T, with a chosen fault in the chunk that holds a chosen event."""

    fault: str = "none"
    event: int = -1
    marker: str = ""

    @property
    def inputs(self):
        return InputSpec((ObjectSpec("Jet", ("pt > 30",), at_least=1),))

    @property
    def outputs(self):
        return (Column("ht", unit="GeV", axis=Axis(50, 0.0, 1000.0)), Column("leading", "index"))

    def reconstruct(self, batch):
        if (batch.event_id[:, 2] == self.event).any():
            self._fail()
        return {"ht": batch.momenta[..., 1:3].norm(dim=-1).sum(dim=1), "leading": batch.index[:, 0]}

    def _fail(self):
        match self.fault:
            case "raise":
                raise FileNotFoundError("a file that the plugin wants")
            case "infinite":
                return torch.tensor(torch.inf)
            case "kill":
                os.kill(os.getpid(), signal.SIGKILL)
            case "kill once":
                if not Path(self.marker).exists():
                    Path(self.marker).touch()
                    os.kill(os.getpid(), signal.SIGKILL)
