"""The calibration of V in GeV, from the peaks of its spectra at known masses."""

from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.optimize import isotonic_regression
from scipy.stats import gaussian_kde, spearmanr

from hepreco.generation import TopologySample, find_topology, sample_topology
from hepreco.generation.randomness import uniforms
from hepreco_event_variables.network import KNOTS, EventVariable
from hepreco_event_variables.sampling import observed

#: Number of mass points with a spectrum each, events per spectrum, and points at which its density is evaluated.
POINTS, EVENTS, GRID = 64, 8000, 256
#: Relative distance of peaks from the scale (root mean square) above which they are not used for the calibration.
LARGEST_SPREAD: Final = 0.1
#: Smallest increase, in GeV, between neighbouring points of the calibration, so that it is nowhere flat.
SMALLEST_STEP: Final = 1e-3
#: Bandwidth in units of Scott's, which is too large where a spectrum ends steeply at its peak.
BANDWIDTH: Final = 0.4


def calibrate(network: EventVariable, *, seed: int) -> float:
    """Make V increase with the topology's mass scale and express it in GeV.

    Spectra at masses drawn from the prior give pairs of peak and scale; the calibration is the increasing function that
    fits them best, at as many points as the network stores. Where the peaks miss the scale by more than
    :data:`LARGEST_SPREAD`, V is instead given the distribution of the scale over the prior, quantile by quantile.

    Returns the root mean square of peak / scale − 1 of the fit to the peaks. If V has several components or the
    topology has no scale, nothing is done and NaN is returned.
    """
    topology = find_topology(network.topology)
    if topology.scale is None or network.dimensions > 1:
        return float("nan")
    drawn = uniforms(seed=seed, stream=0, first=0, count=POINTS, width=len(topology.parameters))
    drawn[:, 0] = (torch.arange(POINTS) + 0.5) / POINTS
    theta = topology.prior(drawn)
    scale = topology.scale(theta).numpy()
    peaks = np.array([_peak(network, tuple(row), seed=seed) for row in theta.tolist()])
    if spearmanr(peaks, scale).statistic < 0:
        network.flip()
        peaks = -peaks
    _fit(network, peaks, scale)
    read = network.in_gev(torch.from_numpy(peaks).to(network.knots)[:, None]).numpy()
    spread = float(np.sqrt(np.mean((read / scale - 1) ** 2)))
    if spread > LARGEST_SPREAD:
        sample = sample_topology(topology, events=POINTS * EVENTS, seed=seed)
        shares = (np.arange(KNOTS) + 0.5) / KNOTS
        columns = _variable(network, sample), topology.scale(sample.parameters).numpy()
        _store(network, *(np.quantile(column, shares) for column in columns))
    return spread


def _fit(network: EventVariable, variable: NDArray[np.float64], scale: NDArray[np.float64]) -> None:
    order = np.argsort(variable)
    pairs = np.stack((variable[order], isotonic_regression(scale[order]).x))
    x, y = np.array([some.mean(axis=1) for some in np.array_split(pairs, KNOTS, axis=1)]).T
    _store(network, x, y)


def _store(network: EventVariable, x: NDArray[np.float64], y: NDArray[np.float64]) -> None:
    y = np.maximum.accumulate(y + np.arange(KNOTS) * SMALLEST_STEP)
    network.knots.copy_(torch.from_numpy(np.stack((x, y))))


def _peak(network: EventVariable, parameters: tuple[float, ...], *, seed: int) -> float:
    return mode(_variable(network, sample_topology(network.topology, events=EVENTS, seed=seed, parameters=parameters)))


@torch.no_grad()
def _variable(network: EventVariable, sample: TopologySample) -> NDArray[np.float64]:
    return network(observed(network, sample).to(network.knots))[:, 0].double().numpy()


def mode(values: NDArray[np.float64]) -> float:
    """The value at which the density is largest, by a kernel estimate.

    Example
    -------
    >>> abs(mode(np.random.default_rng(1).normal(3.0, 1.0, 20_000)) - 3.0) < 0.2
    True
    """
    low, high = np.quantile(values, (0.005, 0.995))
    if high - low < 1e-9:
        return float(np.median(values))
    grid = np.linspace(low, high, GRID)
    kernel = gaussian_kde(values[(values >= low) & (values <= high)])
    kernel.set_bandwidth(kernel.factor * BANDWIDTH)
    return float(grid[np.argmax(kernel(grid))])
