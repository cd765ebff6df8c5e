"""A Gaussian peak on a smooth background."""

from dataclasses import dataclass
from math import erf, sqrt
from typing import Literal

import numpy as np
from numpy.typing import NDArray

#: Shape of the background: a straight line that is nowhere negative, or an exponential.
Background = Literal["linear", "exponential"]


@dataclass(frozen=True)
class PeakModel:
    r"""Expected events as a function of mass, between ``low`` and ``high``.

    With :math:`u = (m - \mathrm{low}) / (\mathrm{high} - \mathrm{low})`, the events below :math:`m` are

    .. math::
        S\,Φ\big((m - \mathrm{position}) / \mathrm{width}\big)
        + \begin{cases}
            b_0\,(2u - u^2) + b_1\,u^2 & \text{linear (Bernstein polynomials, } b_0, b_1 ≥ 0) \\
            b_0\,(1 - e^{-b_1 u}) / (1 - e^{-b_1}) & \text{exponential}
        \end{cases}

    Parameters
    ----------
    background
        Shape of the background.
    low, high
        The range in which the background is normalised.
    parameters
        :math:`(S, \mathrm{position}, \mathrm{width}, b_0, b_1)`. S is the integral of the whole Gaussian.

    Example
    -------
    >>> model = PeakModel("linear", low=100.0, high=200.0, parameters=(50.0, 150.0, 5.0, 20.0, 20.0))
    >>> [round(events, 6) for events in (model.signal(100.0, 200.0), model.background_events(100.0, 150.0))]
    [50.0, 20.0]
    """

    background: Background
    low: float
    high: float
    parameters: tuple[float, float, float, float, float]

    def signal(self, low: float, high: float) -> float:
        """Events of the Gaussian between two masses."""
        signal = gaussian_cdf(np.array([low, high]), *self.parameters[:3])
        return float(signal[1] - signal[0])

    def background_events(self, low: float, high: float) -> float:
        """Events of the background between two masses."""
        below = self._background_below(np.array([low, high]))
        return float(below[1] - below[0])

    def expected(self, edges: NDArray[np.float64]) -> NDArray[np.float64]:
        """Events of signal and background between neighbouring edges, of shape ``(edge - 1,)``."""
        return np.diff(gaussian_cdf(edges, *self.parameters[:3])) + self.expected_background(edges)

    def expected_background(self, edges: NDArray[np.float64]) -> NDArray[np.float64]:
        """Events of the background alone between neighbouring edges, of shape ``(edge - 1,)``."""
        return np.diff(self._background_below(edges))

    def _background_below(self, mass: NDArray[np.float64]) -> NDArray[np.float64]:
        return background_cdf(mass, *self.parameters[3:], shape=self.background, low=self.low, high=self.high)


def gaussian_cdf(mass: NDArray[np.float64], signal: float, position: float, width: float) -> NDArray[np.float64]:
    """Events of a Gaussian below each mass."""
    scaled = (mass - position) / (sqrt(2) * width)
    return np.array([signal * 0.5 * (1 + erf(z)) for z in scaled])


def background_cdf(
    mass: NDArray[np.float64], b0: float, b1: float, *, shape: Background, low: float, high: float
) -> NDArray[np.float64]:
    """Events of the background between ``low`` and each mass."""
    u = (mass - low) / (high - low)
    if shape == "linear":
        return b0 * (2 * u - u**2) + b1 * u**2
    if abs(b1) < 1e-8:  # the limit of zero slope, where the formula is 0/0
        return b0 * u
    return np.asarray(b0 * np.expm1(-b1 * u) / np.expm1(-b1))
