"""Massless partons in their centre of mass from objects in the laboratory, and neutrinos from missing momentum."""

from jaxtyping import Float
from torch import Tensor

from hepreco.kinematics import boost, neutrino_solutions


def partonic(momenta: Float[Tensor, "*batch leg 4"]) -> Float[Tensor, "*batch leg 4"]:
    """Massless momenta of the same directions and |p|, boosted to the centre of mass of all together."""
    approximate = massless(momenta)
    total = approximate.sum(dim=-2, keepdim=True)
    velocity = -total[..., 1:] / total[..., :1]
    return massless(boost(approximate, velocity=velocity.expand(*momenta.shape[:-1], 3)))


def massless(momenta: Float[Tensor, "*batch 4"]) -> Float[Tensor, "*batch 4"]:
    r"""The same three-momenta with E = \|p\|."""
    result = momenta.clone()
    result[..., 0] = momenta[..., 1:].norm(dim=-1)
    return result


def neutrinos(
    lepton: Float[Tensor, "*batch 4"], missing_momentum: Float[Tensor, "*batch 2"], *, w_mass: float
) -> Float[Tensor, "*batch 2 4"]:
    """The two neutrinos with which a massless lepton has the W mass.

    Where no solution is real, the missing momentum is scaled down until there is one.
    """
    return neutrino_solutions(massless(lepton), missing_momentum, w_mass=w_mass, complex_roots="scale missing momentum")
