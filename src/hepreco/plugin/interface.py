"""The contract of a reconstructor, which the author of a plugin implements."""

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

#: What a plugin is trained on: events of one kind, classes of events, or events that it generates itself.
TrainsOn = Literal["events", "classes", "generated"]
#: Called after every epoch with its number, counted from 1, and its losses by name.
Report = Callable[[int, Mapping[str, float]], None]
#: The range of an option, for the command line.
_COUNT: Final = {"min": 1}


@dataclass(frozen=True)
class Reconstructor(ABC):
    """Computes columns for every event.

    A subclass is a final, frozen dataclass whose fields are its options. These are plain values, since the plugin is
    built on the driver, pickled to the workers, compared and hashed. It holds no tensors; weights come from
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
        """The objects of NanoAOD that the plugin reads."""

    @property
    @abstractmethod
    def outputs(self) -> tuple[Column, ...]:
        """The columns that it computes."""

    @property
    def weights(self) -> Path | None:
        """The directory or file of its trained weights, whose hash enters every result; ``None`` for none."""
        return None

    @classmethod
    def examples(cls) -> tuple["Reconstructor", ...]:
        """Further option sets that ``hepreco plugins check`` tries after the defaults.

        Give one for each mode of the plugin, for example ``(cls(channel="lepton+jets"),)``.
        """
        return ()

    def setup(self, device: str) -> None:  # noqa: B027  optional to override
        """Load weights, so that errors occur early; called once per worker process, before the first chunk."""

    @abstractmethod
    def reconstruct(self, batch: EventBatch) -> Mapping[str, Tensor]:
        """Compute the columns.

        The answer for an event must not depend on other events, on padding, or on the order of its objects. Events that
        lack the required objects are not in the batch. Returns one tensor per column of :attr:`outputs`, on the batch's
        device:

        - a scalar ``(event,)``, an index ``(event,)`` (int64), a four-vector ``(event, 4)``, components
          (E, px, py, pz) in GeV;
        - with ``per=k`` one more axis of length k after the event, with ``per="Jet"`` one entry per slot of that
          collection.

        NaN means that there is no answer (−1 for an index); infinities are errors.
        """


@dataclass(frozen=True)
class TrainingOptions:
    """Options of training, for every trainable plugin and for ``hepreco train``.

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
        Training stops after this number of epochs without a lower validation loss.
    validation_fraction
        The fraction of events that is kept out of training to measure the validation loss.
    seed
        The seed of initialisation, split and shuffling.
    device
        Where to train: cpu or cuda.
    resume_from
        Directory of the running checkpoint, which is written every epoch; training continues from it if it exists.
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
    """The result of training: parameters, the options that build the network, metrics, and losses by epoch."""

    tensors: Mapping[str, Tensor]
    network: Mapping[str, Option]
    metrics: Mapping[str, float]
    history: Mapping[str, list[float]] = field(default_factory=dict)


class Trainable(ABC):
    """A reconstructor that ``hepreco train`` can train.

    The class variable :attr:`trains_on` states which samples :meth:`train` gets. Events are read through the plugin's
    own :attr:`Reconstructor.inputs`.
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
            With ``trains_on = "events"`` the single entry ``events``; with ``"classes"`` a batch for every class, by
            its name; with ``"generated"`` nothing, since the plugin generates its events from ``options.seed``.
        options
            How to train.
        report
            Called after every epoch.
        """
