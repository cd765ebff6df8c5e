"""A hard process as an integrand: from random numbers to weighted phase-space points."""

from dataclasses import dataclass
from functools import cached_property

import torch
from jaxtyping import Float
from torch import Tensor

from hepreco.amplitudes import DecayTree, MatrixElement, StandardModel, decay_trees
from hepreco.conventions import HBARC_SQUARED
from hepreco.errors import ConfigError
from hepreco.generation.hard.beams import Beams
from hepreco.generation.hard.cuts import Cuts
from hepreco.generation.hard.mappings import breit_wigner, power
from hepreco.generation.hard.mass_ranges import MassRange, mass_ranges
from hepreco.generation.hard.phase_space import (
    Chosen,
    Given,
    Masses,
    Scalar,
    TChannel,
    choose_masses,
    decay,
    t_channel_momenta,
)
from hepreco.generation.hard.t_channels import t_channels_of

_NEUTRINOS = (12, 14, 16)


@dataclass(frozen=True)
class Points:
    """Weighted points of phase space.

    Parameters
    ----------
    weights
        (event,): weights in pb; 0 outside the cuts.
    momenta
        (event, particle, 4) in GeV in the laboratory: the partons from the first and the second beam, then every
        particle of the decay trees by its row.
    pair
        (event,): position among the process's pairs of incoming partons.
    """

    weights: Tensor
    momenta: Tensor
    pair: Tensor


