"""External particles as spinors and polarisation vectors.

Spin sums do not depend on the basis of states. These bases are defined, and their gradients finite, even along the beam
and at rest; only helicities need a direction of motion.
"""

import torch
from torch import Tensor

from hepreco.amplitudes.lorentz import Fermion, as_matrix
from hepreco.amplitudes.model import Parameter
from hepreco.amplitudes.particles import Particle
from hepreco.errors import MomentaError
from hepreco.kinematics import minkowski_dot

#: Below this (|p|/m)² the basis of states does not use the direction of a momentum.
_REST = 1e-6
#: Below this (|p|/m)² rounding makes direction and helicity meaningless.
_AT_REST = 1e-12


def massless_fermion(momentum: Tensor) -> Tensor:
    """λ with λ λ† = p⁰ − p·σ, (2, filling, event).

    λ is the undotted part of a fermion of one chirality, and λ* the dotted part of one of the other chirality, for
    particles and antiparticles, incoming or outgoing.
    """
    x, y, z = momentum[1:]
    forward = z >= 0
    # Divide by the larger of the two components.
    large = torch.sqrt(torch.sqrt(x * x + y * y + z * z) + torch.where(forward, z, -z))
    transverse = torch.complex(-x / large, torch.where(forward, y, -y) / large)
    large = torch.complex(large, torch.zeros_like(large))
    return torch.stack((torch.where(forward, transverse, large), torch.where(forward, large, transverse)))


def massive_fermion(momentum: Tensor, *, mass: Parameter, particle: Particle, incoming: bool) -> Fermion:
    """The two states of spin along z in the rest frame, (spin, 2, filling, event) for each part.

    ``particle`` is outgoing: for an incoming one its antiparticle, but with the physical momentum.
    √(p·σ) = (p·σ + m) / √(2(E + m)).
    """
    spatial = momentum[1:]
    energy = torch.sqrt((spatial * spatial).sum(0) + mass**2)
    norm = torch.rsqrt(2 * (energy + mass))
    left, right = (as_matrix(torch.stack((energy + mass, *(sign * spatial)))) * norm for sign in (-1, 1))
    # Matrices (component, spin) to (spin, component).
    left, right = left.transpose(0, 1), right.transpose(0, 1)
    # Spinors v have -right. A row is the conjugate, with its dotted part from the left-handed components.
    if particle.is_antiparticle != incoming:
        right = -right
    lowered = torch.stack((-right[:, 1], right[:, 0]), dim=1)
    if particle.is_antiparticle:
        return Fermion(left, lowered)
    return Fermion(lowered.conj().resolve_conj(), left.conj().resolve_conj())


def transverse_vectors(momentum: Tensor) -> Tensor:
    """Two real unit vectors orthogonal to p, without time component, (2, 4, filling, event).

    Duff et al., Journal of Computer Graphics Techniques 6 (2017) 1.
    """
    x, y, z = momentum[1:]
    length = torch.sqrt(x * x + y * y + z * z)
    x, y, z = x / length, y / length, z / length
    sign = torch.where(z >= 0, 1.0, -1.0).to(z)
    a = -1 / (sign + z)
    b = x * y * a
    zero = torch.zeros_like(z)
    first = torch.stack((zero, 1 + sign * x * x * a, sign * b, -sign * x))
    second = torch.stack((zero, b, sign + y * y * a, -y))
    return torch.stack((first, second))


def massive_vectors(momentum: Tensor, *, mass: Parameter) -> Tensor:
    """Three real vectors (3, 4, filling, event): two transverse to p, and (|p|, E p̂)/m; near rest, boosted axes."""
    energy, p = momentum[0], momentum[1:]
    square = (p * p).sum(0)
    at_rest = square < _REST * mass**2
    identity = torch.eye(3, dtype=p.dtype, device=p.device)[:, :, None, None]
    moving = torch.where(at_rest, identity[:, 2], p)
    length = torch.sqrt((moving * moving).sum(0))
    along = torch.stack((length, *(energy * moving / length))) / mass
    across = transverse_vectors(torch.stack((energy, *moving)))
    boosted = torch.cat(((p / mass)[:, None], identity + p[:, None] * p[None, :] / (mass * (energy + mass))), dim=1)
    return torch.where(at_rest, boosted, torch.cat((across, along[None])))


def longitudinal_vector(momentum: Tensor, frame: Tensor | None) -> Tensor:
    """The real vector ε_L of a particle off or on its mass shell, (4, filling, event).

    It is (|p|, E p̂)/√p² in the frame of the momenta, or [(p·n) p − p² n] / √(p² [(p·n)² − p²]) in a frame of
    four-velocity n.

    Raises
    ------
    MomentaError
        A particle is at rest in the frame, and has no helicity.
    """
    square = minkowski_dot(momentum, momentum, dim=0)
    if frame is None:
        energy, recoil = momentum[0], (momentum[1:] ** 2).sum(0)
        vector = torch.cat((recoil[None], energy * momentum[1:]))
    else:
        along = minkowski_dot(momentum, frame, dim=0)
        recoil = along**2 - square
        vector = along * momentum - square * frame
    if bool((recoil <= _AT_REST * square).any()):
        raise MomentaError(
            "a polarised boson is at rest in the frame that defines its helicity",
            "leave such events out, or choose another frame",
        )
    return vector / torch.sqrt(square * recoil)


def four_velocity(momentum: Tensor) -> Tensor:
    """The unit vector p / √p², (4, filling, event)."""
    return momentum / torch.sqrt(minkowski_dot(momentum, momentum, dim=0))
