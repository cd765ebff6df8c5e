"""Filling that gives the same bins whatever the order in which chunks are added.

NanoAOD's generator weights are float32. Sums of such numbers in float64 are exact, in any order, as long as fewer than
2²⁹ weights of like size meet in a bin; their squares, rounded to float32 (a relative error below 6·10⁻⁸ in each term
of a variance), have the same property. So histograms of one sample agree bin for bin for every chunk size and executor.
"""

from collections.abc import Mapping, Sequence

import awkward as ak
import boost_histogram as bh
import hist
import numpy as np
from numpy.typing import NDArray

from hepreco.events import column
from hepreco.histograms.specs import HistogramSpec


def fill(
    spec: HistogramSpec, events: Mapping[str, ak.Array], *, weights: Mapping[str, NDArray[np.float32]], dataset: str
) -> hist.Hist:
    """The histogram of one chunk.

    Parameters
    ----------
    spec
        What to fill.
    events, weights
        Selected events of each variation with their weights.
    dataset
        Entry of the ``dataset`` axis.

    Returns
    -------
    hist.Hist
        Axes ``dataset``, ``variation`` (both growing categories) and the one of the specification; ``Weight`` storage.
    """
    booked = _book(dataset, list(events), spec.last_axis())
    for position, (variation, selected) in enumerate(events.items()):
        for path in spec.columns:
            values, weight = _entries(column(selected, path), weights[variation])
            booked.view(flow=True)[0, position] += _weighted_bins(spec.last_axis(), values, weight)
    return booked


def fill_cutflow(
    passed: Mapping[str, Mapping[str, NDArray[np.bool_]]], *, weights: NDArray[np.float32], dataset: str
) -> hist.Hist:
    """Weighted cut flow of one chunk: for each variation and cut, the events that pass it and all before it."""
    cuts = list(next(iter(passed.values())))
    booked = _book(dataset, list(passed), hist.axis.StrCategory(cuts, name="cut", label="", overflow=False))
    for position, masks in enumerate(passed.values()):
        for cut, mask in enumerate(masks.values()):
            booked.view()[0, position, cut] = (
                np.sum(weights[mask], dtype=np.float64),
                np.sum(np.square(weights[mask]), dtype=np.float64),
            )
    return booked


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


def _entries(values: ak.Array, weight: NDArray[np.float32]) -> tuple[NDArray[np.float64], NDArray[np.float32]]:
    """All present entries, flat, each with its event's weight."""
    flat = ak.to_numpy(ak.drop_none(ak.flatten(values, axis=None)))
    if values.ndim == 1:
        return flat, weight if len(flat) == len(weight) else weight[ak.to_numpy(~ak.is_none(values))]
    counts = ak.count(values, axis=-1)
    while counts.ndim > 1:
        counts = ak.sum(counts, axis=-1)
    return flat, np.repeat(weight, ak.to_numpy(counts))


def _weighted_bins(axis: bh.axis.Axis, values: NDArray[np.float64], weight: NDArray[np.float32]) -> NDArray[np.void]:
    """Σw and Σw² per bin, flow bins included; each term a float32."""
    sums = [
        bh.Histogram(axis, storage=bh.storage.Double()).fill(values, weight=term).view(flow=True)
        for term in (weight, np.square(weight))
    ]
    bins = np.empty(sums[0].shape, dtype=[("value", np.float64), ("variance", np.float64)])
    bins["value"], bins["variance"] = sums
    return bins
