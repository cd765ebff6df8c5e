import numpy as np

from hepreco.plotting.bins import is_linear, is_logarithmic, per_bin


def test_spacing_is_recognised() -> None:
    linear, logarithmic, other = np.linspace(0.1, 0.3, 31), np.geomspace(0.01, 1e5, 61), np.array([1.0, 2.0, 5.0, 6.0])
    assert [is_linear(edges) for edges in (linear, logarithmic, other)] == [True, False, False]
    assert [is_logarithmic(edges) for edges in (linear, logarithmic, other)] == [False, True, False]


def test_width_and_unit_are_named() -> None:
    assert per_bin("Events", np.linspace(0, 1, 401), label="score") == "Events / 0.0025"
    assert per_bin("Events", np.linspace(0, 1, 3), label="|η| of jet [1] [rad]") == "Events / 0.5 rad"