@dataclass(frozen=True)
class HardProcess:
    """A process with beams and cuts.

    Parameters
    ----------
    process
        The process in MadGraph's syntax.
    exchange
        Whether the first parton may come from the second beam.
    generations
        Whether c and s of the beams may replace u and d; only valid if no light quark is produced.
    cutoff
        The largest distance of resonances from their poles, in widths.
    """

    process: str
    beams: Beams = Beams()
    cuts: Cuts = Cuts()
    model: StandardModel = StandardModel()
    exchange: bool = True
    generations: bool = False
    cutoff: float = 15.0

    def __post_init__(self) -> None:
        low, high = self.energies
        if low >= high:
            raise ConfigError(
                f"'{self.process}' needs at least {low:.4g} GeV but has at most {high:.4g} GeV: its cross-section is 0",
                "raise the energy, or loosen the cuts",
            )
        if low <= 0 and self.beams.densities:
            raise ConfigError(f"'{self.process}' has no smallest energy", "cut on pt_min or on the mass_window")
        if len(self.trees) == 1 and not self.trees[0].daughters:
            raise ConfigError(f"'{self.process}' produces one stable particle", "let it decay")

    @cached_property
    def matrix_element(self) -> MatrixElement:
        """The squared matrix element of the process."""
        return MatrixElement(self.process, model=self.model)

    @cached_property
    def trees(self) -> tuple[DecayTree, ...]:
        """The produced particles, with their decays."""
        return decay_trees(self.matrix_element.process)

    @cached_property
    def particles(self) -> tuple[DecayTree, ...]:
        """Every particle of the trees, by its row."""
        return tuple(node for tree in self.trees for node in tree)

    @cached_property
    def ranges(self) -> tuple[MassRange, ...]:
        """The mass range of every particle."""
        return mass_ranges(self.trees, self.model, cutoff=self.cutoff)

    @cached_property
    def t_channels(self) -> tuple[TChannel, ...]:
        """The channels among which phase space is divided."""
        return t_channels_of(self.trees, self.ranges, self.model)

    @cached_property
    def pairs(self) -> tuple[tuple[int, int], ...]:
        """All pairs of partons from the first and the second beam that contribute to the process."""
        first, second = (particle.pdg_id for particle in self.matrix_element.process.incoming)
        pairs = [(first, second)]
        if not self.beams.densities:
            return tuple(pairs)
        if self.generations:
            pairs.append((_second_generation(first), _second_generation(second)))
        if self.exchange:
            pairs += [(b, a) for a, b in pairs]
        return tuple(dict.fromkeys(pairs))

    @cached_property
    def energies(self) -> tuple[float, float]:
        """The smallest and the largest √ŝ in GeV."""
        seen = len(self._seen)
        low = max(
            sum(self.ranges[tree.row].low for tree in self.trees), seen * self.cuts.pt_min, self.cuts.mass_window[0]
        )
        high = min(self.beams.energy, self.cuts.mass_window[1])
        return (low, high) if self.beams.densities else (low, self.beams.energy if high == self.beams.energy else 0.0)

    @cached_property
    def dimensions(self) -> int:
        """Random numbers per point."""
        splittings = [len(particle.daughters) for particle in self.particles if particle.daughters]
        decays = sum(1 + 3 * count - 4 for count in splittings)
        produced = 3 * len(self.trees) - 4 if len(self.trees) > 1 else -1
        return 1 + (2 if self.beams.densities else 0) + produced + decays

    def __call__(self, uniforms: Float[Tensor, "event dimension"], t_channel: TChannel) -> Points:
        """Points of one channel; the cross-section of the process is the sum over channels."""
        walk = Chosen(uniforms[:, 1:])
        energy, x, masses = self._choose_energy(walk)
        before = walk.log_jacobian
        momenta = t_channel_momenta(t_channel, walk, energy, [mass.own for mass in masses])
        share = self._share(t_channel, walk.log_jacobian - before, momenta, energy, masses)
        total = momenta.sum(dim=1)
        along_z = 0.5 * energy[:, None] * torch.tensor([[1.0, 0.0, 0.0, 1.0]], dtype=energy.dtype)
        origin = total if len(self.trees) > 1 else along_z  # a single particle is at rest and has no direction
        nodes = [
            node
            for tree, mass, momentum in zip(self.trees, masses, momenta.unbind(1), strict=True)
            for node in decay(tree, mass, momentum, walk, origin=origin)
        ]
        partonic = torch.stack((along_z, total - along_z, *nodes), dim=1)
        volume = torch.exp(walk.log_jacobian) * share
        return self._weigh(partonic, uniforms[:, 0], x=x, volume=volume, energy=energy)

    def _choose_energy(self, walk: Chosen) -> tuple[Scalar, tuple[Scalar, Scalar], tuple[Masses, ...]]:
        """√ŝ, the momentum fractions, and the masses of all particles."""
        low, high = (torch.full((walk.events,), energy, dtype=torch.float64) for energy in self.energies)
        if len(self.trees) > 1:
            masses = choose_masses(self.trees, self.ranges, walk, high)
            least = sum((mass.own for mass in masses), torch.zeros_like(low))
            energy, x = self.beams.choose_energy(walk, low=torch.maximum(least, low), high=high, mapping=power(1.5))
            return energy, x, masses
        (tree,), (pole, *_) = self.trees, self.ranges
        mapping = breit_wigner(pole.mass, pole.width)
        energy, x = self.beams.choose_energy(walk, low=low, high=high.clamp(max=pole.high), mapping=mapping)
        return energy, x, (Masses(energy, choose_masses(tree.daughters, self.ranges, walk, energy)),)

    def _share(
        self, t_channel: TChannel, log_volume: Scalar, momenta: Tensor, energy: Scalar, masses: tuple[Masses, ...]
    ) -> Scalar:
        """The ratio of this channel's density to the sum over channels, which divides phase space (hep-ph/9405257)."""
        share = torch.ones_like(energy)
        for other in self.t_channels:
            if other != t_channel:
                walk = Given(momenta)
                t_channel_momenta(other, walk, energy, [mass.own for mass in masses])
                share = share + torch.exp(log_volume - walk.log_jacobian)
        return 1 / share

    def _weigh(
        self, partonic: Tensor, u: Scalar, *, x: tuple[Scalar, Scalar], volume: Scalar, energy: Scalar
    ) -> Points:
        """Choose a pair of partons by luminosity, boost to the laboratory, cut, and compute weights."""
        luminosity = torch.stack([self.beams.luminosity(pair, x) for pair in self.pairs])
        total = luminosity.sum(dim=0)
        pair = (luminosity.cumsum(dim=0) <= u * total).sum(dim=0).clamp(max=len(self.pairs) - 1)
        laboratory = self._to_laboratory(partonic, x, exchanged=torch.tensor(self.is_exchanged)[pair])
        # A resonance far below its pole may be so light that its velocity rounds to that of light.
        defined = torch.isfinite(partonic).all(dim=2).all(dim=1)
        passes = self.cuts(laboratory[:, 2:][:, self._seen]) & (total > 0) & (volume > 0) & defined
        weights = torch.zeros_like(total)
        legs = [0, 1, *(2 + i for i in self.final)]
        squares = self.matrix_element(partonic[passes][:, legs])
        flux = 2 * energy[passes] ** 2
        weights[passes] = HBARC_SQUARED * total[passes] * squares / flux * volume[passes]
        return Points(weights, laboratory, pair)

    def _to_laboratory(self, momenta: Tensor, x: tuple[Scalar, Scalar], *, exchanged: Tensor) -> Tensor:
        """Rotate events by π about the y axis if their first parton comes from the second beam, then boost along z."""
        turn = torch.where(
            exchanged[:, None, None], momenta.new_tensor([1, -1, 1, -1]), momenta.new_tensor([1, 1, 1, 1])
        )
        momenta = momenta * turn
        swapped = torch.where(exchanged[:, None, None], momenta[:, [1, 0]], momenta[:, :2])
        momenta = torch.cat((swapped, momenta[:, 2:]), dim=1)
        scale = torch.sqrt(x[0] / x[1])[:, None]
        plus, minus = (momenta[..., 0] + momenta[..., 3]) * scale, (momenta[..., 0] - momenta[..., 3]) / scale
        return torch.stack(((plus + minus) / 2, momenta[..., 1], momenta[..., 2], (plus - minus) / 2), dim=-1)

    @cached_property
    def final(self) -> tuple[int, ...]:
        """Rows of the stable particles, in the order of the matrix element's legs."""
        return tuple(particle.row for particle in self.particles if not particle.daughters)

    @cached_property
    def _seen(self) -> list[int]:
        return [i for i in self.final if abs(self.particles[i].particle.pdg_id) not in _NEUTRINOS]

    @cached_property
    def is_exchanged(self) -> tuple[bool, ...]:
        """For each of :attr:`pairs`, whether the process's first parton comes from the second beam."""
        first, second = (particle.pdg_id for particle in self.matrix_element.process.incoming)
        given = {(first, second), (_second_generation(first), _second_generation(second))}
        return tuple(pair not in given for pair in self.pairs)


def _second_generation(pdg_id: int) -> int:
    return pdg_id + 2 * (1 if pdg_id > 0 else -1) if abs(pdg_id) in (1, 2) else pdg_id
