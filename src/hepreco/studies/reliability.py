"""Calibration of a score as a probability, from its histograms."""

from dataclasses import dataclass

import hist
import numpy as np
from numpy.typing import NDArray

from hepreco.errors import StudyError
from hepreco.studies.weighted_bins import weighted_bins


@dataclass(frozen=True)
class Reliability:
    """The score of events, and the fraction of signal among events with this score.

    Parameters
    ----------
    predicted
        Mean score of the events of a bin, of shape ``(bin,)``; bins without events are left out.
    observed
        Weighted fraction of signal among them, with signal and background normalised to the same yield.
    uncertainty
        Standard deviation of ``observed``.
    fraction
        Fraction of all events in each bin.
    """

    predicted: NDArray[np.float64]
    observed: NDArray[np.float64]
    uncertainty: NDArray[np.float64]
    fraction: NDArray[np.float64]

    @property
    def expected_calibration_error(self) -> float:
        """Mean of ``|observed - predicted|`` over the events; statistical fluctuations increase it if there are few."""
        return float(np.sum(self.fraction * np.abs(self.observed - self.predicted)))

    @property
    def bias(self) -> float:
        """Mean of ``(predicted - observed) sign(predicted - ½)`` over the events: positive for overconfident scores."""
        return float(np.sum(self.fraction * (self.predicted - self.observed) * np.sign(self.predicted - 0.5)))

    @property
    def chi2(self) -> float:
        """Σ (observed − predicted)²/σ² over the bins with signal and background."""
        known = self.uncertainty > 0
        return float(np.sum(((self.observed - self.predicted)[known] / self.uncertainty[known]) ** 2))

    @property
    def degrees_of_freedom(self) -> int:
        """Number of bins in :attr:`chi2`."""
        return int(np.count_nonzero(self.uncertainty))


def reliability(signal: hist.Hist, background: hist.Hist, *, bins: int = 20) -> Reliability:
    r"""Compare a score with the fraction of signal that it predicts.

    The score should be :math:`p_s/(p_s + p_b)` for equal yields of signal and background, so both histograms are
    normalised to one. With the fractions :math:`s_k, b_k` of signal and background in a bin,

    .. math:: f_k = \frac{s_k}{s_k + b_k}, \qquad
        σ_k^2 = \frac{b_k^2 σ^2(s_k) + s_k^2 σ^2(b_k)}{(s_k + b_k)^4}.

    Parameters
    ----------
    signal, background
        One-dimensional histograms with the same axis from 0 to 1 and ``Weight`` storage. Overflow counts as a score
        of 1.
    bins
        Number of bins of equal width between 0 and 1.

    Returns
    -------
    Reliability
        Predicted and observed fractions.

    Raises
    ------
    StudyError
        The axes differ or do not extend from 0 to 1, a histogram is not one-dimensional or lacks Σw², a sum of weights
        is not positive, that of a bin is negative, or the bins of the axis cannot be merged into ``bins`` bins.

    Notes
    -----
    Scores that are NaN are in the overflow and count as 1: remove them by a cut first.

    References
    ----------
    Guo et al., On calibration of modern neural networks, arXiv:1706.04599, section 2.

    Example
    -------
    >>> axis = hist.axis.Regular(100, 0, 1, name="score")
    >>> signal, background = (hist.Hist(axis, storage=hist.storage.Weight()) for _ in range(2))
    >>> reliability(signal.fill([0.755] * 3 + [0.255]), background.fill([0.755] + [0.255] * 3)).observed.tolist()
    [0.25, 0.75]
    """
    one, other = (weighted_bins(histogram, flow=True) for histogram in (signal, background))
    edges = np.asarray(signal.axes[0].edges)
    if not np.array_equal(one.edges, other.edges) or (edges[0], edges[-1]) != (0.0, 1.0):
        raise StudyError(
            f"signal has scores from {edges[0]:g} to {edges[-1]:g}; expected are the same bins from 0 to 1 for both",
            "fill both from one histogram specification with such an axis",
        )
    if not np.isin(np.linspace(0, 1, bins + 1).round(9), edges.round(9)).all():
        raise StudyError(
            f"{len(edges) - 1} bins cannot be merged into {bins}", "choose a divisor of the number of bins"
        )
    if min(one.values.sum(), other.values.sum()) <= 0:
        raise StudyError("a sum of weights is not positive", "check that both have events, and their weights")
    finite = np.clip(one.edges, 0.0, 1.0)
    centres = (finite[1:] + finite[:-1]) / 2
    group = np.minimum((centres * bins).astype(int), bins - 1)
    s, s_variance, b, b_variance = (
        np.bincount(group, values, minlength=bins)
        for each in (one.fractions, other.fractions)
        for values in (each.values, each.variances)
    )
    if min(s.min(), b.min()) < 0:
        raise StudyError(f"one of {bins} bins has a negative sum of weights", "choose fewer bins")
    total = s + b
    mean = np.bincount(group, centres * (one.fractions.values + other.fractions.values))
    filled = total > 0
    s, b, s_variance, b_variance, total, mean = (x[filled] for x in (s, b, s_variance, b_variance, total, mean))
    uncertainty = np.sqrt(b**2 * s_variance + s**2 * b_variance) / total**2
    return Reliability(mean / total, s / total, uncertainty, total / 2)
