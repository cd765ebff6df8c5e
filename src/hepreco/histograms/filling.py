"""Fills histograms so that bin contents do not depend on the order in which chunks are added.

NanoAOD's generator weights are float32. Their sums in float64 are exact, in any order, as long as a bin has fewer than
2²⁹ weights of similar size. Squares of weights are rounded to the 24 bits of a float32 (a relative error below 6·10⁻⁸
in each term of a variance) and have the same property. So the histograms of a sample agree bin for bin for every chunk
size and executor.
"""

import math
from collections.abc import Mapping, Sequence
from functools import reduce
from operator import and_
from types import MappingProxyType
from typing import Any, Final, NamedTuple

import awkward as ak
import boost_histogram as bh
import hist
import numpy as np
import scipy  # whose subpackages are imported when they are first used
from numpy.typing import NDArray

from hepreco.errors import DatasetError
from hepreco.events import column
from hepreco.histograms.axes import AnyAxis, Booked, Edges, bin_numbers, is_at_stop
from hepreco.histograms.entries import flattened
from hepreco.histograms.specs import HistogramSpec
from hepreco.plugin import Axis

Weights = NDArray[np.float32]
#: Sums in each bin, with flow bins.
Sums = NDArray[np.float64]
#: Events whose weights are summed at a time.
_BLOCK: Final = 4096


class Filled(NamedTuple):
    """The histograms of a chunk by name, and their overflow in the first variation.

    ``overflow`` counts, for each histogram with overflow, the entries ``at_stop``, exactly at the upper end of the
    axis, and the entries ``beyond`` it.
    """

    histograms: dict[str, hist.Hist]
    overflow: dict[str, dict[str, int]]


class Entries(NamedTuple):
    """The entries of a histogram in the order of the events: the bin of each, numbered over all axes, and its event."""

    bins: NDArray[np.intp]
    event: NDArray[np.int64]

    def where(self, mask: NDArray[np.bool_]) -> "Entries":
        """The entries of events in the mask."""
        inside = mask[self.event]
        return Entries(self.bins[inside], self.event[inside])


def fill_all(
    specs: Sequence[HistogramSpec],
    events: Mapping[str, ak.Array],
    *,
    weights: Mapping[str, Weights],
    dataset: str,
    regions: Mapping[str, Mapping[str, NDArray[np.bool_]]] = MappingProxyType({}),
) -> Filled:
    """The histograms of one chunk.

    For each variation of the events, every column is flattened and binned once per axis, even if several histograms
    share it. Variations of the weights alone, which have the same array of events, share this work.

    Parameters
    ----------
    specs
        The histograms to fill.
    events, weights
        Selected events of each variation, and their weights.
    dataset
        Entry of the ``dataset`` axis.
    regions
        For each variation, whether each event is in each region; without it, histograms have no axis ``region``.

    Returns
    -------
    Filled
        Histograms with the axes ``dataset``, ``variation`` (both growing categories), ``region`` and those of the
        specification; ``Weight`` storage.
    """
    known = list(next(iter(regions.values()), ()))
    rows = {spec.name: [name for name in known if name in (spec.regions or known)] for spec in specs}
    axes = {spec.name: spec.booked_axes() for spec in specs}
    sizes = {name: math.prod(axis.extent for axis in booked) for name, booked in axes.items()}
    sums = {name: np.zeros((2, len(events), len(rows[name]) or 1, size)) for name, size in sizes.items()}
    names = list(events)
    overflow: dict[str, dict[str, int]] = {}
    for variations in _sharing_events(events):
        chosen, masks = events[names[variations[0]]], regions.get(names[variations[0]], {})
        entries, counts = _all_entries(specs, chosen, axes=axes)
        overflow = overflow if variations[0] else counts
        wanted = [
            (name, row, each if mask is None else each.where(mask))
            for name, found in entries.items()
            for row, mask in enumerate([masks[region] for region in rows[name]] if known else [None])
            for each in found
        ]
        summed = _sums(
            [each for *_, each in wanted],
            [weights[names[position]] for position in variations],
            bins=[sizes[name] for name, *_ in wanted],
        )
        for (name, row, _), found in zip(wanted, summed, strict=True):
            sums[name][:, variations, row] += found
    return Filled({name: _booked(sums[name], dataset, names, rows[name], axes[name]) for name in sums}, overflow)


