"""Receiver operating characteristics from histograms of a score."""

from dataclasses import dataclass

import hist
import numpy as np
from numpy.typing import NDArray

from hepreco.errors import StudyError
from hepreco.studies.values import Value
from hepreco.studies.weighted_bins import weighted_bins


@dataclass(frozen=True)
class ROC:
    """Efficiencies at all edges of a score's bins, from the tightest cut (0, 0) to the loosest (1, 1).

    Parameters
    ----------
    thresholds
        Events pass with a score of at least this, or below this if lower scores are signal. The thresholds at the ends
        of an axis with under- and overflow are infinite.
    signal_efficiency, background_efficiency
        Weighted fractions that pass. With negative weights they need not be monotonic.
    signal_uncertainty, background_uncertainty
        Uncertainties of these fractions.
    auc
        Area under the curve: the probability that a signal event is more signal-like than a background event.
    auc_uncertainty
        Its standard deviation.
    """

    thresholds: NDArray[np.float64]
    signal_efficiency: NDArray[np.float64]
    background_efficiency: NDArray[np.float64]
    signal_uncertainty: NDArray[np.float64]
    background_uncertainty: NDArray[np.float64]
    auc: float
    auc_uncertainty: float

    def background_efficiency_at(self, signal_efficiency: float) -> Value:
        r"""Background efficiency at a given signal efficiency, interpolated between thresholds.

        .. math:: σ^2 = σ_b^2 + \left[\frac{ε_b(ε_s + σ_s) - ε_b(ε_s - σ_s)}{2}\right]^2

        The second term is due to the uncertainty of the threshold: the slope of the curve times :math:`σ_s`.

        Raises
        ------
        StudyError
            The signal efficiency is not between 0 and 1.
        """
        if not 0 < signal_efficiency <= 1:
            raise StudyError(
                f"the signal efficiency is {signal_efficiency}", "give an efficiency with 0 < efficiency ≤ 1"
            )
        statistical = self._interpolated(self.background_uncertainty, signal_efficiency)
        spread = self._interpolated(self.signal_uncertainty, signal_efficiency)
        low, high = (
            self._interpolated(self.background_efficiency, float(np.clip(signal_efficiency + shift, 0, 1)))
            for shift in (-spread, spread)
        )
        value = self._interpolated(self.background_efficiency, signal_efficiency)
        return Value(value, float(np.hypot(statistical, (high - low) / 2)))

    def background_rejection(self, signal_efficiency: float) -> Value:
        """One over the background efficiency at a given signal efficiency.

        Raises
        ------
        StudyError
            The signal efficiency is not between 0 and 1, or no background is left there.

        Example
        -------
        >>> axis = hist.axis.Regular(4, 0, 1, name="score")
        >>> signal, background = (hist.Hist(axis, storage=hist.storage.Weight()) for _ in range(2))
        >>> curve = roc(signal.fill([0.6, 0.8, 0.9, 0.9]), background.fill([0.1, 0.1, 0.3, 0.8]))
        >>> curve.background_rejection(0.75).value
        4.0
        """
        efficiency = self.background_efficiency_at(signal_efficiency)
        if efficiency.value <= 0:
            raise StudyError(
                f"no background is left at a signal efficiency of {signal_efficiency:g}",
                "choose a higher signal efficiency, or use more background events",
            )
        return Value(1 / efficiency.value, efficiency.uncertainty / efficiency.value**2)

    def _interpolated(self, along: NDArray[np.float64], signal_efficiency: float) -> float:
        """Linear interpolation between the tightest point that reaches the efficiency and its predecessor."""
        reached = self.signal_efficiency >= signal_efficiency - 1e-12
        after = max(int(np.argmax(reached)), 1)
        low, high = self.signal_efficiency[after - 1], self.signal_efficiency[after]
        part = (signal_efficiency - low) / (high - low) if high > low else 0.0
        return float(along[after - 1] + np.clip(part, 0, 1) * (along[after] - along[after - 1]))


