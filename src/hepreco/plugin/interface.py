"""The contract of a reconstructor: the one thing that the author of a plugin implements."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from torch import Tensor

from hepreco.errors import ConfigError
from hepreco.events import EventBatch, InputSpec
from hepreco.plugin.columns import Column
from hepreco.weights.manifest import Option


@dataclass(frozen=True)
class Reconstructor(ABC):
    """Finds out something about every event.

    A subclass is final and a frozen dataclass, whose fields are its options: plain values, built on the driver,
    pickled to the workers, compared and hashed. It holds no tensors; weights come from
    :func:`hepreco.weights.load_network`, which loads them once per process.

    Example
    -------
    >>> import torch
    >>> from hepreco import Column, InputSpec, ObjectSpec
    >>> @dataclass(frozen=True)
    ... class ScalarSum(Reconstructor):
    ...     pt_min: float = 30.0
    ...
    ...     @property
    ...     def inputs(self):
    ...         return InputSpec((ObjectSpec("Jet", where=(f"pt > {self.pt_min}",)),))
    ...
    ...     @property
    ...     def outputs(self):
    ...         return (Column("ht", unit="GeV", label="$H_T$"),)
    ...
    ...     def reconstruct(self, batch):
    ...         pt = torch.hypot(batch.momenta[..., 1], batch.momenta[..., 2])
    ...         return {"ht": torch.where(batch.mask, pt, 0.0).sum(dim=1)}
    >>> ScalarSum(pt_min=25.0).inputs.objects[0].where
    ('pt > 25.0',)
    """

    @property
    @abstractmethod
    def inputs(self) -> InputSpec:
        """Which objects of NanoAOD the plugin reads."""

    @property
    @abstractmethod
    def outputs(self) -> tuple[Column, ...]:
        """Which columns it computes."""

    @property
    def weights(self) -> Path | None:
        """The directory of its trained weights, or a file, whose hash then enters every result; ``None`` for none."""
        return None

    @classmethod
    def examples(cls) -> tuple["Reconstructor", ...]:
        """Further option sets that ``hepreco plugins check`` tries after the defaults.

        One for each way through the plugin, for example ``(cls(channel="lepton+jets"),)``.
        """
        return ()

    def setup(self, device: str) -> None:  # noqa: B027  optional to override
        """Load weights and fail early: called once per worker process, before the first chunk."""

    @abstractmethod
    def reconstruct(self, batch: EventBatch) -> Mapping[str, Tensor]:
        """Compute the columns.

        Pure: the same event gives the same answer whatever its neighbours, the padding, or the order of its objects.
        Events that lack the required objects are not in the batch. Returns one tensor per column of
        :attr:`outputs`, on the batch's device:

        - a scalar ``(event,)``, an index ``(event,)`` (int64), a four-vector ``(event, 4)``, components
          (E, px, py, pz) in GeV;
        - with ``per=k`` one more axis of length k after the event, with ``per="Jet"`` one entry per slot of that
          collection.

        NaN says that there is no answer (−1 for an index); infinities are errors.
        """


@dataclass(frozen=True)
class TrainingOptions:
    """How to train: what every trainable plugin understands.

    Parameters
    ----------
    epochs
        At most that many passes over the training sample.
    batch_size
        Events per optimiser step.
    learning_rate
        Of Adam.
    schedule
        ``constant``, or ``cosine``: the learning rate falls to zero over the epochs.
    patience
        Stop after that many epochs without a lower validation loss.
    validation_fraction
        Of the events, kept out of training to measure the validation loss.
    seed
        Of initialisation, split and shuffling.
    device
        ``cpu`` or ``cuda``.
    resume_from
        Directory of the running checkpoint: written every epoch, continued from where it exists.
    """

    epochs: int = 200
    batch_size: int = 512
    learning_rate: float = 1e-3
    schedule: Literal["constant", "cosine"] = "constant"
    patience: int = 20
    validation_fraction: float = 0.1
    seed: int = 1
    device: str = "cpu"
    resume_from: Path | None = None

    def __post_init__(self) -> None:
        if min(self.epochs, self.batch_size, self.patience) < 1 or self.learning_rate <= 0:
            raise ConfigError(
                f"cannot train with {self}", "give positive epochs, batch size, patience and learning rate"
            )
        if not 0 < self.validation_fraction < 1:
            raise ConfigError(f"a validation fraction of {self.validation_fraction}", "give a number between 0 and 1")


@dataclass(frozen=True)
class TrainedNetwork:
    """What training hands back: parameters, the options that build the network, and what it reached."""

    tensors: Mapping[str, Tensor]
    network: Mapping[str, Option]
    metrics: Mapping[str, float]
    history: Mapping[str, list[float]] = field(default_factory=dict)


class Trainable(ABC):
    """A reconstructor whose weights ``hepreco train`` can make."""

    @abstractmethod
    def train(
        self, samples: EventBatch, options: TrainingOptions, *, report: Callable[[int, Mapping[str, float]], None]
    ) -> TrainedNetwork:
        """Train on a batch read through the plugin's own :attr:`Reconstructor.inputs`.

        ``report(epoch, losses)`` is called after every epoch.
        """


class SupervisedTrainable(ABC):
    """A reconstructor that learns from events of known classes to tell them apart."""

    @abstractmethod
    def train(
        self,
        samples: Mapping[str, EventBatch],
        options: TrainingOptions,
        *,
        report: Callable[[int, Mapping[str, float]], None],
    ) -> TrainedNetwork:
        """Train on one batch per class, read through the plugin's own :attr:`Reconstructor.inputs`.

        ``report(epoch, losses)`` is called after every epoch.
        """


class SelfTrainable(ABC):
    """A reconstructor that makes the events that ``hepreco train`` trains it on."""

    @abstractmethod
    def train(self, options: TrainingOptions, *, report: Callable[[int, Mapping[str, float]], None]) -> TrainedNetwork:
        """Generate events from ``options.seed`` and train on them.

        ``report(epoch, losses)`` is called after every epoch.
        """
