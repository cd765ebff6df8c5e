"""Changes of variables that concentrate random numbers where an integrand is large."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class Mapping:
    """A density on an interval, given by its antiderivative F.

    A uniform number u becomes x = F⁻¹(F(low) + u (F(high) − F(low))), and dx/du = (F(high) − F(low)) / F′(x).
    """

    antiderivative: Callable[[Tensor], Tensor]
    inverse: Callable[[Tensor], Tensor]
    derivative: Callable[[Tensor], Tensor]

    def value(self, u: Tensor, low: Tensor, high: Tensor) -> Tensor:
        """The value in [low, high] of a uniform number."""
        start, stop = self.antiderivative(low), self.antiderivative(high)
        return torch.minimum(torch.maximum(self.inverse(start + u * (stop - start)), low), high)

    def jacobian(self, x: Tensor, low: Tensor, high: Tensor) -> Tensor:
        """dx/du at x; the inverse of the normalised density."""
        return (self.antiderivative(high) - self.antiderivative(low)) / self.derivative(x)


def uniform() -> Mapping:
    """The uniform density."""
    return Mapping(lambda x: x, lambda y: y, torch.ones_like)


def breit_wigner(mass: float, width: float) -> Mapping:
    """The squared propagator 1 / ((s − m²)² + m²Γ²)."""
    pole, spread = mass**2, mass * width
    return Mapping(
        lambda s: torch.atan((s - pole) / spread),
        lambda y: pole + spread * torch.tan(y),
        lambda s: spread / ((s - pole) ** 2 + spread**2),
    )


def power(exponent: float) -> Mapping:
    """The density s^−ν with ν ≠ 1."""
    rest = 1 - exponent
    return Mapping(lambda s: s**rest / rest, lambda y: (rest * y) ** (1 / rest), lambda s: s**-exponent)


def logarithmic() -> Mapping:
    """The density 1/s: a massless propagator, not squared."""
    return Mapping(torch.log, torch.exp, torch.reciprocal)


def root() -> Mapping:
    """A uniform density in √s."""
    return Mapping(torch.sqrt, torch.square, lambda s: 0.5 * torch.rsqrt(s))


def pole(distance: Tensor) -> Mapping:
    """The density 1 / (1 + ε − c) of a cosine c: a t-channel propagator."""
    beyond = 1 + distance
    return Mapping(
        lambda c: -torch.log(beyond - c), lambda y: beyond - torch.exp(-y), lambda c: torch.reciprocal(beyond - c)
    )
