"""Fills histograms so that bin contents do not depend on the order in which chunks are added.

NanoAOD's generator weights are float32. Their sums in float64 are exact, in any order, as long as a bin has fewer than
2²⁹ weights of similar size. Squares of weights are rounded to the 24 bits of a float32 (a relative error below 6·10⁻⁸
in each term of a variance) and have the same property. So the histograms of a sample agree bin for bin for every chunk
size and executor.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import awkward as ak
import boost_histogram as bh
import hist
import numpy as np
from numpy.typing import NDArray

from hepreco.histograms.entries import flattened
from hepreco.histograms.specs import HistogramSpec
from hepreco.plugin import Axis

#: Sums in each bin, flow bins included.
Sums = NDArray[np.float64]


class Filled(NamedTuple):
    """The histograms of a chunk by name, and their overflow in the first variation.

    ``overflow`` counts, for each histogram with overflow, the entries ``at_stop``, exactly at the upper end of the
    axis, and the entries ``beyond`` it.
    """

    histograms: dict[str, hist.Hist]
    overflow: dict[str, dict[str, int]]


def fill_all(
    specs: Sequence[HistogramSpec],
    events: Mapping[str, ak.Array],
    *,
    weights: Mapping[str, NDArray[np.float32]],
    dataset: str,
) -> Filled:
    """The histograms of one chunk.

    For each variation, every column is flattened once and binned once per axis, even if several histograms share them.

    Parameters
    ----------
    specs
        The histograms to fill.
    events, weights
        Selected events of each variation, and their weights.
    dataset
        Entry of the ``dataset`` axis.

    Returns
    -------
    Filled
        Histograms with the axes ``dataset``, ``variation`` (both growing categories) and that of the specification,
        and with ``Weight`` storage.
    """
    booked = {spec.name: _book(dataset, list(events), spec.last_axis()) for spec in specs}
    axes = {spec.axis: booked[spec.name].axes[-1] for spec in specs}
    wanted: dict[str, dict[Axis, None]] = {}
    for spec in specs:
        for path in spec.columns:
            wanted.setdefault(path, {})[spec.axis] = None
    overflow: dict[str, dict[str, int]] = {}
    for position, (variation, selected) in enumerate(events.items()):
        sums, counts = _all_sums(selected, wanted, axes=axes, weights=weights[variation])
        overflow = overflow if position else _overflow(specs, counts)
        for spec in specs:
            view = booked[spec.name].view(flow=True)[0, position]
            for path in spec.columns:
                view["value"] += sums[path, spec.axis][0]
                view["variance"] += sums[path, spec.axis][1]
    return Filled(booked, overflow)


def fill(
    spec: HistogramSpec, events: Mapping[str, ak.Array], *, weights: Mapping[str, NDArray[np.float32]], dataset: str
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
    fraction, exponent = np.frexp(np.square(weights, dtype=np.float64))
    return np.ldexp(fraction.astype(np.float32).astype(np.float64), exponent)


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


def _book(dataset: str, variations: Sequence[str], axis: bh.axis.Axis) -> hist.Hist:
    return hist.Hist(
        hist.axis.StrCategory([dataset], growth=True, name="dataset", label="dataset"),
        hist.axis.StrCategory(variations, growth=True, name="variation", label="variation"),
        axis,
        storage=hist.storage.Weight(),
    )


def _all_sums(
    events: ak.Array,
    wanted: Mapping[str, Iterable[Axis]],
    *,
    axes: Mapping[Axis, hist.axis.Regular | hist.axis.Variable],
    weights: NDArray[np.float32],
) -> tuple[dict[tuple[str, Axis], list[Sums]], dict[tuple[str, Axis], NDArray[np.int64]]]:
    """Σw and Σw² in each bin, and numbers of entries at stop and beyond, for every wanted column and axis."""
    terms = [_common(term) for term in (weights.astype(np.float64), squares(weights))]
    sums: dict[tuple[str, Axis], list[Sums]] = {}
    counts: dict[tuple[str, Axis], NDArray[np.int64]] = {}
    known, each = None, terms
    for path, values, places in flattened(events, wanted):
        if places is not known:
            known, each = places, [term[places.event] if term.ndim else term for term in terms]
        for axis in wanted[path]:
            where = _bins(values, axis, axes[axis])
            sums[path, axis] = _sums(where, each, bins=axis.bins + 2)
            over = values[where > axis.bins]
            counts[path, axis] = np.bincount(~_at_stop(over, axis), minlength=2)
    return sums, counts


def _common(terms: NDArray[np.float64]) -> NDArray[np.float64]:
    """Replace equal terms by a single number, so that entries can be counted instead of summed."""
    return np.asarray(terms[0]) if len(terms) and (terms == terms[0]).all() else terms


def _overflow(
    specs: Iterable[HistogramSpec], counts: Mapping[tuple[str, Axis], NDArray[np.int64]]
) -> dict[str, dict[str, int]]:
    total = {spec.name: np.sum([counts[path, spec.axis] for path in spec.columns], axis=0) for spec in specs}
    return {name: {"at_stop": int(count[0]), "beyond": int(count[1])} for name, count in total.items() if count.any()}


def _bins(values: NDArray[Any], axis: Axis, booked: hist.axis.Regular | hist.axis.Variable) -> NDArray[np.intp]:
    """The bin of each value; 0 is the underflow."""
    bins = np.asarray(booked.index(values)).astype(np.intp)
    if axis.includes_stop:
        bins[_at_stop(values, axis)] = axis.bins - 1
    bins += 1
    return bins


def _at_stop(values: NDArray[Any], axis: Axis) -> NDArray[np.bool_]:
    """Whether each value equals the upper end of the axis in the precision of the values."""
    return values == (values.dtype.type(axis.stop) if values.dtype.kind == "f" else axis.stop)


def _sums(where: NDArray[np.intp], terms: Sequence[NDArray[np.float64]], *, bins: int) -> list[Sums]:
    """The sum of each term in each bin; a term has one number per entry, or one number for all entries.

    If all entries have the same number, it is multiplied by their count, which equals the sum wherever sums are exact.
    """
    counts = [np.bincount(where, minlength=bins)] if any(term.ndim == 0 for term in terms) else []
    return [
        np.asarray(np.bincount(where, weights=term, minlength=bins) if term.ndim else counts[0] * term, np.float64)
        for term in terms
    ]
