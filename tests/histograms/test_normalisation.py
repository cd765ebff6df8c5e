import pytest

from hepreco.errors import ConfigError
from hepreco.histograms.normalisation import normalisation


def scaled(total, squares=1.0, **options):
    options = {"cross_section": 2.0, "luminosity": 3.0} | options
    return normalisation("a", sum_of_weights=total, sum_of_squares=squares, **options)


def test_expected_events_over_sum_of_weights():
    assert scaled(12_000.0) == (0.5, None)


def test_data_are_not_scaled_whatever_their_weights():
    assert scaled(0.0, cross_section=None) == (1.0, None)


@pytest.mark.parametrize("total", [0.0, 5e-324])
def test_weights_that_cancel_leave_sums_of_weights(total):
    scale, warning = scaled(total)
    assert scale == 1.0
    assert "dataset 'a': the weights of its events add up to" in warning
    assert "not normalised" in warning


def test_a_negative_sum_is_said_to_turn_signs():
    scale, warning = scaled(-6000.0)
    assert scale == -1.0
    assert "reverses the sign" in warning


def test_a_sum_that_may_be_zero_is_said_to_be_uncertain():
    assert scaled(199.0, 100.0**2)[1].startswith("dataset 'a': the weights of its events add up to 199 ± 1e+02")
    assert scaled(200.0, 100.0**2)[1] is None


def test_a_cross_section_needs_a_luminosity():
    with pytest.raises(ConfigError, match="no luminosity"):
        scaled(1.0, luminosity=None)
