"""The process that objects are assigned to: its matrix element, and which final legs come from which resonance."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache
from itertools import permutations
from types import MappingProxyType
from typing import Final, Literal

import torch
from jaxtyping import Float, Int
from torch import Tensor

from hepreco import amplitudes
from hepreco.amplitudes import (
    LEADING_ORDER,
    DecayTree,
    Leg,
    MatrixElement,
    Particle,
    Process,
    StandardModel,
    decay_trees,
    parse_process,
)
from hepreco.amplitudes.model import as_float
from hepreco.errors import ConfigError
from hepreco.kinematics import minkowski_dot
from hepreco_me_assigner.process.frames import massless

#: Kinds of objects and of the final legs that they can be assigned to. Two leptons of opposite charge are of two kinds,
#: and so are two neutrinos, since each belongs to one leg.
Kind = Literal["jet", "lepton", "neutrino", "other lepton", "other neutrino"]
_JET: Final[tuple[Kind, ...]] = ("jet",)
#: A lepton, and both solutions of m(ℓν) = m_W for its neutrino.
_LEPTONS: Final[tuple[Kind, ...]] = ("lepton", "neutrino", "neutrino")
_WITH_LEPTONS = "ttbar-lepton-jets", "tth-lepton-jets", "tttt-lepton-jets", "ttbar-dilepton", "ttw-two-leptons"

#: The processes of arXiv:2507.13447, by name, and processes with leptons.
PROCESSES: Final = MappingProxyType(
    {name: amplitudes.PROCESSES[name] for name in (*_WITH_LEPTONS, "wwuu")}
    | {name: amplitudes.PROCESSES[f"{name}-hadronic"] for name in ("ttbar", "ttw", "tttt")}
)
#: p_b·p_ν in units of m_t² where b and lepton are too heavy for a top quark, by mismeasurement or wrong assignment.
_HEAVY: Final = 1e-3
#: The model of samples, but with a massless b quark, since jets are taken to be massless. Its coupling to the Higgs
#: boson is that of samples.
MASSLESS: Final = replace(LEADING_ORDER, m_b=0.0, m_b_yukawa=LEADING_ORDER.m_b)


@dataclass(frozen=True)
class Resonance:
    """An unstable particle: the legs it decays to (positions within its branch), pole mass and width in GeV."""

    particle: Particle
    legs: tuple[int, ...]
    mass: float
    width: float


@dataclass(frozen=True)
class Branch:
    """One particle of the production with its decay chain.

    Parameters
    ----------
    legs
        Its final legs, counted among all final legs of the process.
    kinds
        The kind of object that each leg takes, without a distinction by charge.
    takes
        The same with that distinction.
    particles
        The particle of each leg.
    resonances
        Outermost first; their legs are positions within this branch.
    cascades
        For each fermion that decays to a fermion and a W to two fermions, the positions (within this branch) of that
        fermion, and of the up-like and the down-like product of the W.
    """

    legs: tuple[int, ...]
    kinds: tuple[Kind, ...]
    takes: tuple[Kind, ...]
    particles: tuple[Particle, ...]
    resonances: tuple[Resonance, ...]
    cascades: tuple[tuple[int, int, int], ...]

    @property
    def shape(self) -> tuple[object, ...]:
        """Branches of equal shape take the same objects and give them the same :meth:`Hypothesis.log_decay`."""
        is_b = tuple(abs(particle.pdg_id) == 5 for particle in self.particles)
        return self.takes, is_b, tuple((r.legs, r.mass, r.width) for r in self.resonances), self.cascades

    @property
    def alike(self) -> tuple[int, int] | None:
        """The positions of two jets of equal flavour from one resonance, whose exchange only mirrors a fit."""
        pairs: list[tuple[int, ...]] = [legs[1:] for legs in self.cascades]
        pairs = pairs if self.cascades else [resonance.legs for resonance in self.resonances]
        if len(pairs) != 1 or len(pairs[0]) != 2 or any(self.kinds[leg] != "jet" for leg in pairs[0]):
            return None
        one, other = pairs[0]
        is_b = [abs(self.particles[leg].pdg_id) == 5 for leg in (one, other)]
        return (one, other) if is_b[0] == is_b[1] else None


@dataclass(frozen=True)
class LeptonicDecay:
    """A W → ℓν by its final legs, counted among those of the process; ``b`` if the W comes from a top quark."""

    lepton: int
    neutrino: int
    charge: int
    b: int | None


@dataclass(frozen=True)
class Hypothesis:
    """A process with massless final particles, to which objects are assigned.

    The final particles are quarks and gluons, and at most two charged leptons with their neutrinos from W bosons. With
    one lepton, the objects are in this order: jets, the lepton, and both solutions for its neutrino, of which one is
    used. With two, of which at least one comes from a top quark: jets, the leptons in the order of their legs, and two
    neutrinos of unknown momenta, which :func:`~hepreco_me_assigner.process.completions` gives for every assignment.

    Parameters
    ----------
    process
        A process in MadGraph's syntax, or a name of :data:`PROCESSES`.
    model
        Masses, widths and couplings. Larger widths can account for the resolution of measured masses.

    Raises
    ------
    ConfigError
        If a final particle has a mass in this model, or is neither quark, gluon, nor lepton or neutrino of one W, or if
        there are not two incoming particles.
    """

    process: str
    model: StandardModel = MASSLESS

    def __post_init__(self) -> None:
        heavy = [particle.name for particle in self.parsed.final if self.model.mass(particle) > 0]
        if heavy or len(self.parsed.incoming) != 2:
            raise ConfigError(
                f"cannot assign objects to {self.process!r}: {', '.join(heavy) or 'one incoming particle'}",
                "give a process of two partons with decays down to massless particles, in a model with m_b=0",
            )
        others = [particle for particle in self.parsed.final if _kind(particle) != "jet"]
        if len(others) != 2 * len(self.leptonic):
            raise ConfigError(
                f"{self.process!r}: {', '.join(map(str, others))} are no jets, nor a lepton and its neutrino from a W",
                "let W, Z and Higgs bosons decay to quarks, or W bosons to leptons, such as 'w+ > e+ ve'",
            )
        tops = sum(decay.b is not None for decay in self.leptonic)
        if len(self.leptonic) > 2 or (len(self.leptonic) == 2 and not tops):
            raise ConfigError(
                f"{self.process!r} has {len(self.leptonic)} neutrinos, {tops} of them from top quarks, and only their "
                "total pt is measured",
                "let W bosons decay to quarks, such as 'w- > u~ d', so that at most two neutrinos remain, one of a top",
            )

    @cached_property
    def parsed(self) -> Process:
        """The process as parsed from its string."""
        return parse_process(PROCESSES.get(self.process, self.process))

    @cached_property
    def matrix_element(self) -> MatrixElement:
        """The squared matrix element of the process."""
        return MatrixElement(self.parsed, model=self.model)

    @property
    def legs(self) -> int:
        """The number of final legs."""
        return len(self.parsed.final)

    @property
    def kinds(self) -> tuple[Kind, ...]:
        """The kind of object that each final leg takes."""
        kinds = [_kind(particle) for particle in self.parsed.final]
        if len(self.leptonic) == 2:
            one, other = self.leptonic
            kinds[other.neutrino] = "other neutrino"
            if one.charge != other.charge:
                kinds[other.lepton] = "other lepton"
        return tuple(kinds)

    @property
    def jets(self) -> int:
        """The number of final legs that take jets."""
        return self.kinds.count("jet")

    def object_kinds(self, size: int) -> tuple[Kind, ...]:
        """The kinds of that many objects, in their order."""
        leptons: tuple[Kind, ...] = _LEPTONS if self.leptonic_w else ()
        if len(self.leptonic) == 2:
            legs = (*(decay.lepton for decay in self.leptonic), *(decay.neutrino for decay in self.leptonic))
            leptons = tuple(self.kinds[leg] for leg in legs)
        return (*_JET * (size - len(leptons)), *leptons)

    @cached_property
    def leptonic(self) -> tuple[LeptonicDecay, ...]:
        """The W bosons that decay to a lepton and a neutrino, in the order of their legs."""
        found: list[LeptonicDecay] = []
        for tree in decay_trees(self.parsed):
            for node in tree:
                legs = {_kind(daughter.particle): daughter for daughter in node.daughters}
                if abs(node.particle.pdg_id) == 24 and legs.keys() == {"lepton", "neutrino"}:
                    mothers = [x for x in tree if node in x.daughters and x.particle.spin == "fermion"]
                    b = [x.legs[0] for mother in mothers for x in mother.daughters if x is not node]
                    lepton, neutrino = legs["lepton"], legs["neutrino"]
                    charge = int(lepton.particle.charge)
                    found.append(LeptonicDecay(lepton.legs[0], neutrino.legs[0], charge, b[0] if b else None))
        return tuple(found)

    @cached_property
    def leptonic_w(self) -> Resonance | None:
        """The first W that decays to a lepton and a neutrino, if there is one; its legs are those of the process."""
        for branch in self.branches:
            for resonance in branch.resonances:
                kinds = sorted(branch.kinds[leg] for leg in resonance.legs)
                if kinds == ["lepton", "neutrino"] and abs(resonance.particle.pdg_id) == 24:
                    return replace(resonance, legs=tuple(branch.legs[leg] for leg in resonance.legs))
        return None

    @property
    def pole_masses(self) -> tuple[float, float]:
        """The masses of t and W in GeV."""
        return as_float(self.model.m_t), as_float(self.model.m_w)

    @cached_property
    def charm_legs(self) -> frozenset[int]:
        """The up-like products of W bosons that decay to quarks, each of which stands for u and c."""
        return frozenset(
            branch.legs[leg]
            for branch in self.branches
            for resonance in branch.resonances
            for leg in resonance.legs
            if abs(resonance.particle.pdg_id) == 24 and abs(branch.particles[leg].pdg_id) in (2, 4)
        )

    @cached_property
    def conjugate(self) -> "Hypothesis":
        """The charge-conjugate process, leg by leg, for events whose lepton has the other charge.

        With incoming gluons its |M|² is, by CP, that of this process at mirrored momenta.
        """
        return Hypothesis(str(_conjugate(self.parsed)), self.model)

    @cached_property
    def branches(self) -> tuple[Branch, ...]:
        """One for every particle of the production, in order."""
        return tuple(self._branch(tree) for tree in decay_trees(self.parsed))

    def _branch(self, tree: DecayTree) -> Branch:
        first = tree.legs[0]
        resonances = (
            Resonance(
                node.particle,
                tuple(leg - first for leg in node.legs),
                as_float(self.model.mass(node.particle)),
                as_float(self.model.width(node.particle)),
            )
            for node in tree
            if node.daughters
        )
        cascades = (legs for node in tree for legs in _cascades(node, first))
        particles = tuple(self.parsed.final[leg] for leg in tree.legs)
        kinds = tuple(_kind(particle) for particle in particles)
        takes = tuple(self.kinds[leg] for leg in tree.legs)
        return Branch(tree.legs, kinds, takes, particles, tuple(resonances), tuple(cascades))

    @cached_property
    def labellings(self) -> Int[Tensor, "labelling branch"]:
        """Orders of the branches that exchange branches of equal shape and different particles, such as t and t̄."""
        branches, outgoing = self.branches, self.parsed.outgoing
        seen, kept = set(), []
        for order in permutations(range(len(branches))):
            if any(branches[a].shape != branches[b].shape for a, b in enumerate(order)):
                continue
            key = frozenset((str(outgoing[leg]), source) for leg, source in enumerate(order))
            if key not in seen:
                seen.add(key)
                kept.append(order)
        return torch.tensor(kept)

    @property
    def is_symmetric(self) -> bool:
        """Whether the two incoming partons are the same particle."""
        return len(set(self.parsed.incoming)) == 1

    def log_decay(self, branch: Branch, momenta: Float[Tensor, "*batch leg 4"]) -> Float[Tensor, "*batch"]:
        """The part of ln|M|² that depends on one branch alone: Breit-Wigner factors and unpolarised V−A decays.

        For t → b W, W → u d̄ the decay is (p_t·p_d̄)(p_b·p_u). Constants are left out.
        """
        total = momenta.new_zeros(momenta.shape[:-2])
        for resonance in branch.resonances:
            total_momentum = momenta[..., list(resonance.legs), :].sum(dim=-2)
            square = minkowski_dot(total_momentum, total_momentum)
            pole = resonance.mass**2
            total = total - torch.log((square - pole) ** 2 + pole * resonance.width**2)
        for fermion, up, down in branch.cascades:
            parent = momenta[..., [fermion, up, down], :].sum(dim=-2)
            b, u, d = (momenta[..., leg, :] for leg in (fermion, up, down))
            contractions = minkowski_dot(parent, d) * minkowski_dot(b, u)
            total = total + torch.log(contractions.clamp(min=1e-12))
        return total

    def log_visible_decay(self, branch: Branch, momenta: Float[Tensor, "*batch leg 4"]) -> Float[Tensor, "*batch"]:
        """:meth:`log_decay` on the poles of a leptonic branch, whatever the momentum on the leg of the neutrino.

        Without widths it is ln of (p_t·p_ℓ)(p_b·p_ν) for t → b W, W → ℓν, and 0 for W → ℓν.
        """
        if not branch.cascades:
            return momenta.new_zeros(momenta.shape[:-2])
        top, boson = branch.resonances[:2]
        b, lepton = (momenta[..., branch.kinds.index(kind), :] for kind in ("jet", "lepton"))
        product = minkowski_dot(massless(b), massless(lepton))
        with_neutrino = (top.mass**2 - boson.mass**2) / 2 - product
        return torch.log((product + boson.mass**2 / 2) * with_neutrino.clamp(min=_HEAVY * top.mass**2))

    def log_me2(
        self, momenta: Float[Tensor, "*batch leg 4"], *, log_flux: Float[Tensor, "*batch way"] | None = None
    ) -> Float[Tensor, "*batch"]:
        """ln|M|² of balanced massless final momenta in their centre of mass, in the order of the process.

        Where the incoming partons differ, |M|² is summed over both directions from which they can come, each weighted
        with its flux if ``log_flux`` is given.
        """
        flux = momenta.new_zeros((*momenta.shape[:-2], 2)) if log_flux is None else log_flux
        way = self.matrix_element.log(torch.cat((beams(momenta), momenta), dim=-2)) + flux[..., 0]
        if self.is_symmetric:
            return way
        other = self.matrix_element.log(torch.cat((beams(momenta).flip(-2), momenta), dim=-2)) + flux[..., 1]
        return torch.logaddexp(way, other)

    def sweep(
        self, momenta: Float[Tensor, "event leg 4"], orders: Int[Tensor, "order leg"]
    ) -> Float[Tensor, "event order"]:
        """:meth:`log_me2` of every event in many orders of its momenta."""
        incoming = beams(momenta)
        ways = [incoming] if self.is_symmetric else [incoming, incoming.flip(1)]
        found = [self.matrix_element.sweep(torch.cat((way, momenta), dim=1), orders) for way in ways]
        return torch.stack(found).logsumexp(dim=0)


@lru_cache(maxsize=64)
def hypothesis_of(process: str, *, top_width: float | None, w_width: float | None) -> Hypothesis:
    """The process in the model :data:`MASSLESS`, in which these widths (GeV) replace natural ones.

    The hypotheses of a run are kept, since each builds its matrix element once.
    """
    widths = {"width_t": top_width, "width_w": w_width}
    return Hypothesis(
        process, replace(MASSLESS, **{name: value for name, value in widths.items() if value is not None})
    )


def beams(momenta: Float[Tensor, "*batch leg 4"]) -> Float[Tensor, "*batch 2 4"]:
    """The incoming partons, along the z axis, of final momenta in their centre of mass."""
    energy = momenta[..., 0].sum(dim=-1) / 2
    zero = torch.zeros_like(energy)
    return torch.stack(
        (torch.stack((energy, zero, zero, energy), dim=-1), torch.stack((energy, zero, zero, -energy), dim=-1)), dim=-2
    )


def _kind(particle: Particle) -> Kind:
    """The kind of a final particle. Photons and undecayed bosons count as leptons, and are refused as such."""
    if abs(particle.colour) in (3, 8):
        return "jet"
    return "neutrino" if particle.is_fermion and not particle.charge else "lepton"


def _conjugate(process: Process) -> Process:
    outgoing = [
        Leg(leg.particle.anti, leg.polarisation, _conjugate(leg.decay) if leg.decay else None)
        for leg in process.outgoing
    ]
    incoming = tuple(particle.anti for particle in process.incoming)
    return replace(process, incoming=incoming, outgoing=tuple(outgoing))


def _cascades(node: DecayTree, first: int) -> Iterator[tuple[int, int, int]]:
    """Positions of the fermion, the up-like and the down-like product where a fermion decays to a fermion and a W."""
    if node.particle.spin != "fermion" or len(node.daughters) != 2:
        return
    for fermion, boson in (node.daughters, node.daughters[::-1]):
        if not fermion.daughters and boson.daughters and abs(boson.particle.pdg_id) == 24:
            up, down = sorted(boson.daughters, key=lambda product: product.particle.pdg_id % 2)
            yield fermion.legs[0] - first, up.legs[0] - first, down.legs[0] - first
