"""From objects in the laboratory to massless partons in their centre of mass, and to neutrinos."""

from jaxtyping import Float
from torch import Tensor

from hepreco.kinematics import boost, neutrino_solutions


def partonic(momenta: Float[Tensor, "*batch leg 4"]) -> Float[Tensor, "*batch leg 4"]:
    """Massless momenta of the same directions and |p|, in the centre of mass of all together.

    The energies, not the directions, of jets are what their masses change least.
    """
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
    """The two neutrinos of a lepton, whose mass is neglected; missing momentum is scaled where no p_z is real."""
    return neutrino_solutions(massless(lepton), missing_momentum, w_mass=w_mass, complex_roots="scale missing momentum")
