import hist
import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.stats import norm
from sklearn.metrics import roc_auc_score

from hepreco.errors import StudyError
from hepreco.studies import ROC, roc

SEPARATION = 1.5
AREA = 1e-3  # between the histogram's area and the unbinned one
WEIGHT = hist.storage.Weight()
Array = NDArray[np.float64]


def filled(
    scores: Array, weight: Array | float = 1.0, *, bins: int = 1000, low: float = -5, high: float = 7
) -> hist.Hist:
    return hist.Hist(hist.axis.Regular(bins, low, high, name="score"), storage=WEIGHT).fill(scores, weight=weight)


def gaussians(rng: np.random.Generator, *, size: int = 20_000) -> tuple[Array, Array]:
    return rng.normal(SEPARATION, 1, size), rng.normal(0, 1, size)


def gaussian_roc(seed: int = 1, *, size: int = 20_000) -> ROC:
    signal, background = gaussians(np.random.default_rng(seed), size=size)
    return roc(filled(signal), filled(background))


def test_area_is_that_of_unbinned_weighted_events() -> None:
    rng = np.random.default_rng(2)
    signal, background = gaussians(rng)
    weights = rng.exponential(1, signal.size), rng.exponential(5, background.size)
    curve = roc(filled(signal, weights[0]), filled(background, weights[1]))
    is_signal = np.repeat([1, 0], signal.size)
    expected = roc_auc_score(is_signal, np.concatenate([signal, background]), sample_weight=np.concatenate(weights))
    assert curve.auc == pytest.approx(expected, abs=AREA)


def test_area_of_two_gaussians_is_the_analytic_one() -> None:
    curve = gaussian_roc(size=100_000)
    assert curve.auc == pytest.approx(norm.cdf(SEPARATION / 2**0.5), abs=4 * curve.auc_uncertainty)


def test_area_is_the_integral_of_the_curve() -> None:
    rng = np.random.default_rng(3)
    signal, background = gaussians(rng, size=500)
    weight = np.where(rng.random(500) < 0.2, -1.0, 1.0)
    curve = roc(filled(signal, weight, bins=20), filled(background, bins=20))
    trapezoids = np.trapezoid(curve.signal_efficiency, curve.background_efficiency)
    assert curve.auc == pytest.approx(trapezoids, abs=1e-12)


def test_area_and_uncertainty_are_delongs_sums_over_pairs() -> None:
    rng = np.random.default_rng(4)
    signal, background = (rng.integers(0, 6, size).astype(float) for size in (30, 40))
    ws, wb = rng.uniform(-0.2, 1, 30), rng.uniform(0.5, 2, 40)
    better = (signal[:, None] > background) + 0.5 * (signal[:, None] == background)
    auc = ws @ better @ wb / ws.sum() / wb.sum()
    v10, v01 = better @ wb / wb.sum(), ws @ better / ws.sum()
    variance = ws**2 @ (v10 - auc) ** 2 / ws.sum() ** 2 + wb**2 @ (v01 - auc) ** 2 / wb.sum() ** 2
    curve = roc(*(filled(x, w, bins=6, low=-0.5, high=5.5) for x, w in ((signal, ws), (background, wb))))
    assert curve.auc == pytest.approx(auc)
    assert curve.auc_uncertainty == pytest.approx(variance**0.5)


@pytest.mark.parametrize("spread", [False, True])
def test_area_uncertainty_is_that_of_a_bootstrap(spread: bool) -> None:
    rng = np.random.default_rng(5)
    signal, background = gaussians(rng, size=1000)
    ws, wb = (rng.exponential(1, 1000) if spread else np.ones(1000) for _ in range(2))
    areas = [
        roc(filled(signal, ws * rng.poisson(1, 1000)), filled(background, wb * rng.poisson(1, 1000))).auc
        for _ in range(400)
    ]
    assert roc(filled(signal, ws), filled(background, wb)).auc_uncertainty == pytest.approx(np.std(areas), rel=0.1)


def test_lower_scores_can_be_signal() -> None:
    signal, background = gaussians(np.random.default_rng(6))
    up, down = roc(filled(signal), filled(background)), roc(filled(signal), filled(background), higher_is_signal=False)
    assert up.auc + down.auc == pytest.approx(1)
    mirrored = roc(filled(-signal, low=-7, high=5), filled(-background, low=-7, high=5), higher_is_signal=False)
    assert mirrored.auc == pytest.approx(up.auc)
    assert mirrored.background_rejection(0.5).value == pytest.approx(up.background_rejection(0.5).value)
    assert mirrored.thresholds == pytest.approx(-up.thresholds)


