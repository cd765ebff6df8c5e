"""Position, width and purity of a mass peak."""

from dataclasses import dataclass
from functools import partial

import hist
import numpy as np
from iminuit import Minuit
from iminuit.cost import ExtendedBinnedNLL
from jacobi import propagate
from numpy.typing import NDArray

from hepreco.errors import StudyError
from hepreco.studies.peak_model import Background, PeakModel, background_cdf, gaussian_cdf
from hepreco.studies.values import Value
from hepreco.studies.weighted_bins import WeightedBins, weighted_bins

NAMES = ("signal", "position", "width", "b0", "b1")
#: Smaller background coefficients, in events of average weight, are fixed at zero, so that none is at its limit.
NEGLIGIBLE = 0.01
#: Limit of the exponential's slope, which avoids overflow; no histogram resolves steeper slopes.
STEEPEST = 30.0


@dataclass(frozen=True)
class MassPeak:
    """The result of the fit of a mass peak; masses in the unit of the axis.

    Parameters
    ----------
    position, width
        Mean and standard deviation of the Gaussian.
    purity
        Signal / (signal + background) inside the window, from the fitted model.
    signal_yield
        Integral of the whole Gaussian, in sums of weights.
    window
        The mass window of the purity.
    fit_range
        The fitted range: the requested one, extended to edges of bins.
    chi2, ndof
        Pearson's χ², with variances from the model, over bins in which at least one event of average weight is
        expected, and the number of these bins minus that of fitted parameters.
    valid
        Whether the covariance matrix, and so all uncertainties, are reliable.
    model
        The fitted model, for drawing.
    """

    position: Value
    width: Value
    purity: Value
    signal_yield: Value
    window: tuple[float, float]
    fit_range: tuple[float, float]
    chi2: float
    ndof: int
    valid: bool
    model: PeakModel


def mass_peak(
    histogram: hist.Hist,
    *,
    window: tuple[float, float],
    fit_range: tuple[float, float] | None = None,
    background: Background = "linear",
) -> MassPeak:
    r"""Fit a Gaussian peak on a smooth background.

    Minimises the binned extended likelihood of weighted events. Each bin is Poisson, with observation and expectation
    divided by the local average weight :math:`Σw^2 / Σw` of the bin and its two neighbours on either side,

    .. math:: -2\ln L = 2 \sum_i s_i \left[μ_i - n_i + n_i \ln(n_i / μ_i)\right],
        \qquad s_i = \frac{\left|\sum_{j≈i} n_j\right|}{\sum_{j≈i} v_j}.

    The expectation is integrated over each bin. The uncertainty of the purity uses the full covariance matrix.

    Parameters
    ----------
    histogram
        A histogram with one numeric axis and ``Weight`` storage. Negative weights are allowed; under- and overflow are
        ignored.
    window
        The range in which the peak is searched and the purity computed.
    fit_range
        The range to fit; by default the window, widened by half its width on either side, within the axis.
    background
        Shape of the background.

    Returns
    -------
    MassPeak
        Position, width, purity and yield, each with its uncertainty, and the quality of the fit.

    Raises
    ------
    StudyError
        The histogram is empty, is not one-dimensional or lacks Σw², the ranges are outside its axis or contain too few
        bins, or the fit finds no peak: the signal is below its uncertainty or at the limit of the window.

    Notes
    -----
    The method is valid if the peak is Gaussian in the window and wider than about half a bin, and the background is
    smooth in the fit range: check ``chi2`` and the figure. Without a true peak the fit may find a fluctuation of two or
    three standard deviations, so it cannot establish a peak. Combinatorial background that peaks under the signal
    counts as signal. Uncertainties are symmetric, from the second derivatives at the minimum; they require about ten
    events of average weight in the peak. Coefficients of a linear background that the fit drives to zero are fixed
    there and add no uncertainty, so a very pure peak has a purity of 1 ± 0. Weights may depend on the mass, but not
    change abruptly from one bin to the next.

    References
    ----------
    R. Barlow, NIM A 297 (1990) 496 (extended likelihood); G. Bohm and G. Zech, NIM A 748 (2014) 1 (weights);
    H. Dembinski, M. Schmelling, R. Waldi, NIM A 940 (2019) 135 (negative weights).

    Example
    -------
    >>> rng = np.random.default_rng(1)
    >>> h = hist.Hist(hist.axis.Regular(50, 100, 250, name="mass"), storage=hist.storage.Weight())
    >>> h = h.fill(rng.normal(172.5, 15, 10_000)).fill(rng.uniform(100, 250, 5_000))
    >>> peak = mass_peak(h, window=(140.0, 205.0))
    >>> print(peak.position, "|", peak.width, "|", peak.purity)
    172.14 ± 0.20 | 14.83 ± 0.19 | 0.8171 ± 0.0050
    """
    bins = _in_range(weighted_bins(histogram), window=window, fit_range=fit_range)
    unit = float(bins.variances.sum() / bins.values.sum())  # the average weight
    fit = _fit(_in_units(bins, unit), window=window, shape=background)
    low, high = float(bins.edges[0]), float(bins.edges[-1])
    yields = np.array([unit, 1.0, 1.0, unit, unit if background == "linear" else 1.0])
    parameters, covariance = np.array(fit.values) * yields, np.array(fit.covariance) * np.outer(yields, yields)
    values = [Value(float(p), float(v) ** 0.5) for p, v in zip(parameters, np.diag(covariance), strict=True)]
    model = PeakModel(background, low, high, _five(parameters))
    chi2, used = _pearson(bins, model)
    return MassPeak(
        position=values[1],
        width=values[2],
        purity=_purity(model, covariance, window=window),
        signal_yield=values[0],
        window=(float(window[0]), float(window[1])),
        fit_range=(low, high),
        chi2=chi2,
        ndof=used - fit.nfit,
        valid=bool(fit.accurate),
        model=model,
    )


