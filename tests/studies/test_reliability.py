import hist
import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn.calibration import calibration_curve

from hepreco.errors import StudyError
from hepreco.studies import Reliability, reliability

Array = NDArray[np.float64]


def filled(scores: Array, weight: Array | float = 1.0, *, bins: int = 1000, high: float = 1.0) -> hist.Hist:
    axis = hist.axis.Regular(bins, 0, high, name="score")
    return hist.Hist(axis, storage=hist.storage.Weight()).fill(scores, weight=weight)


def ratios(size: int, *, sharper: float = 1.0) -> tuple[Array, Array]:
    """Likelihood ratios of two Gaussians as probabilities; ``sharper`` multiplies their logarithms."""
    rng = np.random.default_rng(1)
    signal, background = rng.normal(0.5, 1, size), rng.normal(-0.5, 1, size)
    return tuple(1 / (1 + np.exp(-sharper * x)) for x in (signal, background))


def test_a_likelihood_ratio_is_reliable() -> None:
    signal, background = (filled(scores) for scores in ratios(100_000))
    found = reliability(signal, background)
    assert isinstance(found, Reliability)
    assert found.degrees_of_freedom == 20
    assert abs(found.chi2 - 20) < 4 * np.sqrt(2 * 20)
    assert found.expected_calibration_error < 0.01
    assert abs(found.bias) < 0.005
    assert found.fraction.sum() == pytest.approx(1)


def test_bins_are_those_of_scikit_learn() -> None:
    signal, background = ratios(2000, sharper=2.0)
    found = reliability(filled(signal), filled(background), bins=10)
    observed, predicted = calibration_curve(np.repeat([1, 0], 2000), np.concatenate([signal, background]), n_bins=10)
    np.testing.assert_allclose(found.observed, observed, atol=1e-12)
    np.testing.assert_allclose(found.predicted, predicted, atol=5e-4)  # a fine bin counts as its centre


def test_what_is_too_sure_has_a_positive_bias() -> None:
    errors = {}
    for sharper in (0.5, 2.0):
        signal, background = (filled(scores) for scores in ratios(50_000, sharper=sharper))
        found = reliability(signal, background)
        assert found.chi2 > 1000
        errors[sharper] = found.bias
        assert abs(found.bias) == pytest.approx(found.expected_calibration_error, abs=0.01)
    assert errors[0.5] < -0.05
    assert errors[2.0] > 0.05


def test_uncertainties_are_those_of_repeated_samples() -> None:
    rng = np.random.default_rng(2)
    observed = []
    for _ in range(400):
        signal, background = (rng.choice(scores, 1000) for scores in ratios(100_000))
        found = reliability(filled(signal), filled(background, rng.exponential(3, 1000)), bins=4)
        observed.append(found.observed)
    spread = np.std(observed, axis=0)
    np.testing.assert_allclose(found.uncertainty, spread, rtol=0.2)


def test_weights_and_yields_do_not_matter_but_for_their_shape() -> None:
    signal, background = ratios(1000)
    one = reliability(filled(signal), filled(background))
    other = reliability(filled(signal, 0.01), filled(background, 30.0))
    np.testing.assert_allclose(one.observed, other.observed)
    np.testing.assert_allclose(one.uncertainty, other.uncertainty)


def test_scores_of_one_are_in_the_last_bin() -> None:
    found = reliability(filled(np.array([1.0, 1.0])), filled(np.array([0.2, 1.0])))
    assert found.predicted[-1] == 1.0
    assert found.observed.tolist() == [0.0, pytest.approx(2 / 3)]


@pytest.mark.parametrize(
    ("signal", "background", "bins", "message"),
    [
        (filled(np.array([0.5]), high=2.0), filled(np.array([0.5]), high=2.0), 20, "from 0 to 2"),
        (filled(np.array([0.5])), filled(np.array([0.5]), bins=100), 20, "the same bins"),
        (filled(np.array([0.5])), filled(np.array([0.5])), 30, "cannot be merged into 30"),
        (filled(np.array([])), filled(np.array([0.5])), 20, "not positive"),
        (filled(np.array([0.1, 0.9]), np.array([-1.0, 3.0])), filled(np.array([0.5])), 20, "negative"),
    ],
)
def test_bad_input_is_refused(signal: hist.Hist, background: hist.Hist, bins: int, message: str) -> None:
    with pytest.raises(StudyError, match=message):
        reliability(signal, background, bins=bins)