def test_sum_of_histograms_is_the_merged_sample() -> None:
    rng = np.random.default_rng(7)
    parts = [gaussians(rng, size=size) for size in (100, 3000, 1)]
    added = roc(*(sum(filled(part[which]) for part in parts[1:]) + filled(parts[0][which]) for which in (0, 1)))
    whole = roc(*(filled(np.concatenate([part[which] for part in parts])) for which in (0, 1)))
    assert np.array_equal(added.background_efficiency, whole.background_efficiency)
    assert (added.auc, added.auc_uncertainty) == (whole.auc, whole.auc_uncertainty)


def test_under_and_overflow_are_bins() -> None:
    signal, background = np.array([0.5, 9.0, 9.0]), np.array([-9.0, 0.5, -9.0])
    curve = roc(*(filled(scores, bins=1, low=0, high=1) for scores in (signal, background)))
    assert curve.thresholds.tolist() == [np.inf, 1, 0, -np.inf]
    assert curve.signal_efficiency.tolist() == pytest.approx([0, 2 / 3, 1, 1])
    assert curve.background_efficiency.tolist() == pytest.approx([0, 0, 1 / 3, 1])
    assert curve.auc == pytest.approx(17 / 18)  # of nine pairs, one is a tie


@pytest.mark.parametrize("efficiency", [0.3, 0.5, 0.7, 0.9])
def test_rejection_is_the_analytic_one(efficiency: float) -> None:
    found = gaussian_roc(size=100_000).background_rejection(efficiency)
    assert found.value == pytest.approx(1 / norm.sf(norm.isf(efficiency, SEPARATION)), abs=4 * found.uncertainty)


def test_rejection_between_two_points_of_the_curve_is_on_the_line_between_them() -> None:
    coarse = {"bins": 2, "low": 0, "high": 2}  # at 1 the curve has (0.75, 0.25), at 0 all
    curve = roc(filled(np.repeat([1.5, 0.5], [3, 1]), **coarse), filled(np.repeat([1.5, 0.5], [1, 3]), **coarse))
    assert [1 / curve.background_rejection(each).value for each in (0.375, 0.75, 0.875)] == [0.125, 0.25, 0.625]


def test_rejection_uncertainty_is_the_spread_over_samples() -> None:
    curves = [gaussian_roc(seed, size=2000) for seed in range(400)]
    for efficiency in (0.3, 0.6, 0.9):
        found = [curve.background_efficiency_at(efficiency) for curve in curves]
        spread = np.std([each.value for each in found])
        assert np.mean([each.uncertainty for each in found]) == pytest.approx(spread, rel=0.1)


def test_efficiencies_are_binomial() -> None:
    curve = gaussian_roc(size=5000)
    for efficiency, uncertainty in (
        (curve.signal_efficiency, curve.signal_uncertainty),
        (curve.background_efficiency, curve.background_uncertainty),
    ):
        assert uncertainty == pytest.approx(np.sqrt(efficiency * (1 - efficiency) / 5000), abs=1e-9)


def test_rejection_without_background_says_so() -> None:
    curve = roc(filled(np.array([1.0, 2.0])), filled(np.array([-1.0, 0.0])))
    assert curve.background_efficiency_at(0.9).value == 0
    with pytest.raises(StudyError, match="no background is left"):
        curve.background_rejection(0.9)
    with pytest.raises(StudyError, match="0 < efficiency"):
        curve.background_rejection(1.2)


@pytest.mark.parametrize(
    ("signal", "background", "message"),
    [
        (filled(np.ones(3)), filled(np.ones(3), bins=10), "but background axis"),
        (filled(np.ones(3)), filled(np.array([])), "sum of background weights is 0"),
        (filled(np.ones(3), -1.0), filled(np.ones(3)), "sum of signal weights is -3"),
        (hist.Hist(hist.axis.Regular(3, 0, 1, name="score")), filled(np.ones(3)), "lacks Σw²"),
    ],
)
def test_what_has_no_curve_says_why(signal: hist.Hist, background: hist.Hist, message: str) -> None:
    with pytest.raises(StudyError, match=message):
        roc(signal, background)
