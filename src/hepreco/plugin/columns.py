"""What a plugin computes: the description of its columns, and their way back to the events."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum
from types import MappingProxyType
from typing import Final, Literal

import awkward as ak
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from hepreco.errors import ConfigError, PluginError
from hepreco.events import EventBatch, column, four_vector_records, missing_where_nan, parallel_to_collection
from hepreco.names import check_field

#: The field of every plugin's record that holds a :class:`Reason`.
REASON: Final = "reason"
#: Of an axis: a histogram stores sixteen bytes for each of them, for each dataset and variation.
MOST_BINS: Final = 1_000_000


class Reason(IntEnum):
    """Why an event has no answer of a plugin, if it has none; the field ``reason`` of the plugin's record."""

    ANSWERED = 0
    #: Fewer objects than the plugin's ``at_least``: it was not asked.
    TOO_FEW_OBJECTS = 1
    #: It was asked, and gave NaN in all its columns.
    NO_ANSWER = 2


@dataclass(frozen=True)
class Axis:
    """Binning of a histogram axis.

    Parameters
    ----------
    bins
        How many; at most a million.
    start, stop
        Lower and upper end.
    spacing
        ``linear``, or ``log``: bins of equal ratio.
    closed
        Whether a value of exactly ``stop`` belongs to the last bin, as a score of 1 does, or to the overflow, as a pt
        or a count does. By default to the last bin if the axis is linear from 0 or −1 to 1.

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
            raise ConfigError(said, "give at least one bin, and numbers start < stop")
        if self.spacing == "log" and self.start <= 0:
            raise ConfigError(said, "give start > 0 for log spacing")
        if self.bins > MOST_BINS:
            raise ConfigError(
                said, f"give at most {MOST_BINS} bins: every one takes memory for each dataset and variation"
            )
        if not (np.diff(self.edges) > 0).all():
            raise ConfigError(f"{said}: they are narrower than the rounding of numbers", "give fewer bins")

    @property
    def edges(self) -> NDArray[np.float64]:
        """Where bins begin and end."""
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
        ``None``: one per event. An integer: that many per event. The name of an input collection: one per object,
        handed back parallel to the original collection.
    unit
        ``GeV``, ``rad``, ``GeV^2`` or nothing. A four-vector is in GeV.
    label
        For figures, LaTeX between dollar signs.
    axis
        Default binning, of the value or of a four-vector's mass; ``None`` books no histogram. A score for ROC
        curves wants about a thousand bins.
    """

    name: str
    kind: Literal["scalar", "index", "four-vector"] = "scalar"
    per: int | str | None = None
    unit: Literal["", "GeV", "GeV^2", "rad"] = ""
    label: str = ""
    axis: Axis | None = None

    def __post_init__(self) -> None:
        check_field(self.name, what="a column")
        if self.name == REASON:
            raise ConfigError(f"a column is named {REASON!r}", "name it otherwise: hepreco fills that field itself")
        if isinstance(self.per, str) and self.kind != "scalar":
            raise ConfigError(f"column {self.name!r} holds one {self.kind} per object", "give it per=None or a number")

    def shape(self, batch: EventBatch) -> tuple[int, ...]:
        """The shape of the tensor that stands for this column."""
        match self.per:
            case None:
                per: tuple[int, ...] = ()
            case int(number):
                per = (number,)
            case str(collection):
                per = (batch.collection(collection).mask.shape[1],)
        return (len(batch), *per, *((4,) if self.kind == "four-vector" else ()))


def attachable(
    tensors: Mapping[str, Tensor],
    *,
    columns: tuple[Column, ...],
    batch: EventBatch,
    enough: NDArray[np.bool_],
    events: ak.Array,
    plugin: str,
    stored: Mapping[str, str] = MappingProxyType({}),
) -> ak.Array:
    """A plugin's tensors as one record per event, missing where the event was not in the batch, with a reason.

    ``stored`` names the NanoAOD collections behind those of the batch, where they have other names.

    Raises
    ------
    PluginError
        The tensors are not what the plugin's columns promise.
    """
    check_outputs(tensors, columns=columns, batch=batch, plugin=plugin)
    fields = {}
    for spec in columns:
        value = _spread(tensors[spec.name], enough, missing=-1 if spec.kind == "index" else torch.nan)
        if spec.kind == "four-vector":
            fields[spec.name] = four_vector_records(value)
        elif isinstance(spec.per, str):
            counts = ak.to_numpy(ak.num(column(events, f"{stored.get(spec.per, spec.per)}.pt"))).astype(np.int64)
            index = _spread(batch.collection(spec.per).index, enough, missing=-1)
            fields[spec.name] = parallel_to_collection(value, index, counts)
        else:
            fields[spec.name] = missing_where_nan(value)
    return ak.zip({**fields, REASON: _reasons(tensors, enough)}, depth_limit=1)


