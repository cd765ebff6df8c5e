import awkward as ak
import numpy as np
import pytest

from hepreco.errors import DatasetError
from hepreco.events.weights import generator_weights


def weights(values, dtype="f8"):
    return generator_weights(ak.Array({"genWeight": np.array(values, dtype)}))


def test_they_are_rounded_to_float32():
    assert weights([0.1, -2.0]).tolist() == np.float32([0.1, -2.0]).tolist()
    assert weights([3], "i4").dtype == np.float32


def test_what_is_not_finite_stays():
    assert weights([np.inf, -np.inf, 1.0])[:2].tolist() == [np.inf, -np.inf]
    assert np.isnan(weights([np.nan, 1.0])[0])


@pytest.mark.parametrize("values", [[1.0, 1e39], [-1e300, 1.0], [1e-60, -1e-50]])
def test_what_float32_cannot_hold_is_refused(values):
    with pytest.raises(DatasetError, match="beyond the range of float32"):
        weights(values)


def test_a_weight_that_is_tiny_beside_others_is_zero():
    assert weights([1.0, 1e-60]).tolist() == [1.0, 0.0]


def test_no_events():
    assert len(weights([])) == 0