def fill(
    spec: HistogramSpec, events: Mapping[str, ak.Array], *, weights: Mapping[str, Weights], dataset: str
) -> hist.Hist:
    """One histogram of one chunk; see :func:`fill_all`."""
    return fill_all([spec], events, weights=weights, dataset=dataset).histograms[spec.name]


def fill_cutflow(
    passed: Mapping[str, Mapping[str, NDArray[np.bool_]]], *, weights: NDArray[np.float32], dataset: str
) -> hist.Hist:
    """Weighted cut flow of one chunk: for each variation and cut, the events that pass this and all earlier cuts."""
    cuts = list(next(iter(passed.values())))
    booked = _book(dataset, list(passed), hist.axis.StrCategory(cuts, name="cut", label="", overflow=False))
    terms = np.stack((weights, squares(weights)))
    for position, masks in enumerate(passed.values()):
        for cut, mask in enumerate(masks.values()):
            booked.view()[0, position, cut] = tuple(terms[:, mask].sum(axis=1))
    return booked


def squares(weights: NDArray[np.float32]) -> NDArray[np.float64]:
    """Squares of weights, rounded to the 24 bits of a float32, but without the limits of its range.

    Example
    -------
    >>> squares(np.float32([-3, 2**70])).tolist() == [9.0, 2.0**140]
    True
    """
    bits = np.square(weights, dtype=np.float64).view(np.int64)
    # A float64 has 29 bits more than a float32; halves are rounded to even.
    bits += (bits >> 29 & 1) + (2**28 - 1)
    bits &= -(2**29)
    return bits.view(np.float64)


def sort_categories(histogram: hist.Hist) -> hist.Hist:
    """The same histogram with datasets in alphabetic order, and ``nominal`` before the other variations."""
    datasets = sorted(histogram.axes["dataset"])
    variations = sorted(histogram.axes["variation"], key=lambda name: (name != "nominal", name))
    ordered = hist.Hist(
        hist.axis.StrCategory(datasets, growth=True, name="dataset", label="dataset"),
        hist.axis.StrCategory(variations, growth=True, name="variation", label="variation"),
        *histogram.axes[2:],
        storage=hist.storage.Weight(),
    )
    rows = [histogram.axes["dataset"].index(name) for name in datasets]
    columns = [histogram.axes["variation"].index(name) for name in variations]
    ordered.view(flow=True)[...] = histogram.view(flow=True)[np.ix_(rows, columns)]
    return ordered


def _book(dataset: str, variations: Sequence[str], *axes: bh.axis.Axis) -> hist.Hist:
    return hist.Hist(
        hist.axis.StrCategory([dataset], growth=True, name="dataset", label="dataset"),
        hist.axis.StrCategory(variations, growth=True, name="variation", label="variation"),
        *axes,
        storage=hist.storage.Weight(),
    )


def _booked(
    sums: Sums, dataset: str, variations: Sequence[str], regions: Sequence[str], axes: Sequence[Booked]
) -> hist.Hist:
    """A histogram with the sums as contents."""
    region = [hist.axis.StrCategory(regions, name="region", label="region", overflow=False)] if regions else []
    histogram = _book(dataset, variations, *region, *axes)
    view = histogram.view(flow=True)
    view["value"], view["variance"] = sums.reshape(2, *view.shape)
    return histogram


def _sharing_events(events: Mapping[str, ak.Array]) -> list[list[int]]:
    """The positions of variations, grouped by those that have the same array of events."""
    groups: dict[int, list[int]] = {}
    for position, array in enumerate(events.values()):
        groups.setdefault(id(array), []).append(position)
    return list(groups.values())


