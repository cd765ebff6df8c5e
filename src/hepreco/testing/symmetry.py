"""Checks of symmetries of collider physics for functions of four-momenta."""

import math
from collections.abc import Callable

import torch
from jaxtyping import Float
from torch import Tensor

from hepreco.kinematics import boost

Transformation = Callable[[Tensor], Tensor]


def boost_along_beam(rapidity: float) -> Transformation:
    """Add ``rapidity`` to every particle's: the boost changes no pt, φ, mass, or difference of rapidities."""

    def transform(momenta: Float[Tensor, "*shape 4"]) -> Float[Tensor, "*shape 4"]:
        return boost(momenta, velocity=momenta.new_tensor([0.0, 0.0, math.tanh(rapidity)]))

    return transform


def rotation_about_beam(angle: float) -> Transformation:
    """Add ``angle`` (rad) to every particle's azimuth."""

    def transform(momenta: Float[Tensor, "*shape 4"]) -> Float[Tensor, "*shape 4"]:
        energy, px, py, pz = momenta.unbind(dim=-1)
        cos, sin = math.cos(angle), math.sin(angle)
        return torch.stack((energy, cos * px - sin * py, sin * px + cos * py, pz), dim=-1)

    return transform


def assert_invariant(
    function: Callable[[Tensor], Tensor],
    momenta: Float[Tensor, "*shape 4"],
    transformation: Transformation,
    *,
    rtol: float = 1e-9,
    atol: float = 1e-9,
) -> None:
    """Require the same result for transformed momenta; ``AssertionError`` tells where it differs.

    Example
    -------
    >>> from hepreco.kinematics import pt
    >>> momenta = torch.tensor([[5.0, 3.0, 0.0, 1.0]], dtype=torch.float64)
    >>> assert_invariant(pt, momenta, boost_along_beam(0.7))
    >>> assert_invariant(pt, momenta, rotation_about_beam(2.0))
    """
    torch.testing.assert_close(
        function(transformation(momenta)), function(momenta), rtol=rtol, atol=atol, equal_nan=True
    )