def partly_missing(tensors: Mapping[str, Tensor], *, columns: tuple[Column, ...], batch: EventBatch) -> dict[str, int]:
    """For each column of numbers, how many events lack an entry of it though the plugin answered in another.

    Entries of objects count where a slot holds one; an index of −1 is an answer. Columns without such an event are left
    out.
    """
    answered = torch.from_numpy(_reasons(tensors, np.ones(len(batch), dtype=bool)) == Reason.ANSWERED)
    counts = {}
    for spec in columns:
        if spec.kind != "index":
            lacking = torch.isnan(tensors[spec.name]).cpu()
            lacking = lacking.flatten(start_dim=1) if lacking.ndim > 1 else lacking[:, None]
            if isinstance(spec.per, str):
                lacking &= batch.collection(spec.per).mask.cpu()
            counts[spec.name] = int(lacking.any(dim=1)[answered].sum())
    return {name: count for name, count in counts.items() if count}


def check_outputs(
    tensors: Mapping[str, Tensor], *, columns: tuple[Column, ...], batch: EventBatch, plugin: str
) -> None:
    """Raise :class:`~hepreco.errors.PluginError` unless the tensors are what the columns promise."""
    remedy = "run 'hepreco plugins check' and tell the plugin's author"
    names = [spec.name for spec in columns]
    if sorted(tensors) != sorted(names):
        raise PluginError(f"plugin {plugin!r} returned columns {sorted(tensors)}, promised {sorted(names)}", remedy)
    for spec in columns:
        tensor, shape = tensors[spec.name], spec.shape(batch)
        if not isinstance(tensor, Tensor):
            raise PluginError(f"plugin {plugin!r}: {spec.name} is a {type(tensor).__name__}, not a tensor", remedy)
        if tuple(tensor.shape) != shape:
            raise PluginError(
                f"plugin {plugin!r}: {spec.name} has shape {tuple(tensor.shape)}, promised {shape}", remedy
            )
        if not (tensor.dtype == torch.int64 if spec.kind == "index" else tensor.is_floating_point()):
            raise PluginError(f"plugin {plugin!r}: {spec.name} is {tensor.dtype}, promised a {spec.kind}", remedy)
        if tensor.is_floating_point() and torch.isinf(tensor.float()).any():
            beyond = "infinite" if torch.isinf(tensor).any() else "beyond the range of float32"
            raise PluginError(f"plugin {plugin!r}: {spec.name} is {beyond}; NaN stands for no answer", remedy)


def _reasons(tensors: Mapping[str, Tensor], enough: NDArray[np.bool_]) -> NDArray[np.uint8]:
    """The :class:`Reason` of every event."""
    reasons = np.full(len(enough), Reason.TOO_FEW_OBJECTS, dtype=np.uint8)
    numbers = [values.flatten(start_dim=1) if values.ndim > 1 else values[:, None] for values in tensors.values()]
    floats = [values for values in numbers if values.is_floating_point()]
    silent = torch.isnan(torch.cat(floats, dim=1)).all(dim=1).cpu().numpy() if floats else np.zeros(enough.sum(), bool)
    reasons[enough] = np.where(silent, Reason.NO_ANSWER, Reason.ANSWERED)
    return reasons


def _spread(values: Tensor, enough: NDArray[np.bool_], *, missing: float) -> Tensor:
    """Rows for all events, filled with ``missing`` where the batch has none."""
    rows = values.new_full((len(enough), *values.shape[1:]), missing)
    rows[torch.from_numpy(enough).to(rows.device)] = values
    return rows
