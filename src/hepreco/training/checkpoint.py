"""The running checkpoint on disk; a fit resumed from it gives the same result as one without interruption."""

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Final

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor, nn

from hepreco.errors import WeightsError
from hepreco.plugin import TrainingOptions
from hepreco.training.result import FitResult, copied

#: A single file, so that it is replaced as a whole: tensors, with the rest as JSON in the header.
FILE: Final = "checkpoint.safetensors"
#: Options that may change between interruption and resumption.
_FREE: Final = ("epochs", "resume_from")
_HASHED: Final = ("network", "sample")


@dataclass(frozen=True)
class Checkpoint:
    """The state of a fit between two epochs, on the CPU.

    Parameters
    ----------
    progress
        The losses so far and the best parameters.
    network
        State of the network.
    optimizer
        State of the optimiser, under ``<position of the parameter>/<name>``.
    generator
        State of the generator that shuffles the events.
    """

    progress: FitResult
    network: dict[str, Tensor]
    optimizer: dict[str, Tensor]
    generator: Tensor

    @classmethod
    def take(
        cls, progress: FitResult, network: nn.Module, optimizer: torch.optim.Optimizer, generator: torch.Generator
    ) -> "Checkpoint":
        """The state after the epochs of ``progress``."""
        moments = {
            f"{position}/{name}": value
            for position, state in optimizer.state_dict()["state"].items()
            for name, value in state.items()
        }
        return cls(progress, copied(network.state_dict()), copied(moments), generator.get_state())

    def restore(self, network: nn.Module, optimizer: torch.optim.Optimizer, generator: torch.Generator) -> FitResult:
        """Restore network, optimiser and generator; returns the progress."""
        network.load_state_dict(self.network)
        moments: dict[int, dict[str, Tensor]] = {}
        for key, value in self.optimizer.items():
            position, _, name = key.partition("/")
            moments.setdefault(int(position), {})[name] = value
        optimizer.load_state_dict({**optimizer.state_dict(), "state": moments})
        generator.set_state(self.generator)
        return self.progress


def identity(network: nn.Module, sample: Sequence[Tensor], options: TrainingOptions) -> dict[str, str]:
    """The identity of a training: options, and hashes of architecture and sample."""
    named = {name: str(value) for name, value in vars(options).items() if name not in _FREE}
    shapes = [(name, tuple(tensor.shape), str(tensor.dtype)) for name, tensor in network.state_dict().items()]
    events = sha256()
    for tensor in sample:
        events.update(f"{tuple(tensor.shape)} {tensor.dtype}".encode())
        events.update(tensor.detach().cpu().contiguous().numpy().tobytes())
    return {
        **named,
        "network": sha256(f"{network!r} {shapes}".encode()).hexdigest(),
        "sample": events.hexdigest(),
    }


def write_checkpoint(directory: Path, checkpoint: Checkpoint, *, belongs_to: Mapping[str, str]) -> None:
    """Replace the directory's checkpoint atomically."""
    progress = checkpoint.progress
    groups = {"network": checkpoint.network, "best": progress.best, "optimizer": checkpoint.optimizer}
    tensors = {f"{group}/{name}": tensor for group, held in groups.items() for name, tensor in held.items()}
    header = {
        "belongs_to": dict(belongs_to),
        "best_epoch": progress.best_epoch,
        "training_loss": progress.training_loss,
        "validation_loss": progress.validation_loss,
    }
    data = save({**tensors, "generator": checkpoint.generator}, metadata={"fit": json.dumps(header)})
    directory.mkdir(parents=True, exist_ok=True)
    partial = directory / f"{FILE}.{os.getpid()}"
    with partial.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    partial.replace(directory / FILE)


def read_checkpoint(directory: Path, *, belongs_to: Mapping[str, str], epochs: int) -> Checkpoint | None:
    """The directory's checkpoint; ``None`` if there is none.

    Raises
    ------
    WeightsError
        The checkpoint cannot be read, belongs to another training, or has more epochs than requested.
    """
    path = directory / FILE
    if not path.exists():
        return None
    remedy = f"remove {path} to train anew, or choose another directory"
    try:
        with safe_open(path, framework="pt") as file:
            header = json.loads(file.metadata()["fit"])
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118  not a mapping
            groups = {group: _group(tensors, group) for group in ("network", "best", "optimizer")}
            progress = FitResult(
                tuple(header["training_loss"]), tuple(header["validation_loss"]), header["best_epoch"], groups["best"]
            )
            checkpoint = Checkpoint(progress, groups["network"], groups["optimizer"], tensors["generator"])
    except (OSError, SafetensorError, KeyError, TypeError, ValueError) as error:
        raise WeightsError(f"{path} is not a training checkpoint: {error}", remedy) from None
    _check_owner(path, header["belongs_to"], belongs_to, remedy=remedy)
    if progress.epochs > epochs:
        raise WeightsError(f"{path} has done {progress.epochs} epochs, {epochs} are asked for", remedy)
    return checkpoint


def _check_owner(path: Path, found: Mapping[str, str], expected: Mapping[str, str], *, remedy: str) -> None:
    different = [
        f"another {name}" if name in _HASHED else f"{name} {found.get(name)}, not {expected.get(name)}"
        for name in sorted(found.keys() | expected.keys())
        if found.get(name) != expected.get(name)
    ]
    if different:
        raise WeightsError(f"{path} belongs to another training: it has {'; '.join(different)}", remedy)


def _group(tensors: Mapping[str, Tensor], group: str) -> dict[str, Tensor]:
    return {name.removeprefix(f"{group}/"): tensor for name, tensor in tensors.items() if name.startswith(f"{group}/")}
