"""Phase-space points: t-channel emissions for the production, then decays.

:class:`Chosen` turns random numbers into coordinates. :class:`Given` computes the coordinates of a point of another
channel, to find this channel's density there. Both track the Jacobian: phase-space volume per unit of random numbers.
"""

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

import torch
from jaxtyping import Float
from torch import Tensor

from hepreco.amplitudes import DecayTree
from hepreco.generation.hard.mappings import Mapping, breit_wigner, logarithmic, pole, root, uniform
from hepreco.generation.hard.mass_ranges import MassRange
from hepreco.kinematics import boost, mass_squared

#: Scale in GeV that regularises t-channel propagators of massless particles; cuts keep events above it.
_SOFT: Final = 30.0

Scalar = Float[Tensor, " event"]
Momentum = Float[Tensor, "event 4"]
#: Particles of a production, by position.
Group = tuple[int, ...]


@dataclass(frozen=True)
class Emission:
    """A particle of a production, or two from one propagator, with (mass, width) if it can be resonant."""

    group: Group
    resonance: tuple[float, float] | None = None

    @property
    def mapping(self) -> Mapping:
        """The density of the squared invariant mass of the pair."""
        return breit_wigner(*self.resonance) if self.resonance else logarithmic()


@dataclass(frozen=True)
class TChannel:
    """A channel of phase space: the order in which particles are emitted between two beams.

    The first emission is next to the first beam, the last next to the second; the others follow alternately from both
    ends inwards. The polar angle of each is measured from the momentum that emits it, with the density of a t-channel
    propagator or isotropic.
    """

    emissions: tuple[Emission, ...]
    isotropic: bool = False


class Walk(ABC):
    """Successive coordinates of a point, and the logarithm of the product of their Jacobians."""

    def __init__(self, events: int) -> None:
        self.events = events
        self.log_jacobian = torch.zeros(events, dtype=torch.float64)

    def coordinate(
        self, mapping: Mapping, low: Tensor, high: Tensor, measure: Callable[[], Tensor] | None = None
    ) -> Scalar:
        """A coordinate between bounds; ``measure`` computes it for a given point."""
        value = self._value(mapping, low, high, measure)
        self.log_jacobian = self.log_jacobian + torch.log(mapping.jacobian(value, low, high))
        return value

    def mass(self, mapping: Mapping, low: Tensor, high: Tensor, group: Group) -> Scalar:
        """The mass (GeV) of a group, with the measure ds/2π; the mapping is for s = m²."""
        squared = self.coordinate(mapping, low**2, high**2, lambda: mass_squared(self._momentum(group)))
        self.log_jacobian = self.log_jacobian - math.log(2 * math.pi)
        return torch.sqrt(squared.clamp(min=0.0))

    def split(
        self,
        parent: Momentum,
        masses: tuple[Scalar, Scalar, Scalar],
        *,
        axis: Momentum,
        pole_at: Tensor | None,
        group: Group,
    ) -> Momentum:
        """The momentum of the first of two daughters; ``masses`` (GeV) are those of the parent and both daughters.

        The polar angle is measured from ``axis`` in the parent's rest frame. Its density is the propagator
        1/(``pole_at`` − t) with t = (axis − first)², or isotropic.
        """
        whole, first, second = masses
        p = _momentum_of_decay(whole, first, second)
        energy = torch.sqrt(p**2 + first**2)
        axis = boost(axis, velocity=-_velocity(parent))
        length = torch.linalg.vector_norm(axis[:, 1:], dim=-1)
        z = axis[:, 1:] / length[:, None]
        mapping = uniform()
        if pole_at is not None:
            # pole_at − t = 2 p |axis| (1 + ε − cos θ)
            distance = (pole_at - mass_squared(axis) - first**2 + 2 * axis[:, 0] * energy) / (2 * p * length) - 1
            mapping = pole(distance.clamp(min=1e-9))
        one = torch.ones_like(p)
        cosine = self.coordinate(mapping, -one, one, lambda: self._cosine(parent, z, group))
        # dΦ₂ = |p| / (16 π² m) dcosθ dφ
        self.log_jacobian = self.log_jacobian + torch.log(p / (8 * math.pi * whole))
        return self._direct(parent, torch.cat((energy[:, None], p[:, None] * z), dim=1), cosine, group)

    @abstractmethod
    def _value(self, mapping: Mapping, low: Tensor, high: Tensor, measure: Callable[[], Tensor] | None) -> Scalar: ...

    @abstractmethod
    def _momentum(self, group: Group) -> Momentum: ...

    @abstractmethod
    def _cosine(self, parent: Momentum, z: Tensor, group: Group) -> Scalar: ...

    @abstractmethod
    def _direct(self, parent: Momentum, along: Momentum, cosine: Scalar, group: Group) -> Momentum: ...


