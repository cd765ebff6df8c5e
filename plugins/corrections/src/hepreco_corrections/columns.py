"""Columns as flat arrays for correctionlib: one number per object, or per event."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import awkward as ak
import numpy as np
from numpy.typing import NDArray

from hepreco.errors import ConfigError, DatasetError
from hepreco.plugin import CorrectionInput


@dataclass(frozen=True, eq=False)
class FlatColumns:
    """Columns of events as flat arrays.

    Parameters
    ----------
    values
        One number per object, or per event if no column has objects.
    counts
        Objects in each event; ``None`` if no column has objects.
    """

    values: Mapping[str, NDArray[Any]]
    counts: NDArray[np.int64] | None

    def per_event(self, factors: Any, *, events: int) -> NDArray[np.float64]:
        """The product of the factors of an event's objects; 1 for an event without any."""
        if self.counts is None:
            return np.broadcast_to(np.asarray(factors, dtype=np.float64), (events,)).copy()
        flat = np.broadcast_to(np.asarray(factors, dtype=np.float64), (int(self.counts.sum()),))
        return ak.to_numpy(ak.prod(ak.unflatten(flat, self.counts), axis=1))


def path_of(column: str) -> str:
    """The path of a column, without the bars that denote the absolute value.

    Example
    -------
    >>> path_of("|jets.eta|"), path_of("jets.pt")
    ('jets.eta', 'jets.pt')
    """
    return column[1:-1] if _is_absolute(column) else column


def flat(events: CorrectionInput, columns: Mapping[str, str]) -> FlatColumns:
    """The columns by the names of the inputs; numbers of an event are repeated for its objects.

    Parameters
    ----------
    events
        The input of the correction.
    columns
        The column of each input, such as ``jets.pt`` or ``|jets.eta|``.

    Raises
    ------
    ConfigError
        The columns belong to different objects, or hold lists for each object.
    DatasetError
        A value is missing.
    """
    arrays = {name: events[path_of(column)] for name, column in columns.items()}
    deep = {name: array for name, array in arrays.items() if array.ndim > 1}
    counts = _counts(deep, columns)
    values = {
        name: _flat(array, counts if name not in deep else None, columns[name], events.dataset)
        for name, array in arrays.items()
    }
    return FlatColumns(
        {name: abs(value) if _is_absolute(columns[name]) else value for name, value in values.items()}, counts
    )


def paths(columns: Iterable[str]) -> tuple[str, ...]:
    """The paths of columns, each once."""
    return tuple(dict.fromkeys(map(path_of, columns)))


def _is_absolute(column: str) -> bool:
    return len(column) > 2 and column[0] == column[-1] == "|"


def _counts(deep: Mapping[str, ak.Array], columns: Mapping[str, str]) -> NDArray[np.int64] | None:
    counts = {name: ak.to_numpy(ak.num(array, axis=1)).astype(np.int64) for name, array in deep.items()}
    for name, array in deep.items():
        first = next(iter(counts))
        if array.ndim > 2:
            raise ConfigError(f"{columns[name]} holds a list for each object", "name a column of one number per object")
        if not np.array_equal(counts[first], counts[name]):
            raise ConfigError(
                f"{columns[first]} and {columns[name]} are columns of different objects",
                "take all columns of one correction from the same objects, and write a table for each kind of object",
            )
    return next(iter(counts.values()), None)


def _flat(array: ak.Array, repeats: NDArray[np.int64] | None, column: str, dataset: str) -> NDArray[Any]:
    values = ak.to_numpy(ak.flatten(array, axis=None) if array.ndim > 1 else array, allow_missing=True)
    if isinstance(values, np.ma.MaskedArray):
        if values.mask.any():
            where = f" of dataset {dataset!r}" if dataset else ""
            raise DatasetError(f"{column} is missing in some events{where}", "name a column that every event has")
        values = values.data
    return values if repeats is None else np.repeat(values, repeats)
