"""Looks up columns of events as awkward arrays, and applies cuts to them."""

import math
import operator
from collections.abc import Iterable
from typing import Any, Final

import awkward as ak
import numpy as np
from numpy.typing import NDArray

from hepreco.errors import DatasetError
from hepreco.events.objects import DERIVED, MOMENTUM, Comparison, closest
from hepreco.events.paths import ColumnPath

_SIGNS: Final = {"<": operator.lt, ">": operator.gt, "<=": operator.le, ">=": operator.ge, "==": operator.eq}


def column(events: ak.Array, path: str) -> ak.Array:
    """Look up ``Jet.pt``, ``chi2_assigner.top.mass``, ``jets[0].pt`` or ``len(jets)`` in the events.

    ``jets[0].pt`` is missing in events with fewer objects.

    Raises
    ------
    DatasetError
        A branch is missing; the error names it, the file, and the closest branches that exist.
    """
    wanted = ColumnPath.parse(path)
    values = _looked_up(events, wanted.names)
    if wanted.counts:
        return ak.num(_any_field(events, wanted.plain))
    if wanted.position is None:
        return values
    if values.ndim < 2:
        raise DatasetError(f"{wanted.plain} is not a list in each event", f"write {wanted.plain}")
    return ak.pad_none(values, wanted.position + 1)[:, wanted.position]


def _looked_up(events: ak.Array, names: tuple[str, ...]) -> ak.Array:
    values = events
    for depth, name in enumerate(names):
        if name not in values.fields and not (name in DERIVED and "pt" in values.fields):
            where = f"{'.'.join(names[:depth])} has" if depth else "the events have"
            raise DatasetError(
                f"{_file(events)}: no branch {'_'.join(names)!r} ({where} no {name!r})",
                closest(name, values.fields),
            )
        try:
            values = values[name] if name in values.fields else getattr(values, name)
        except ValueError as error:  # vector refuses a momentum with fewer than four coordinates
            wanted = ", ".join(f"{name}_{coordinate}" for coordinate in MOMENTUM)
            raise DatasetError(
                f"{_file(events)}: {name} is not a collection of four-momenta: {error}",
                f"it needs the branches {wanted}",
            ) from None
    return values


def passing(events: ak.Array, collection: str, where: Iterable[str]) -> ak.Array:
    """Whether each object of a collection passes all cuts.

    A comparison with NaN is false, so an object with an undefined quantity never passes a cut on it.
    """
    mask = ak.ones_like(_any_field(events, collection), dtype=bool)
    for cut in map(Comparison.parse, where):
        mask = mask & compare(column(events, f"{collection}.{cut.field}"), cut)
    return mask


def finite(events: ak.Array, paths: Iterable[str]) -> NDArray[np.bool_]:
    """Whether all of an event's entries in these columns (``Jet.pt``, …) are finite. Absent columns count as finite."""
    mask = np.ones(len(events), dtype=bool)
    for path in dict.fromkeys(paths):
        collection, _, name = path.partition(".")
        if name in column(events, collection).fields:
            values = column(events, path)
            entries = np.isfinite(flattened(values))
            if not entries.all():
                mask &= ak.to_numpy(ak.all(np.isfinite(values), axis=1)) if values.ndim > 1 else entries
    return mask


def flattened(values: ak.Array) -> NDArray[Any]:
    """All entries of a column as one flat array."""
    return ak.to_numpy(ak.flatten(values, axis=None) if values.ndim > 1 else values)


def compare(values: ak.Array, cut: Comparison) -> ak.Array:
    """Whether each value passes; integers are compared exactly: the absolute value of the int8 −128 is 128."""
    values = _magnitude(values) if cut.absolute else values
    return _SIGNS[cut.sign](values, _exact(cut.value, cut.sign, _dtype(values)))


def _dtype(values: ak.Array) -> np.dtype[Any] | None:
    """The type of the numbers in an array; ``None`` if they have several types."""
    layout = values.layout
    while hasattr(layout, "content"):
        layout = layout.content
    return getattr(layout, "dtype", None)


def _magnitude(values: ak.Array) -> ak.Array:
    """Absolute values; those of signed integers as unsigned integers of the same width, which cannot overflow."""
    dtype = _dtype(values)
    if dtype is None or dtype.kind != "i":
        return abs(values)
    return ak.values_astype(abs(values), np.dtype(f"u{dtype.itemsize}"))


def _exact(value: int | float, sign: str, dtype: np.dtype[Any] | None) -> Any:
    """The threshold of a cut: an integer for 64-bit integer columns, since not all their values fit in a float."""
    if dtype is None or dtype.kind not in "iu" or dtype.itemsize < 8 or not math.isfinite(value):
        return float(value)
    whole = math.floor(value) if sign in (">", "<=") else math.ceil(value)
    if sign == "==" and whole != value:
        return math.nan
    limits = np.iinfo(dtype)
    return dtype.type(whole) if limits.min <= whole <= limits.max else math.copysign(math.inf, whole)


def _any_field(events: ak.Array, collection: str) -> ak.Array:
    objects = column(events, collection)
    return objects["pt"] if "pt" in objects.fields else objects[objects.fields[0]]


def _file(events: ak.Array) -> str:
    return str(getattr(events, "metadata", {}).get("filename", "events"))
