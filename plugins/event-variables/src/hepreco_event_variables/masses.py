"""Masses from a histogram of an event variable: templates, and the mass that fits best."""

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

#: Events in a bin from which on χ² is what its name says.
FEW = 5.0
#: From a sample to the variable of its events.
Variable = Callable[[TopologySample], NDArray[np.float64]]


@dataclass(frozen=True)
class MassEstimate:
    """What a histogram says about a mass.

    Parameters
    ----------
    mass
        Of largest likelihood, GeV.
    lower, upper
        Ends of the 68 % interval, where −2 ln L is larger by one, GeV.
    p_value
        That a histogram of this template fits worse: from χ² of Baker and Cousins, with bins that expect less than
        :data:`FEW` events taken together, and bins minus two degrees of freedom.
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
        Of the first parameter of the topology, increasing, GeV: (k,).
    edges
        Of the bins of the variable.
    fractions
        (k, bins + 2): the fraction of events in underflow, each bin, and overflow.
    events
        That each template was made of.
    """

    masses: NDArray[np.float64]
    edges: NDArray[np.float64]
    fractions: NDArray[np.float64]
    events: int

    def at(self, mass: float) -> NDArray[np.float64]:
        """Fractions between the masses, by monotone cubics bin by bin; no bin is emptier than one event."""
        fractions = np.clip(PchipInterpolator(self.masses, self.fractions)(mass), 1 / self.events, None)
        return cast("NDArray[np.float64]", fractions / fractions.sum())

    def fit(self, histogram: hist.Hist) -> MassEstimate:
        """The mass whose template fits a histogram of the variable best; its total is free.

        Weighted histograms are fitted as if each bin had the number of unweighted events that has its relative error
        (Bohm, Zech, arXiv:1309.1287).

        Raises
        ------
        DatasetError
            If the histogram has other bins, or no entries.
        ConfigError
            If the best mass is at the end of the templates.
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
        From a sample to the variable of its events, (event,).
    masses, others
        Values of the topology's first parameter, increasing, and the fixed values of the others, GeV. At all masses the
        events have the same random numbers, so that templates change smoothly.
    edges
        Of the bins.
    events, seed
        Per mass.

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
