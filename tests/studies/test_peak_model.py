from itertools import pairwise

import numpy as np
import pytest
from scipy.integrate import quad
from scipy.stats import norm

from hepreco.studies.peak_model import Background, PeakModel

EXACT = 1e-9


@pytest.mark.parametrize(
    ("shape", "b1"), [("linear", 30.0), ("exponential", 2.0), ("exponential", -1.0), ("exponential", 0.0)]
)
def test_integrals_are_those_of_the_densities(shape: Background, b1: float) -> None:
    low, high, b0 = 100.0, 250.0, 80.0
    model = PeakModel(shape, low, high, (500.0, 170.0, 15.0, b0, b1))

    def density(mass: float) -> float:
        u = (mass - low) / (high - low)
        if shape == "linear":
            return (b0 * 2 * (1 - u) + b1 * 2 * u) / (high - low)
        return b0 * float(np.exp(-b1 * u)) / (high - low) / quad(lambda v: np.exp(-b1 * v), 0, 1)[0]

    assert model.background_events(120.0, 200.0) == pytest.approx(quad(density, 120.0, 200.0)[0], rel=EXACT)
    assert model.signal(150.0, 200.0) == pytest.approx(
        500 * np.diff(norm.cdf([150.0, 200.0], 170.0, 15.0))[0], rel=EXACT
    )
    edges = np.linspace(low, high, 7)
    slow = [model.signal(a, b) + model.background_events(a, b) for a, b in pairwise(edges)]
    assert model.expected(edges) == pytest.approx(slow, rel=EXACT)


def test_vanishing_slope_is_the_limit_of_small_ones() -> None:
    flat, tilted = (PeakModel("exponential", 0.0, 1.0, (0.0, 0.5, 0.1, 10.0, slope)) for slope in (0.0, 1e-7))
    assert tilted.background_events(0.0, 0.3) == pytest.approx(flat.background_events(0.0, 0.3), rel=1e-6)
