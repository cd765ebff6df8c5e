from collections.abc import Callable

import hist
import numpy as np
import pytest
from scipy.stats import kstest

from hepreco.errors import ConfigError, DatasetError
from hepreco.generation import TopologySample, sample_topology
from hepreco_event_variables.kinematic_variables import transverse_mass
from hepreco_event_variables.masses import Templates, templates

EDGES = np.linspace(0, 500, 26)
TRUE = 320.0


def variable(sample: TopologySample) -> np.ndarray:
    """m_T smeared by 10 %, so that no spectrum has a sharp end."""
    noise = np.random.default_rng(1).normal(1.0, 0.1, len(sample.parameters))
    return transverse_mass(sample.visible, sample.missing_momentum).numpy() * noise


@pytest.fixture(scope="module")
def made() -> Templates:
    masses = np.arange(260.0, 400.0, 20.0)
    return templates(variable, topology="semi-visible", masses=masses, others=(100.0,), edges=EDGES, events=20_000)


def histogram_of(values: np.ndarray, weight: float | None = None) -> hist.Hist:
    filled = hist.Hist(
        hist.axis.Variable(EDGES), storage=hist.storage.Double() if weight is None else hist.storage.Weight()
    )
    return filled.fill(values) if weight is None else filled.fill(values, weight=weight)


@pytest.mark.parametrize("experiments", [30, pytest.param(300, marks=pytest.mark.slow)])
def test_intervals_cover_the_mass(made: Templates, experiments: int, record_property: Callable[[str, object], None]):
    """68 % of pseudo-experiments hold the true mass, give or take four standard deviations; p-values are uniform."""
    generator, expected = np.random.default_rng(2), made.at(TRUE)
    covered, p_values = 0, []
    for _ in range(experiments):
        filled = histogram_of(np.array([]))
        filled.view(flow=True)[:] = generator.poisson(500 * expected)
        found = made.fit(filled)
        covered += found.lower <= TRUE <= found.upper
        p_values.append(found.p_value)
    spread, uniform = np.sqrt(0.683 * 0.317 / experiments), kstest(p_values, "uniform").pvalue
    record_property("coverage", f"{covered / experiments:.3f}; nominal 0.683 ± {spread:.3f}")
    record_property("p-value of uniform p-values", f"{uniform:.3f}")
    assert abs(covered / experiments - 0.683) < 4 * spread
    assert uniform > 1e-3


def test_the_mass_of_an_independent_sample(made: Templates):
    sample = sample_topology("semi-visible", events=5000, seed=11, parameters=(TRUE, 100.0))
    found = made.fit(histogram_of(variable(sample)))
    error = (found.upper - found.lower) / 2
    assert 0.1 < error < 5.0
    assert abs(found.mass - TRUE) < 4 * error


def test_weights_count_by_their_variance(made: Templates):
    values = variable(sample_topology("semi-visible", events=1000, seed=12, parameters=(TRUE, 100.0)))
    plain, weighted = made.fit(histogram_of(values)), made.fit(histogram_of(values, weight=0.1))
    assert weighted.mass == pytest.approx(plain.mass, abs=0.1)
    assert weighted.upper - weighted.lower == pytest.approx(plain.upper - plain.lower, rel=0.01)


def test_bad_input(made: Templates):
    with pytest.raises(DatasetError, match="other bins"):
        made.fit(hist.Hist(hist.axis.Regular(3, 0, 1)))
    with pytest.raises(DatasetError, match="empty"):
        made.fit(histogram_of(np.array([])))
    with pytest.raises(ConfigError, match="reaches the end"):
        made.fit(histogram_of(variable(sample_topology("semi-visible", events=500, seed=1, parameters=(450.0, 100.0)))))
    with pytest.raises(ConfigError, match="at least four"):
        templates(variable, topology="semi-visible", masses=(1.0, 2.0), others=(0.0,), edges=EDGES)