class Chosen(Walk):
    """A point chosen by random numbers (event, dimension), one column for each coordinate and each azimuth."""

    def __init__(self, uniforms: Float[Tensor, "event dimension"]) -> None:
        super().__init__(len(uniforms))
        self._columns = iter(uniforms.unbind(1))

    def _value(self, mapping: Mapping, low: Tensor, high: Tensor, measure: Callable[[], Tensor] | None) -> Scalar:
        return mapping.value(next(self._columns), low, high)

    def _momentum(self, group: Group) -> Momentum:
        raise NotImplementedError  # a point that is being chosen has no momenta yet

    def _cosine(self, parent: Momentum, z: Tensor, group: Group) -> Scalar:
        raise NotImplementedError

    def _direct(self, parent: Momentum, along: Momentum, cosine: Scalar, group: Group) -> Momentum:
        """A momentum rotated away from ``along`` by a polar angle and a random azimuth, and boosted with the parent."""
        azimuth, sine = 2 * math.pi * next(self._columns), torch.sqrt((1 - cosine**2).clamp(min=0.0))
        p = along[:, 1:]
        length = torch.linalg.vector_norm(p, dim=-1, keepdim=True)
        z = p / length
        x, y = _perpendicular(z)
        turned = (
            (sine * torch.cos(azimuth))[:, None] * x + (sine * torch.sin(azimuth))[:, None] * y + cosine[:, None] * z
        )
        return boost(torch.cat((along[:, :1], length * turned), dim=1), velocity=_velocity(parent))


class Given(Walk):
    """A given point: the momenta (event, particle, 4) of the production."""

    def __init__(self, momenta: Float[Tensor, "event particle 4"]) -> None:
        super().__init__(len(momenta))
        self._momenta = momenta

    def _value(self, mapping: Mapping, low: Tensor, high: Tensor, measure: Callable[[], Tensor] | None) -> Scalar:
        if measure is None:
            raise NotImplementedError  # energies and decays are common to all channels
        return torch.minimum(torch.maximum(measure(), low), high)

    def _momentum(self, group: Group) -> Momentum:
        return self._momenta[:, list(group)].sum(dim=1)

    def _cosine(self, parent: Momentum, z: Tensor, group: Group) -> Scalar:
        p = boost(self._momentum(group), velocity=-_velocity(parent))[:, 1:]
        return (p * z).sum(dim=1) / torch.linalg.vector_norm(p, dim=1)

    def _direct(self, parent: Momentum, along: Momentum, cosine: Scalar, group: Group) -> Momentum:
        return self._momentum(group)