def _in_range(
    bins: WeightedBins, *, window: tuple[float, float], fit_range: tuple[float, float] | None
) -> WeightedBins:
    """The bins that overlap the fit range; raises if they cannot be fitted."""
    first, last = bins.edges[0], bins.edges[-1]
    if not first <= window[0] < window[1] <= last:
        raise StudyError(
            f"window {window} is not inside the axis, which spans ({first:g}, {last:g})", "move the window"
        )
    margin = (window[1] - window[0]) / 2
    low, high = fit_range or (max(first, window[0] - margin), min(last, window[1] + margin))
    if not first <= low <= window[0] < window[1] <= high <= last:
        raise StudyError(
            f"fit range ({low:g}, {high:g}) must contain the window {window}, within the axis ({first:g}, {last:g})",
            "choose a fit range around the window, within the axis",
        )
    rounding = 1e-9 * (last - first)
    start = int(np.searchsorted(bins.edges, low + rounding, side="right")) - 1
    stop = int(np.searchsorted(bins.edges, high - rounding, side="left"))
    if stop - start <= len(NAMES):
        raise StudyError(
            f"fit range ({low:g}, {high:g}) has {stop - start} bins, but more than {len(NAMES)} are needed",
            "widen the fit range, or book finer bins",
        )
    kept = WeightedBins(bins.edges[start : stop + 1], bins.values[start:stop], bins.variances[start:stop])
    if kept.values.sum() <= 0:
        raise StudyError(
            f"the sum of weights in the fit range ({low:g}, {high:g}) is {kept.values.sum():g}: nothing to fit",
            "check that the dataset has selected events, and the fit range",
        )
    return kept


def _in_units(bins: WeightedBins, unit: float) -> WeightedBins:
    """Convert to events of average weight, with variances smoothed over neighbouring bins."""
    values, variances = bins.values / unit, bins.variances / unit**2
    local, spread = (np.convolve(x, np.ones(5), mode="same") for x in (values, variances))
    scale = np.divide(np.abs(local), spread, out=np.ones_like(local), where=(spread > 0) & (local != 0))
    return WeightedBins(bins.edges, values, np.abs(values) / scale)


def _fit(bins: WeightedBins, *, window: tuple[float, float], shape: Background) -> Minuit:
    """The best of fits that start from several widths."""
    low, high = bins.edges[0], bins.edges[-1]
    background = partial(background_cdf, shape=shape, low=low, high=high)

    def cdf(edges: NDArray[np.float64], *parameters: float) -> NDArray[np.float64]:
        return gaussian_cdf(edges, *parameters[:3]) + background(edges, *parameters[3:])

    cost = ExtendedBinnedNLL(np.stack([bins.values, bins.variances], axis=-1), bins.edges, cdf, name=NAMES)
    fits = [_minimise(cost, start, bins, window=window, shape=shape) for start in _starts(bins, window, shape)]
    fit = min(fits, key=lambda fit: (not fit.valid, fit.fval))
    fit.hesse()
    _require_peak(fit, bins, window)
    return fit


