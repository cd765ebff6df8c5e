"""Extracts arrays to draw from a histogram with datasets and variations."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import hist
import numpy as np
from numpy.typing import NDArray

from hepreco.errors import StudyError

NOMINAL = "nominal"
#: More datasets than this cannot be distinguished by colour.
MOST: Final = 10


@dataclass(frozen=True)
class Spectrum:
    """One dataset, as drawn.

    Parameters
    ----------
    label
        Label in the legend.
    values, uncertainties
        Nominal values and uncertainties, of shape ``(bin,)``.
    low, high
        Envelope of all variations and the nominal one; ``None`` if the dataset has no variations.
    outside
        Fraction of Σw outside the axis.
    """

    label: str
    values: NDArray[np.float64]
    uncertainties: NDArray[np.float64]
    low: NDArray[np.float64] | None
    high: NDArray[np.float64] | None
    outside: float


def require_axes(histogram: hist.Hist, *names: str) -> None:
    """Refuse a histogram whose first axes have other names, or that does not store Σw²."""
    if histogram.ndim != 3 or tuple(histogram.axes.name)[: len(names)] != names:
        raise StudyError(
            f"the histogram has axes {tuple(histogram.axes.name)}, expected are three that begin with {names}",
            "give a histogram of a run, without slicing",
        )
    if not issubclass(histogram.storage_type, hist.storage.Weight):
        raise StudyError(
            f"the histogram stores {histogram.storage_type.__name__}, which lacks Σw²", "use Weight storage"
        )
    if NOMINAL not in histogram.axes["variation"]:
        raise StudyError(f"there is no {NOMINAL!r} among {list(histogram.axes['variation'])}", "fill it too")


def spectra(histogram: hist.Hist, *, labels: Mapping[str, str], density: bool) -> list[Spectrum]:
    r"""The bins of each dataset; ``density`` divides each variation by its Σw, including entries outside the axis.

    If there are more than :data:`MOST` datasets, only those of largest \|Σw\| have their own spectra, and the last
    spectrum is the sum of all others.
    """
    require_axes(histogram, "dataset", "variation")
    names = list(histogram.axes["dataset"])
    if len(names) > MOST:
        return _largest_and_others(histogram, names, labels=labels, density=density)
    return [_spectrum(histogram[{"dataset": name}], label=labels.get(name, name), density=density) for name in names]


def _largest_and_others(
    histogram: hist.Hist, names: list[str], *, labels: Mapping[str, str], density: bool
) -> list[Spectrum]:
    nominal = histogram[{"variation": NOMINAL}].values(flow=True)
    size = {name: abs(nominal[row].sum()) for row, name in enumerate(names)}
    by_size = sorted(names, key=lambda name: -size[name])
    largest = [name for name in names if name in by_size[: MOST - 1]]
    others = [name for name in names if name not in largest]
    return [
        *(_spectrum(histogram[{"dataset": name}], label=labels.get(name, name), density=density) for name in largest),
        _spectrum(_sum(histogram, others), label=f"sum of {len(others)} others", density=density),
    ]


def _sum(histogram: hist.Hist, names: list[str]) -> hist.Hist:
    """The sum of some datasets; for variations that a dataset lacks, its nominal bins are used."""
    total = histogram[{"dataset": names[0]}].copy()
    total.reset()
    varied = total.view(flow=True)
    for name in names:
        one = histogram[{"dataset": name}].view(flow=True)
        nominal = one[list(histogram.axes["variation"]).index(NOMINAL)]
        for row in range(len(histogram.axes["variation"])):
            added = one[row] if one[row]["variance"].any() else nominal
            varied[row]["value"] += added["value"]
            varied[row]["variance"] += added["variance"]
    return total


def _spectrum(histogram: hist.Hist, *, label: str, density: bool) -> Spectrum:
    by_variation = {name: histogram[{"variation": name}] for name in histogram.axes["variation"]}
    # the row of a variation that this dataset lacks is empty
    filled = {name: each for name, each in by_variation.items() if each.variances(flow=True).any() or name == NOMINAL}
    totals = {name: float(each.values(flow=True).sum()) for name, each in filled.items()}
    if density and min(totals.values()) <= 0:
        raise StudyError(f"Σw of {label!r} is not positive, so fractions are undefined", "draw it without density")
    scales = {name: 1 / totals[name] if density else 1.0 for name in filled}
    varied = np.stack([each.values() * scales[name] for name, each in filled.items()])
    nominal, total = filled[NOMINAL], totals[NOMINAL]
    return Spectrum(
        label=label,
        values=nominal.values() * scales[NOMINAL],
        uncertainties=np.sqrt(nominal.variances()) * scales[NOMINAL],
        low=varied.min(axis=0) if len(filled) > 1 else None,
        high=varied.max(axis=0) if len(filled) > 1 else None,
        outside=float(1 - nominal.values().sum() / total) if total else 0.0,
    )