def t_channel_momenta(
    t_channel: TChannel, walk: Walk, energy: Scalar, masses: Sequence[Scalar]
) -> Float[Tensor, "event particle 4"]:
    """Momenta of a production in its centre-of-mass frame, with the first beam along +z; energy and masses in GeV."""
    zero = torch.zeros_like(energy)
    beams = [torch.stack((energy, zero, zero, sign * energy), dim=1) / 2 for sign in (1, -1)]
    momenta: list[Momentum] = [beams[0]] * len(masses)
    whole, parent, emissions, end = energy, beams[0] + beams[1], list(t_channel.emissions), 0

    def lightest(emission: Emission) -> Tensor:
        return sum((masses[i] for i in emission.group), zero)

    def mass(emission: Emission, high: Tensor) -> Scalar:
        return (
            lightest(emission)
            if len(emission.group) == 1
            else walk.mass(emission.mapping, lightest(emission), high, emission.group)
        )

    def place(emission: Emission, momentum: Momentum, own: Scalar) -> None:
        if len(emission.group) == 1:
            momenta[emission.group[0]] = momentum
            return
        first, second = emission.group
        split = (own, masses[first], masses[second])
        momenta[first] = walk.split(momentum, split, axis=beams[0], pole_at=None, group=(first,))
        momenta[second] = momentum - momenta[first]

    while len(emissions) > 1:
        emission = emissions.pop(0 if end == 0 else -1)
        rest = sum(map(lightest, emissions), zero)
        own = mass(emission, whole - rest)
        remaining = tuple(i for other in emissions for i in other.group)
        left = (
            mass(emissions[0], whole - own) if len(emissions) == 1 else walk.mass(root(), rest, whole - own, remaining)
        )
        pole_at = None if t_channel.isotropic else lightest(emission) ** 2 + _SOFT**2
        momentum = walk.split(parent, (whole, own, left), axis=beams[end], pole_at=pole_at, group=emission.group)
        place(emission, momentum, own)
        beams[end] = beams[end] - momentum
        parent, whole, end = parent - momentum, left, 1 - end
    place(emissions[0], parent, whole)
    return torch.stack(momenta, dim=1)


@dataclass(frozen=True)
class Masses:
    """The mass (event,) of a particle, and those of its decay products."""

    own: Scalar
    products: tuple["Masses", ...] = ()


def choose_masses(
    trees: Sequence[DecayTree], ranges: Sequence[MassRange], walk: Walk, available: Scalar
) -> tuple[Masses, ...]:
    """Masses of siblings and of their decay products, within the available mass or energy (GeV)."""
    chosen, later = [], sum(ranges[tree.row].low for tree in trees)
    for tree in trees:
        bounds = ranges[tree.row]
        later -= bounds.low
        low = torch.full_like(available, bounds.low)
        own = low
        if tree.daughters:
            high = (available - later).clamp(max=bounds.high)
            own = walk.mass(breit_wigner(bounds.mass, bounds.width), low, high, ())
        available = available - own
        chosen.append(Masses(own, choose_masses(tree.daughters, ranges, walk, own)))
    return tuple(chosen)


def decay(tree: DecayTree, masses: Masses, momentum: Momentum, walk: Walk, *, origin: Momentum) -> Iterator[Momentum]:
    """The momenta of a particle and of all its decay products, depth first.

    Decays are isotropic. The polar angle is the helicity angle: in the particle's rest frame it is measured from
    ``origin``, the momentum of its parent.
    """
    yield momentum
    parent, whole = momentum, masses.own
    products, own = list(tree.daughters), list(masses.products)
    while products:
        product, one = products.pop(0), own.pop(0)
        emitted = parent
        if products:
            rest = sum((other.own for other in own), torch.zeros_like(whole))
            left = rest if len(own) == 1 else walk.mass(root(), rest, whole - one.own, ())
            emitted = walk.split(parent, (whole, one.own, left), axis=origin, pole_at=None, group=())
            parent, whole = parent - emitted, left
        yield from decay(product, one, emitted, walk, origin=momentum)


def _momentum_of_decay(whole: Scalar, first: Scalar, second: Scalar) -> Scalar:
    """|p*| = √λ(m², m₁², m₂²) / 2m."""
    kallen = (whole**2 - (first + second) ** 2) * (whole**2 - (first - second) ** 2)
    return torch.sqrt(kallen.clamp(min=1e-18)) / (2 * whole)


def _velocity(momentum: Momentum) -> Float[Tensor, "event 3"]:
    """The velocity β of a momentum."""
    return momentum[:, 1:] / momentum[:, :1]


def _perpendicular(z: Float[Tensor, "event 3"]) -> tuple[Tensor, Tensor]:
    """Two unit vectors that complete a unit vector to a right-handed frame."""
    other = torch.zeros_like(z)
    other.scatter_(1, z.abs().argmin(dim=1, keepdim=True), 1.0)
    x = torch.linalg.cross(other, z)
    x = x / torch.linalg.vector_norm(x, dim=1, keepdim=True)
    return x, torch.linalg.cross(z, x)