def _minimise(
    cost: ExtendedBinnedNLL,
    start: tuple[float, ...],
    bins: WeightedBins,
    *,
    window: tuple[float, float],
    shape: Background,
) -> Minuit:
    fit = Minuit(cost, *start, name=NAMES)
    fit.limits["signal"] = fit.limits["b0"] = (0, None)
    fit.limits["position"] = window
    fit.limits["width"] = (0.05 * float(np.diff(bins.edges).min()), float(bins.edges[-1] - bins.edges[0]))
    fit.limits["b1"] = (0, None) if shape == "linear" else (-STEEPEST, STEEPEST)
    fit.strategy = 1
    fit.migrad()
    for name in ("b0", "b1") if shape == "linear" else ("b0",):
        if fit.values[name] < NEGLIGIBLE:
            fit.values[name] = 0.0
            fit.fixed[name] = True
    if shape == "exponential" and fit.fixed["b0"]:
        fit.values["b1"] = 0.0
        fit.fixed["b1"] = True
    if any(fit.fixed):
        fit.migrad()
    return fit


def _starts(bins: WeightedBins, window: tuple[float, float], shape: Background) -> list[tuple[float, ...]]:
    """Start values: the background from the sides of the window, and the peak, with several widths, from the excess."""
    centres, widths = (bins.edges[1:] + bins.edges[:-1]) / 2, np.diff(bins.edges)
    span = bins.edges[-1] - bins.edges[0]
    inside = (centres > window[0]) & (centres < window[1])
    sides = [side for side in (centres <= window[0], centres >= window[1]) if side.any()]
    densities = [max(float(bins.values[side].sum() / widths[side].sum()), 0.0) for side in sides] or [0.0]
    total = float(np.sum(bins.values))
    b0, b1 = (max(density * span / 2, 0.01 * total) for density in (densities[0], densities[-1]))
    left = np.clip(bins.values - (b0 + b1) * widths / span, 0, None) * inside
    signal = max(float(left.sum()), 0.05 * total)
    peak = left / left.sum() if left.sum() > 0 else inside / max(inside.sum(), 1)
    position = float(np.clip(np.sum(peak * centres), *_shrunk(window)))
    highest = float(np.clip(centres[np.argmax(left)], *_shrunk(window)))
    width = max(float(np.sum(peak * (centres - position) ** 2)) ** 0.5, float(widths.min()) / 2)
    tail = (b0, b1) if shape == "linear" else (b0 + b1, float(np.clip(np.log(b0 / b1), -5, 5)))
    return [
        (signal, start, width * factor, *tail) for start, factor in ((position, 1.0), (highest, 0.4), (position, 2.0))
    ]


def _shrunk(window: tuple[float, float]) -> tuple[float, float]:
    margin = 0.01 * (window[1] - window[0])
    return window[0] + margin, window[1] - margin


def _require_peak(fit: Minuit, bins: WeightedBins, window: tuple[float, float]) -> None:
    signal, position, width = (fit.values[name] for name in ("signal", "position", "width"))
    spread = fit.errors["signal"]
    found = f"signal {signal:.3g} ± {spread:.2g} events of average weight, position {position:.5g}, width {width:.3g}"
    if signal < max(1.0, spread) or not _shrunk(window)[0] < position < _shrunk(window)[1]:
        raise StudyError(f"there is no peak in the window {window}: the fit found {found}", "move or widen the window")
    if width < 0.1 * np.diff(bins.edges).min():
        raise StudyError(f"the peak is too narrow for its bins: the fit found {found}", "book finer bins")
    if width > 0.5 * (bins.edges[-1] - bins.edges[0]):
        raise StudyError(f"the peak is wider than the fit range: the fit found {found}", "widen the fit range")
    if not fit.valid or fit.covariance is None:
        raise StudyError(
            f"the fit did not converge: it stopped at {found}",
            "change the fit range or the background's shape, or add events",
        )


def _pearson(bins: WeightedBins, model: PeakModel) -> tuple[float, int]:
    """Pearson's χ² with variances from the model, and the number of bins."""
    expected = model.expected(bins.edges)
    local, spread = (np.convolve(x, np.ones(5), mode="same") for x in (bins.values, bins.variances))
    weight = np.divide(spread, np.abs(local), out=np.full_like(local, np.inf), where=(local != 0) & (spread > 0))
    used = expected >= weight
    residuals = bins.values[used] - expected[used]
    return float(np.sum(residuals**2 / (expected[used] * weight[used]))), int(used.sum())


def _purity(model: PeakModel, covariance: NDArray[np.float64], *, window: tuple[float, float]) -> Value:
    def purity(parameters: NDArray[np.float64]) -> float:
        varied = PeakModel(model.background, model.low, model.high, _five(parameters))
        signal = varied.signal(*window)
        return signal / (signal + varied.background_events(*window))

    value, variance = propagate(purity, np.array(model.parameters), covariance)
    return Value(float(value), max(float(variance), 0.0) ** 0.5)


def _five(parameters: NDArray[np.float64]) -> tuple[float, float, float, float, float]:
    signal, position, width, b0, b1 = (float(parameter) for parameter in parameters)
    return signal, position, width, b0, b1
