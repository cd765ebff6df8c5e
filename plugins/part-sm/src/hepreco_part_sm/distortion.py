"""Distorted copies of events: momenta and kinds of objects are changed at random, but by little."""

import math
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from hepreco.errors import ConfigError
from hepreco.kinematics import eta, from_pt_eta_phi_mass, mass, phi, pt
from hepreco_part_sm.particles import Kind, Particles

#: Smallest |η| at which directions are reflected.
_CENTRAL = 1e-6


@dataclass(frozen=True)
class Distortion:
    r"""The size of the distortion.

    Every object gets the pt :math:`p_T e^{σ_p z_1}` and the direction :math:`η + σ_a z_2,\ φ + σ_a z_3` with normal z.
    With probability ``swap`` it takes the kind, and the ratio of mass to pt, of a random object of any event. Size and
    azimuth of the missing momentum change with the same spreads. A pt below that of the softest object of its kind, or
    an η beyond the largest, is reflected there, since copies that fail the cuts would be recognised at once.

    Parameters
    ----------
    pt_spread
        :math:`σ_p`, the spread of ln pt.
    angle_spread
        :math:`σ_a`, the spread of η, and of φ in rad.
    swap
        Probability that an object takes the kind of another.
    """

    pt_spread: float = 0.3
    angle_spread: float = 0.3
    swap: float = 0.1

    def __post_init__(self) -> None:
        spreads = (self.pt_spread, self.angle_spread)
        in_range = all(0 <= spread < math.inf for spread in spreads) and 0 <= self.swap <= 1
        if not in_range or max(*spreads, self.swap) == 0:
            raise ConfigError(
                f"part-sm-anomaly: no copies of events can be made with {self}",
                "give spreads that are not negative, and a swap between 0 and 1; at least one must be larger than 0",
            )

    def distorted(self, particles: Particles, generator: torch.Generator) -> Particles:
        """One distorted copy of every event, its objects in decreasing order of pt; padding stays padding.

        Parameters
        ----------
        particles
            All events of the sample: kinds are swapped among them, and the edges of pt and η are taken from them.
        generator
            Source of all random numbers.
        """
        mask = particles.mask
        safe = torch.where(mask[..., None], particles.momenta, particles.momenta.new_tensor([1.0, 1.0, 0.0, 0.0]))
        transverse, rapidity = pt(safe), eta(safe)
        softest, widest = _edges(particles.kinds[mask], transverse[mask], rapidity[mask])
        kinds, ratio = self._swapped(particles.kinds, mass(safe).clamp(min=0) / transverse, generator)
        z = _normal(transverse.expand(3, *transverse.shape), generator)
        logarithm = torch.log(transverse) + self.pt_spread * z[0]
        edge = torch.log(softest)[kinds]
        changed_pt = torch.exp(edge + (logarithm - edge).abs())
        changed_eta = _within(rapidity + self.angle_spread * z[1], widest[kinds])
        azimuth = phi(safe) + self.angle_spread * z[2]
        momenta = from_pt_eta_phi_mass(changed_pt, changed_eta, azimuth, ratio * changed_pt)
        order = torch.where(mask, changed_pt, -torch.inf).sort(dim=1, descending=True, stable=True).indices
        return Particles(
            torch.take_along_dim(torch.where(mask[..., None], momenta, 0.0), order[..., None], dim=1),
            torch.where(mask, kinds, Kind.NOTHING).gather(1, order),
            self._missing(particles.missing_momentum, generator),
        )

    def _swapped(
        self, kinds: Int[Tensor, "event object"], ratio: Float[Tensor, "event object"], generator: torch.Generator
    ) -> tuple[Int[Tensor, "event object"], Float[Tensor, "event object"]]:
        """Kinds, and ratios of mass to pt, some of which are replaced by those of other objects."""
        known = kinds > 0
        other = torch.randint(max(int(known.sum()), 1), kinds.shape, generator=generator)
        swap = known & (torch.rand(kinds.shape, generator=generator) < self.swap)
        if not known.any():
            return kinds, ratio
        return torch.where(swap, kinds[known][other], kinds), torch.where(swap, ratio[known][other], ratio)

    def _missing(self, momentum: Float[Tensor, "event 2"], generator: torch.Generator) -> Float[Tensor, "event 2"]:
        z = _normal(momentum.T, generator)
        size = momentum.norm(dim=1) * torch.exp(self.pt_spread * z[0])
        azimuth = torch.atan2(momentum[:, 1], momentum[:, 0]) + self.angle_spread * z[1]
        return torch.stack((size * torch.cos(azimuth), size * torch.sin(azimuth)), dim=1)


def _edges(
    kinds: Int[Tensor, " object"], transverse: Float[Tensor, " object"], rapidity: Float[Tensor, " object"]
) -> tuple[Float[Tensor, " kind"], Float[Tensor, " kind"]]:
    """The smallest pt and the largest |η| of every kind."""
    softest = torch.full((len(Kind),), torch.inf, dtype=transverse.dtype)
    softest = softest.scatter_reduce(0, kinds, transverse, "amin")
    widest = torch.zeros_like(softest).scatter_reduce(0, kinds, rapidity.abs(), "amax")
    return torch.where(torch.isinf(softest), 1.0, softest), widest


def _within(
    rapidity: Float[Tensor, "event object"], widest: Float[Tensor, "event object"]
) -> Float[Tensor, "event object"]:
    """η, reflected at ±widest until it lies between."""
    period = 4 * widest.clamp(min=_CENTRAL)
    phase = torch.remainder(rapidity + widest, period)
    return torch.minimum(phase, period - phase) - widest


def _normal(like: Tensor, generator: torch.Generator) -> Tensor:
    return torch.randn(like.shape, generator=generator, dtype=like.dtype)
