"""Columns of awkward arrays as flat numbers with the event of each."""

from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

import awkward as ak
import numpy as np
from awkward.contents import Content
from numpy.typing import NDArray

from hepreco.errors import DatasetError
from hepreco.events import column

Positions = NDArray[np.int64]


class Places(NamedTuple):
    """The positions of a column's entries in its buffer (``at``), and the event of each entry."""

    at: Positions
    event: Positions


class Step(NamedTuple):
    """One level of an array's structure: its buffers map the places ``start`` to the places ``end``."""

    kind: type[Content]
    start: Places
    buffers: tuple[NDArray[Any], ...]
    end: Places


def flattened(events: ak.Array, paths: Iterable[str]) -> Iterator[tuple[str, NDArray[Any], Places]]:
    """All numbers of columns such as ``Jet.pt``, flattened and without missing values, and the event of each.

    The branches of a collection have the same structure. Columns come in alphabetic order, so that these branches
    follow each other and share one :class:`Places`. ``ak.flatten`` would compute it for every branch, which takes most
    of the time of filling many histograms.

    Raises
    ------
    DatasetError
        A column does not exist, or holds no numbers.

    Example
    -------
    >>> events = ak.Array([{"x": [1.5, None]}, {"x": []}, {"x": [2.5]}])
    >>> [(path, values.tolist(), places.event.tolist()) for path, values, places in flattened(events, ["x"])]
    [('x', [1.5, 2.5], [0, 2])]
    """
    every = np.arange(len(events))
    first = Places(every, every)
    trail: list[Step] = []
    for path in sorted(paths):
        layout, places = _walk(_layout(events, path), first, trail)
        values = np.asarray(layout.data) if layout.is_numpy else np.empty(0)
        if not (layout.is_numpy or layout.is_unknown) or values.dtype.kind not in "biuf":
            raise DatasetError(f"{path} holds no numbers", "name a column of numbers, for example Jet.pt")
        yield path, values[places.at], places


def _layout(events: ak.Array, path: str) -> Content:
    """The layout of a column; for stored columns faster than :func:`column`, with the same result."""
    layout = events.layout
    for name in path.split("."):
        if name not in layout.fields:
            return column(events, path).layout
        layout = layout[name]
    return layout


def _walk(layout: Content, places: Places, trail: list[Step]) -> tuple[Content, Places]:
    """Descend to the numbers of a layout; steps that equal those of the last column are reused."""
    depth = 0
    layout = _nested(layout)
    while layout.is_list or layout.is_option or layout.is_indexed:
        if layout.parameter("__array__") is not None:  # a string
            break
        buffers = _buffers(layout)
        known = trail[depth] if depth < len(trail) else None
        if not (known and _same(known, type(layout), places, buffers)):
            trail[depth:] = [Step(type(layout), places, buffers, _through(layout, places, buffers))]
        places, layout, depth = trail[depth].end, _nested(layout.content), depth + 1
    return layout, places


def _nested(layout: Content) -> Content:
    return layout.to_RegularArray() if layout.is_numpy and layout.purelist_depth > 1 else layout


def _buffers(layout: Content) -> tuple[NDArray[Any], ...]:
    if layout.is_indexed:
        return (np.asarray(layout.index.data),)
    if layout.is_option:
        return (np.asarray(layout.mask_as_bool(valid_when=True)),)
    return np.asarray(layout.starts.data), np.asarray(layout.stops.data)


def _same(known: Step, kind: type[Content], start: Places, buffers: tuple[NDArray[Any], ...]) -> bool:
    return known.kind is kind and known.start is start and all(map(np.array_equal, known.buffers, buffers))


def _through(layout: Content, places: Places, buffers: tuple[NDArray[Any], ...]) -> Places:
    """Map places in a layout to places in its content."""
    if layout.is_list:
        first, last = (buffer[places.at].astype(np.int64) for buffer in buffers)
        counts = last - first
        at = np.repeat(first - (np.cumsum(counts) - counts), counts)
        at += np.arange(len(at))
        return Places(at, np.repeat(places.event, counts))
    if layout.is_indexed:
        at = buffers[0][places.at].astype(np.int64)
        return _where(Places(at, places.event), at >= 0)
    return _where(places, buffers[0][places.at])


def _where(places: Places, present: NDArray[np.bool_]) -> Places:
    return places if present.all() else Places(places.at[present], places.event[present])
