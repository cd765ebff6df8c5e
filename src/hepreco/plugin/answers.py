"""The output of a plugin: checked against its columns, and attached to the events."""

from collections.abc import Mapping
from types import MappingProxyType

import awkward as ak
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from hepreco.errors import PluginError
from hepreco.events import EventBatch, column
from hepreco.events.bridge import four_vector_records, missing_where_nan, parallel_to_collection
from hepreco.plugin.columns import REASON, Column, Reason


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
    """A plugin's tensors as one record per event, with a reason; events outside the batch have missing values.

    ``stored`` gives the NanoAOD collections of those collections of the batch that have other names.

    Raises
    ------
    PluginError
        The tensors do not match the plugin's columns.
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
    """The number of answered events, for each floating-point column, in which some of its values are NaN.

    A value per object counts only where there is an object; an index of −1 is an answer. Columns without such an event
    are left out.
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
    """Raise :class:`~hepreco.errors.PluginError` unless the tensors match the columns."""
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
            raise PluginError(f"plugin {plugin!r}: {spec.name} is {beyond}; use NaN for no answer", remedy)


def _reasons(tensors: Mapping[str, Tensor], enough: NDArray[np.bool_]) -> NDArray[np.uint8]:
    """The :class:`Reason` of every event."""
    reasons = np.full(len(enough), Reason.TOO_FEW_OBJECTS, dtype=np.uint8)
    numbers = [values.flatten(start_dim=1) if values.ndim > 1 else values[:, None] for values in tensors.values()]
    floats = [values for values in numbers if values.is_floating_point()]
    silent = torch.isnan(torch.cat(floats, dim=1)).all(dim=1).cpu().numpy() if floats else np.zeros(enough.sum(), bool)
    reasons[enough] = np.where(silent, Reason.NO_ANSWER, Reason.ANSWERED)
    return reasons


def _spread(values: Tensor, enough: NDArray[np.bool_], *, missing: float) -> Tensor:
    """Rows for all events; those of events outside the batch are filled with ``missing``."""
    rows = values.new_full((len(enough), *values.shape[1:]), missing)
    rows[torch.from_numpy(enough).to(rows.device)] = values
    return rows
