"""The bins of a weighted histogram as arrays."""

from dataclasses import dataclass

import hist
import numpy as np
from numpy.typing import NDArray

from hepreco.errors import StudyError


@dataclass(frozen=True)
class WeightedBins:
    """Sums of weights and of squared weights between edges.

    Parameters
    ----------
    edges
        Edges of shape ``(bin + 1,)``; those of under- and overflow, if included, are infinite.
    values, variances
        Σw and Σw², of shape ``(bin,)``.
    """

    edges: NDArray[np.float64]
    values: NDArray[np.float64]
    variances: NDArray[np.float64]

    @property
    def fractions(self) -> "WeightedBins":
        """The bins divided by the sum of weights."""
        total = self.values.sum()
        return WeightedBins(self.edges, self.values / total, self.variances / total**2)


def weighted_bins(histogram: hist.Hist, *, flow: bool = False) -> WeightedBins:
    """The bins of a one-dimensional weighted histogram.

    Parameters
    ----------
    histogram
        A histogram with one numeric axis and ``Weight`` storage.
    flow
        Whether to include under- and overflow, if the axis has them.

    Raises
    ------
    StudyError
        The histogram has another dimension, kind of axis or storage, or bins that are not finite.

    Example
    -------
    >>> h = hist.Hist(hist.axis.Regular(2, 0, 2), storage=hist.storage.Weight()).fill([0.5, 5.0], weight=[2.0, 3.0])
    >>> weighted_bins(h, flow=True).values.tolist()
    [0.0, 2.0, 0.0, 3.0]
    """
    if histogram.ndim != 1:
        raise StudyError(
            f"the histogram has the axes {', '.join(map(repr, histogram.axes.name))}, expected is one axis",
            "slice it, as in h[{'dataset': 'ttbar', 'variation': 'nominal'}]",
        )
    axis = histogram.axes[0]
    if not axis.traits.ordered or axis.traits.circular:
        raise StudyError(f"axis {axis.name!r} is not an interval of numbers", "use a Regular or Variable axis")
    if not issubclass(histogram.storage_type, hist.storage.Weight):
        raise StudyError(
            f"histogram of {axis.name!r} stores {histogram.storage_type.__name__}, which lacks Σw²",
            "fill a histogram with storage=hist.storage.Weight()",
        )
    values = np.asarray(histogram.values(flow=flow), dtype=np.float64)
    variances = np.asarray(histogram.variances(flow=flow), dtype=np.float64)
    if not (np.isfinite(values).all() and np.isfinite(variances).all()):
        raise StudyError(f"histogram of {axis.name!r} holds NaN or infinity", "look for such weights in its datasets")
    low = [-np.inf] if flow and axis.traits.underflow else []
    high = [np.inf] if flow and axis.traits.overflow else []
    return WeightedBins(np.concatenate([low, np.asarray(axis.edges, dtype=np.float64), high]), values, variances)
