"""The contract of a reconstructor: the one thing that the author of a plugin implements."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar, Final, Literal, get_args

from torch import Tensor

from hepreco.errors import ConfigError, PluginError
from hepreco.events import EventBatch, InputSpec
from hepreco.plugin.columns import Column
from hepreco.weights.card import Option

#: What a plugin is trained on: events of one kind, classes of events, or events that it generates by itself.
TrainsOn = Literal["events", "classes", "generated"]
#: Called after every epoch with its number, counted from 1, and the losses that it reached by name.
Report = Callable[[int, Mapping[str, float]], None]
#: What the command line says of the range of an option.
_COUNT: Final = {"min": 1}


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
    """How to train: what every trainable plugin understands, and ``hepreco train`` takes.

    Parameters
    ----------
    epochs
        The largest number of passes over the training sample.
    batch_size
        Events per optimiser step.
    learning_rate
        The step size of Adam.
    schedule
        A constant learning rate, or one that falls to zero over the epochs (cosine).
    patience
        Training stops after that many epochs without a lower validation loss.
    validation_fraction
        The part of the events that is kept out of training to measure the validation loss.
    seed
        What initialisation, split and shuffling are drawn from.
    device
        Where to train: cpu or cuda.
    resume_from
        Directory of the running checkpoint: written every epoch, continued from where it exists.
    """

    epochs: int = field(default=200, metadata=_COUNT)
    batch_size: int = field(default=512, metadata=_COUNT)
    learning_rate: float = field(default=1e-3, metadata={"min": 0, "min_open": True})
    schedule: Literal["constant", "cosine"] = "constant"
    patience: int = field(default=20, metadata=_COUNT)
    validation_fraction: float = field(default=0.1, metadata={"min": 0, "max": 1, "min_open": True, "max_open": True})
    seed: int = 1
    device: str = "cpu"
    resume_from: Path | None = None

    def __post_init__(self) -> None:
        if min(self.epochs, self.batch_size, self.patience) < 1 or not self.learning_rate > 0:
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
    """A reconstructor whose weights ``hepreco train`` can make.

    Its class variable :attr:`trains_on` states what :meth:`train` is given. Events are read through the plugin's own
    :attr:`Reconstructor.inputs`.
    """

    trains_on: ClassVar[TrainsOn] = "events"

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        if cls.trains_on not in get_args(TrainsOn):
            raise PluginError(
                f"{cls.__qualname__} trains on {cls.trains_on!r}", f"choose one of {', '.join(get_args(TrainsOn))}"
            )

    @abstractmethod
    def train(self, samples: Mapping[str, EventBatch], options: TrainingOptions, *, report: Report) -> TrainedNetwork:
        """Train the network.

        Parameters
        ----------
        samples
            With ``trains_on = "events"`` the one entry ``events``; with ``"classes"`` a batch for every class by its
            name; with ``"generated"`` nothing, since the plugin generates its events from ``options.seed``.
        options
            How to train.
        report
            Called after every epoch.
        """