def roc(signal: hist.Hist, background: hist.Hist, *, higher_is_signal: bool = True) -> ROC:
    r"""ROC curve of a score, from its histograms for signal and for background.

    With the bins' fractions :math:`s_k, b_k` of signal and background, in order of increasing likeness to signal,

    .. math:: \mathrm{AUC} = \sum_k s_k V_k, \qquad V_k = \sum_{l<k} b_l + \tfrac12 b_k,

    so that ties within a bin count one half. Its variance sums DeLong's structural components with squared weights,

    .. math:: σ^2 = \frac{\sum_k v^s_k (V_k - \mathrm{AUC})^2}{(\sum w_s)^2} + \text{the same for background}.

    Parameters
    ----------
    signal, background
        One-dimensional histograms with the same axis and ``Weight`` storage. Under- and overflow are bins of the curve.
    higher_is_signal
        Whether signal has the higher scores.

    Returns
    -------
    ROC
        Efficiencies at each edge, and the area.

    Raises
    ------
    StudyError
        The axes differ, a histogram is not one-dimensional or lacks Σw², or a sum of weights is not positive.

    Notes
    -----
    The curve of added histograms is that of the merged samples. Ties within bins change the area by at most half of
    :math:`\sum_k s_k b_k` compared with the unbinned one, so use fine bins. Variances are those of large samples:
    DeLong's :math:`n - 1` is :math:`n` here. Scores that are NaN are in the overflow and count among the highest:
    remove them by a cut first.

    References
    ----------
    E. DeLong, D. DeLong, D. Clarke-Pearson, Biometrics 44 (1988) 837.

    Example
    -------
    >>> axis = hist.axis.Regular(2, 0, 1, name="score")
    >>> signal, background = (hist.Hist(axis, storage=hist.storage.Weight()) for _ in range(2))
    >>> roc(signal.fill([0.2, 0.9, 0.9, 0.9]), background.fill([0.2, 0.2, 0.3, 0.9])).auc
    0.75
    """
    bins = [weighted_bins(histogram, flow=True) for histogram in (signal, background)]
    if not np.array_equal(bins[0].edges, bins[1].edges):
        raise StudyError(
            f"signal has {_described(signal)}, but background {_described(background)}",
            "fill both from one histogram specification",
        )
    for name, each in zip(("signal", "background"), bins, strict=True):
        if each.values.sum() <= 0:
            raise StudyError(
                f"the sum of {name} weights is {each.values.sum():g}, expected is a positive number",
                "check that the dataset has selected events, and its weights",
            )
    tightest_first = slice(None, None, -1) if higher_is_signal else slice(None)
    (s, s_variance), (b, b_variance) = (
        (each.fractions.values[tightest_first], each.fractions.variances[tightest_first]) for each in bins
    )
    # by bin, tightest first: fractions of less signal-like background and more signal-like signal; ties count one half
    background_after, signal_before = 1 - np.cumsum(b) + b / 2, np.cumsum(s) - s / 2
    auc = float(np.sum(s * background_after))
    variance = np.sum(s_variance * (background_after - auc) ** 2) + np.sum(b_variance * (signal_before - auc) ** 2)
    return ROC(
        bins[0].edges[tightest_first],
        _from_zero(s),
        _from_zero(b),
        _efficiency_uncertainty(s, s_variance),
        _efficiency_uncertainty(b, b_variance),
        auc,
        float(variance**0.5),
    )


def _from_zero(fractions: NDArray[np.float64]) -> NDArray[np.float64]:
    efficiency = np.concatenate([[0.0], np.cumsum(fractions)])
    efficiency[-1] = 1.0  # despite rounding
    return efficiency


def _efficiency_uncertainty(fractions: NDArray[np.float64], variances: NDArray[np.float64]) -> NDArray[np.float64]:
    """Weighted binomial uncertainty: σ² = [(1−ε)² Σ w² of passing events + ε² Σ w² of failing ones] / (Σw)²."""
    efficiency = _from_zero(fractions)
    passing = np.concatenate([[0.0], np.cumsum(variances)])
    return np.asarray(
        np.sqrt((1 - efficiency) ** 2 * passing + efficiency**2 * np.clip(passing[-1] - passing, 0, None))
    )


def _described(histogram: hist.Hist) -> str:
    axis = histogram.axes[0]
    return f"axis {axis.name!r} of {axis.size} bins in ({axis.edges[0]:g}, {axis.edges[-1]:g})"
