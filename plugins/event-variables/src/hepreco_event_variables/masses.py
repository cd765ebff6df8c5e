"""Measure a mass from a histogram of an event variable by fitting templates."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import cast

import hist
import numpy as np
from numpy.typing import NDArray
from scipy.interpolate import PchipInterpolator
from scipy.optimize import brentq, minimize_scalar
from scipy.special import xlogy
from scipy.stats import chi2

from hepreco.errors import ConfigError, DatasetError
from hepreco.generation import TopologySample, find_topology, sample_topology

#: Expected events in a bin from which on its contribution is taken to follow a χ² distribution.
FEW = 5.0
#: A function from a sample to the variable of each of its events.
Variable = Callable[[TopologySample], NDArray[np.float64]]


@dataclass(frozen=True)
class MassEstimate:
    """A mass that was fitted to a histogram, with its interval.

    Parameters
    ----------
    mass
        The mass of largest likelihood, in GeV.
    lower, upper
        Ends of the 68 % interval in GeV, where −2 ln L is one above its minimum.
    p_value
        Probability that a histogram of this template fits worse, by the χ² of Baker and Cousins. Bins with fewer than
        :data:`FEW` expected events are merged; the degrees of freedom are the bins minus two.
    """

    mass: float
    lower: float
    upper: float
    p_value: float


@dataclass(frozen=True)
class Templates:
    """Unit-normalised spectra of a variable at known masses.

    Parameters
    ----------
    masses
        Values of the topology's first parameter in GeV, increasing: (k,).
    edges
        Edges of the variable's bins.
    fractions
        (k, bins + 2): the fraction of events in underflow, each bin, and overflow.
    events
        Number of events in each template.
    """

    masses: NDArray[np.float64]
    edges: NDArray[np.float64]
    fractions: NDArray[np.float64]
    events: int

    def at(self, mass: float) -> NDArray[np.float64]:
        """Fractions at a mass, interpolated bin by bin with monotone cubics; each at least that of one event."""
        fractions = np.clip(PchipInterpolator(self.masses, self.fractions)(mass), 1 / self.events, None)
        return cast("NDArray[np.float64]", fractions / fractions.sum())

    def fit(self, histogram: hist.Hist) -> MassEstimate:
        """The mass whose template fits the histogram best, with free normalisation.

        Weighted histograms are scaled to the number of unweighted events with the same relative error (Bohm, Zech,
        arXiv:1309.1287).

        Raises
        ------
        DatasetError
            If the histogram has other bins, or no entries.
        ConfigError
            If the mass or its interval reaches the end of the templates.
        """
        if len(histogram.axes) != 1 or not np.array_equal(histogram.axes[0].edges, self.edges):
            raise DatasetError("the histogram has other bins than the templates", "fill it with their edges")
        values = histogram.values(flow=True)
        variances = histogram.variances(flow=True)
        if values.sum() <= 0:
            raise DatasetError("the histogram is empty", "fill it with events that have an answer")
        scale = values.sum() / variances.sum() if variances is not None else 1.0
        counts = values * scale

        def cost(mass: float) -> float:
            return _chi2(counts, counts.sum() * self.at(mass))

        grid = np.linspace(self.masses[0], self.masses[-1], 20 * len(self.masses))
        costs = np.array([cost(mass) for mass in grid])
        best = int(costs.argmin())
        around = grid[[max(best - 1, 0), min(best + 1, len(grid) - 1)]]
        mass = float(minimize_scalar(cost, bounds=around, method="bounded").x)
        limit = cost(mass) + 1
        outside = np.flatnonzero(costs > limit)
        below, above = outside[grid[outside] < mass], outside[grid[outside] > mass]
        if not len(below) or not len(above):
            raise ConfigError(
                f"the mass {mass:.1f} GeV or its interval reaches the end of the templates, "
                f"{self.masses[0]:g} to {self.masses[-1]:g} GeV",
                "make templates of a wider range, or fill more events",
            )
        lower, upper = (brentq(lambda m: cost(m) - limit, mass, grid[k]) for k in (below[-1], above[0]))
        p_value = _p_value(counts, counts.sum() * self.at(mass))
        return MassEstimate(mass, lower, upper, p_value)


def templates(
    variable: Variable,
    *,
    topology: str,
    masses: Sequence[float] | NDArray[np.float64],
    others: Sequence[float] = (),
    edges: Sequence[float] | NDArray[np.float64],
    events: int = 50_000,
    seed: int = 1,
) -> Templates:
    """Templates of a variable on generated events.

    Parameters
    ----------
    variable
        A function from a sample to the variable of its events, (event,).
    masses, others
        Values of the topology's first parameter, increasing, and the fixed values of the others, in GeV. All masses use
        the same random numbers, so that templates change smoothly.
    edges
        Edges of the variable's bins.
    events, seed
        Number of events per mass, and their seed.

    Raises
    ------
    ConfigError
        If there are fewer than four masses, or they do not increase.
    """
    if len(masses) < 4 or np.any(np.diff(masses) <= 0):
        raise ConfigError(f"templates at {len(masses)} masses", "give at least four, in increasing order")
    found = find_topology(topology)
    rows = []
    for mass in masses:
        sample = sample_topology(found, events=events, seed=seed, parameters=(mass, *others))
        filled = hist.Hist(hist.axis.Variable(list(edges)))
        filled.fill(variable(sample))
        rows.append(filled.values(flow=True) / events)
    return Templates(np.array(masses, dtype=float), np.array(edges, dtype=float), np.array(rows), events)


def _chi2(counts: NDArray[np.float64], expected: NDArray[np.float64]) -> float:
    """−2 ln of the likelihood ratio to a perfect fit (Baker, Cousins, NIM 221 (1984) 437)."""
    return float(2 * np.sum(expected - counts + xlogy(counts, counts / expected)))


def _p_value(counts: NDArray[np.float64], expected: NDArray[np.float64]) -> float:
    few = expected < FEW
    together = [np.append(values[~few], values[few].sum()) for values in (counts, expected)]
    return float(chi2.sf(_chi2(*together), max(len(together[0]) - 2, 1)))