def _all_entries(
    specs: Sequence[HistogramSpec], events: ak.Array, *, axes: Mapping[str, tuple[Booked, ...]]
) -> tuple[dict[str, list[Entries]], dict[str, dict[str, int]]]:
    """The entries of each histogram, by column for those with one axis, and the contents of their overflow."""
    wanted: dict[str, dict[AnyAxis, Booked]] = {}
    single = {spec.name: spec.axis for spec in specs if spec.axis is not None}
    for spec in specs:
        for path in spec.columns:
            wanted.setdefault(path, {}).setdefault(single[spec.name], axes[spec.name][0])
    entries: dict[tuple[str, AnyAxis], Entries] = {}
    counts: dict[tuple[str, AnyAxis], NDArray[np.int64]] = {}
    for path, values, places in flattened(events, wanted):
        for axis, booked in wanted[path].items():
            bins = bin_numbers(values, axis, booked)
            entries[path, axis] = Entries(bins, places.event)
            counts[path, axis] = _over(values[bins > axis.bins], axis)
    found = {
        spec.name: [entries[path, single[spec.name]] for path in spec.columns]
        or [_joint_entries(spec, events, axes[spec.name])]
        for spec in specs
    }
    total = {
        spec.name: np.sum([counts[path, single[spec.name]] for path in spec.columns], axis=0)
        for spec in specs
        if spec.columns
    }
    over = {name: {"at_stop": int(each[0]), "beyond": int(each[1])} for name, each in total.items() if each.any()}
    return found, over


def _over(values: NDArray[Any], axis: AnyAxis) -> NDArray[np.int64]:
    """Numbers of overflow values at the end of the axis, and beyond it."""
    if not isinstance(axis, Axis | Edges):
        return np.zeros(2, np.int64)
    return np.bincount(~is_at_stop(values, axis), minlength=2)


def _joint_entries(spec: HistogramSpec, events: ak.Array, axes: Sequence[Booked]) -> Entries:
    """The entries of a histogram with several axes: those with a number in each of its columns."""
    columns = [column(events, path) for path in spec.reads]
    try:
        arrays = ak.broadcast_arrays(np.arange(len(events)), *columns)
    except ValueError as error:
        raise DatasetError(
            f"histogram {spec.name!r}: {' and '.join(spec.reads)} have different numbers of entries in an event",
            "fill columns of the same objects together, or of one number per event",
        ) from error
    present = reduce(and_, (~ak.is_none(array, axis=-1) for array in arrays))
    event, *values = (ak.to_numpy(ak.flatten(array[present], axis=None)) for array in arrays)
    bins = [bin_numbers(*each) for each in zip(values, spec.binning, axes, strict=True)]
    return Entries(np.ravel_multi_index(bins, [axis.extent for axis in axes]), event.astype(np.int64))


def _sums(entries: Sequence[Entries], weights: Sequence[Weights], *, bins: Sequence[int]) -> list[Sums]:
    """Σw and Σw² (2, variation, bin) of several histograms, for variations that share their events."""
    if len(weights) > 1:
        return _sums_of_variations(entries, np.stack(weights, axis=1), bins=bins)
    terms = [_common(term) for term in (weights[0].astype(np.float64), squares(weights[0]))]
    return [
        np.stack([_sum(each, term, bins=size)[None] for term in terms])
        for each, size in zip(entries, bins, strict=True)
    ]


def _sums_of_variations(entries: Sequence[Entries], weights: NDArray[np.float32], *, bins: Sequence[int]) -> list[Sums]:
    """The sums for weights (event, variation), as products of matrices (bin, event) and (event, variation).

    The events are taken in blocks, so that memory does not grow with variations times events.
    """
    sums = [np.zeros((size, 2 * weights.shape[1])) for size in bins]
    for start in range(0, len(weights), _BLOCK):
        block = weights[start : start + _BLOCK]
        terms = np.hstack((block.astype(np.float64), squares(block)))
        events = np.arange(start, start + len(block) + 1)
        for number, (found, event) in enumerate(entries):
            first, *_, last = ends = np.searchsorted(event, events)
            columns = (np.ones(last - first), found[first:last], ends - first)
            sums[number] += scipy.sparse.csc_array(columns, shape=(bins[number], len(block))) @ terms
    return [total.T.reshape(2, weights.shape[1], -1) for total in sums]


def _common(terms: NDArray[np.float64]) -> NDArray[np.float64]:
    """Replace equal terms by a single number, so that entries can be counted instead of summed."""
    return np.asarray(terms[0]) if len(terms) and (terms == terms[0]).all() else terms


def _sum(entries: Entries, terms: NDArray[np.float64], *, bins: int) -> Sums:
    """The sum in each bin of one number per event, or of one number for all events.

    If all events have the same number, it is multiplied by the count of entries, which equals the sum wherever sums are
    exact.
    """
    if terms.ndim:
        return np.asarray(np.bincount(entries.bins, terms[entries.event], bins), np.float64)
    return np.asarray(np.bincount(entries.bins, minlength=bins) * terms, np.float64)
