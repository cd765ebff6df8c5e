"""What a figure shows of a histogram with datasets and variations: plain arrays, ready to draw."""

from collections.abc import Mapping
from dataclasses import dataclass

import hist
import numpy as np
from numpy.typing import NDArray

from hepreco.errors import StudyError

NOMINAL = "nominal"


@dataclass(frozen=True)
class Spectrum:
    """One dataset, as drawn.

    Parameters
    ----------
    label
        For the legend.
    values, uncertainties
        Of shape ``(bin,)``, nominal.
    low, high
        Envelope of all variations and the nominal one; ``None`` where the dataset has no variations.
    outside
        Fraction of Σw that lies outside the axis.
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
            f"a histogram with axes {tuple(histogram.axes.name)} came, three were expected, beginning with {names}",
            "give a histogram of a run as it is, without slicing",
        )
    if not issubclass(histogram.storage_type, hist.storage.Weight):
        raise StudyError(
            f"the histogram stores {histogram.storage_type.__name__}, which lacks Σw²", "use Weight storage"
        )
    if NOMINAL not in histogram.axes["variation"]:
        raise StudyError(f"there is no {NOMINAL!r} among {list(histogram.axes['variation'])}", "fill it too")


def spectra(histogram: hist.Hist, *, labels: Mapping[str, str], density: bool) -> list[Spectrum]:
    """Take each dataset's bins; ``density`` divides each variation by its own Σw, that outside the axis included."""
    require_axes(histogram, "dataset", "variation")
    return [
        _spectrum(histogram[{"dataset": name}], label=labels.get(name, name), density=density)
        for name in histogram.axes["dataset"]
    ]


def _spectrum(histogram: hist.Hist, *, label: str, density: bool) -> Spectrum:
    by_variation = {name: histogram[{"variation": name}] for name in histogram.axes["variation"]}
    # a variation that another dataset has, and this one has not, is an empty row
    filled = {name: each for name, each in by_variation.items() if each.variances(flow=True).any() or name == NOMINAL}
    totals = {name: float(each.values(flow=True).sum()) for name, each in filled.items()}
    if density and min(totals.values()) <= 0:
        raise StudyError(f"Σw of {label!r} is not positive, so it has no fractions", "draw it without density")
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
