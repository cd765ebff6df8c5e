"""Description of the columns that a plugin computes."""

from dataclasses import dataclass
from enum import IntEnum
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray

from hepreco.errors import ConfigError
from hepreco.events import EventBatch, InputSpec
from hepreco.names import check_field

#: The field of every plugin's record that holds a :class:`Reason`.
REASON: Final = "reason"
#: Most bins of an axis: a histogram stores sixteen bytes per bin, dataset and variation.
MOST_BINS: Final = 1_000_000


class Reason(IntEnum):
    """Whether a plugin answered for an event, or why not: the field ``reason`` of the plugin's record."""

    ANSWERED = 0
    #: The event has fewer objects than the plugin's ``at_least``, and was not passed to it.
    TOO_FEW_OBJECTS = 1
    #: The plugin returned NaN in all its floating-point columns.
    NO_ANSWER = 2


@dataclass(frozen=True)
class Axis:
    """Binning of a histogram axis.

    Parameters
    ----------
    bins
        Number of bins, at most a million.
    start, stop
        Lower and upper end.
    spacing
        ``linear``, or ``log``: bins of equal ratio.
    closed
        Whether a value of exactly ``stop`` is counted in the last bin (as for scores) or in the overflow (as for a pt
        or a count). By default it is counted in the last bin if the axis is linear from 0 or −1 to 1.

    Example
    -------
    >>> Axis(1000, 0.0, 1.0).includes_stop, Axis(50, 0.0, 500.0).includes_stop
    (True, False)
    """

    bins: int
    start: float
    stop: float
    spacing: Literal["linear", "log"] = "linear"
    closed: bool | None = None

    def __post_init__(self) -> None:
        said = f"no histogram axis has {self.bins} bins from {self.start} to {self.stop} ({self.spacing})"
        if not (self.bins >= 1 and self.start < self.stop and np.isfinite(self.stop - self.start)):
            raise ConfigError(said, "give at least one bin, and finite numbers with start < stop")
        if self.spacing == "log" and self.start <= 0:
            raise ConfigError(said, "give start > 0 for log spacing")
        if self.bins > MOST_BINS:
            raise ConfigError(
                said, f"give at most {MOST_BINS} bins: every one takes memory for each dataset and variation"
            )
        if not (np.diff(self.edges) > 0).all():
            raise ConfigError(f"{said}: the bins are narrower than the rounding of numbers", "give fewer bins")

    @property
    def edges(self) -> NDArray[np.float64]:
        """The edges of the bins."""
        space = np.geomspace if self.spacing == "log" else np.linspace
        return space(self.start, self.stop, self.bins + 1)

    @property
    def includes_stop(self) -> bool:
        """Whether a value of exactly ``stop`` belongs to the last bin."""
        if self.closed is not None:
            return self.closed
        return self.spacing == "linear" and self.stop == 1 and self.start in (0, -1)


@dataclass(frozen=True)
class Column:
    """One output of a plugin.

    Parameters
    ----------
    name
        Field name under ``events.<plugin>``.
    kind
        ``scalar``; ``index``, a position in an original NanoAOD collection, −1 for none; or ``four-vector``.
    per
        ``None`` for one value per event, an integer for that number of values per event, or the name of an input
        collection for one value per object, attached parallel to the original collection.
    unit
        ``GeV``, ``rad``, ``GeV^2`` or empty. A four-vector is in GeV.
    label
        Axis label in figures, with LaTeX between dollar signs.
    axis
        Default binning of the value, or of a four-vector's mass; ``None`` for no histogram. A score for ROC curves
        needs about a thousand bins.
    of
        The collection that an index points into, for example ``Jet``; by default the only collection that the plugin
        reads.
    """

    name: str
    kind: Literal["scalar", "index", "four-vector"] = "scalar"
    per: int | str | None = None
    unit: Literal["", "GeV", "GeV^2", "rad"] = ""
    label: str = ""
    axis: Axis | None = None
    of: str | None = None

    def __post_init__(self) -> None:
        check_field(self.name, what="a column")
        if self.name == REASON:
            raise ConfigError(f"a column is named {REASON!r}", "name it otherwise: hepreco fills that field itself")
        if isinstance(self.per, str) and self.kind != "scalar":
            raise ConfigError(f"column {self.name!r} holds one {self.kind} per object", "give it per=None or a number")
        if self.of is not None and self.kind != "index":
            raise ConfigError(
                f"column {self.name!r} is a {self.kind} of {self.of!r}", "only an index points into a collection"
            )

    def collection(self, inputs: InputSpec) -> str | None:
        """The collection that an index points into: ``of``, or the only collection among the plugin's inputs."""
        names = [spec.collection for spec in inputs.objects]
        return names[0] if self.kind == "index" and self.of is None and len(names) == 1 else self.of

    def shape(self, batch: EventBatch) -> tuple[int, ...]:
        """The shape of this column's tensor for a batch."""
        match self.per:
            case None:
                per: tuple[int, ...] = ()
            case int(number):
                per = (number,)
            case str(collection):
                per = (batch.collection(collection).mask.shape[1],)
        return (len(batch), *per, *((4,) if self.kind == "four-vector" else ()))
