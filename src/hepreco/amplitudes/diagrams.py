"""Builds the graphs of a process's production and decays."""

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Final

import torch

from hepreco.amplitudes.decays import DecayTree, decay_trees
from hepreco.amplitudes.fillings import Slots, join_slots
from hepreco.amplitudes.model import Zeros
from hepreco.amplitudes.particles import Particle
from hepreco.amplitudes.process import Leg, OrderLimit, Polarisation, Process
from hepreco.amplitudes.recursion import BOTH, Amplitude, DiagramBuilder, Dual, Orders, Part, propagated_parts
from hepreco.errors import ForbiddenProcessError

#: Graphs that are kept in memory: complicated ones take seconds to build, and a few megabytes.
_KEPT: Final = 64


@dataclass(frozen=True, eq=False)
class External:
    """A leg on its mass shell.

    Parameters
    ----------
    particle
        The outgoing particle; for an incoming one its antiparticle.
    position
        Position of its momentum among the incoming or the final ones.
    states
        Number of spin states; one for each chirality of a massless fermion.
    incoming
        Whether it is an incoming particle.
    polarisation
        The requested polarisation.
    """

    particle: Particle
    position: int
    states: int
    incoming: bool
    polarisation: Polarisation | None = None

    @property
    def slots(self) -> Slots:
        """The final legs that it depends on."""
        return () if self.incoming else ((self.position,),)

    @property
    def open_slots(self) -> Slots:
        """The same: an external leg is never open."""
        return self.slots

    @property
    def spins(self) -> int:
        """The same as ``states``."""
        return self.states


@dataclass(frozen=True, eq=False)
class DecayedLeg:
    """A leg that decays: a propagator between the graph of the production and that of the decay."""

    particle: Particle
    legs: tuple["External | DecayedLeg", ...]
    decays: tuple[Dual, ...]
    polarisation: Polarisation | None

    @cached_property
    def slots(self) -> Slots:
        """The final legs that it depends on."""
        return join_slots(leg.slots for leg in self.legs)

    @cached_property
    def open_slots(self) -> Slots:
        """The same legs, when only the sum of their momenta matters."""
        return (tuple(sorted(column for group in self.slots for column in group)),)

    @cached_property
    def states(self) -> int:
        """The number of states of its decay products."""
        return sum(len(decay.colours) for decay in self.decays) * math.prod(leg.states for leg in self.legs)

    @cached_property
    def spins(self) -> int:
        """The number of components of its decay current that do not vanish identically."""
        return {"scalar": 1, "fermion": 2 * len(self.decay_parts), "vector": 4}[self.particle.spin]

    @property
    def decay_parts(self) -> frozenset[Part]:
        """The parts of a fermion's decay current that may be non-zero."""
        return frozenset[Part]().union(*(decay.parts for decay in self.decays))


GraphLeg = External | DecayedLeg


@dataclass(frozen=True, eq=False)
class ProcessGraph:
    """The graph of a whole process.

    Parameters
    ----------
    legs
        The incoming legs, then those of the production's final state.
    amplitudes
        One amplitude for each choice of chiralities.
    identical
        Groups of legs whose exchange does not change the squared amplitude; each leg is given by its final legs.
    """

    legs: tuple[GraphLeg, ...]
    amplitudes: tuple[Amplitude, ...]
    identical: tuple[tuple[tuple[int, ...], ...], ...]


@lru_cache(maxsize=_KEPT)
def build_graph(process: Process, zeros: Zeros) -> ProcessGraph:
    """Build the graph of a process, which is shared by all models with the same zeros.

    Raises
    ------
    ProcessError
        There is no diagram.
    """
    with _own_tensors():
        legs = _legs(process, zeros)
        builder = _builder(legs, process, zeros)
        amplitudes = tuple(builder.amplitudes(_allowed(process, builder.amplitude_orders())))
    groups: dict[Leg, list[tuple[int, ...]]] = {}
    for leg, graph_leg in zip(process.outgoing, legs[len(process.incoming) :], strict=True):
        groups.setdefault(leg, []).append(graph_leg.open_slots[0])
    return ProcessGraph(legs, amplitudes, tuple(tuple(group) for group in groups.values() if len(group) > 1))


@lru_cache(maxsize=_KEPT)
def count_diagrams(process: Process, zeros: Zeros) -> int:
    """The number of Feynman diagrams of a production."""
    with _own_tensors():
        # If chiralities are not distinguished, there is one amplitude with all diagrams.
        builder = _builder(_legs(process, zeros), process, zeros, chiral=frozenset())
        allowed = _allowed(process, builder.amplitude_orders())
        return sum(amplitude.diagrams for amplitude in builder.amplitudes(allowed))


def least_power(process: Process, zeros: Zeros) -> int:
    """The smallest QCD + 2 QED among the diagrams of a production.

    Raises
    ------
    ProcessError
        The production or a decay has no diagram.
    """
    with _own_tensors():
        builder = _builder(_legs(process, zeros), process, zeros, chiral=frozenset())
        return min(qcd + 2 * qed for qcd, qed in _allowed(process, builder.amplitude_orders()))


@contextmanager
def _own_tensors() -> Iterator[None]:
    """Make cached tensors on the CPU and usable with gradients, whatever the caller's torch settings."""
    with torch.device("cpu"), torch.inference_mode(mode=False):
        yield


def _legs(process: Process, zeros: Zeros) -> tuple[GraphLeg, ...]:
    incoming = (
        External(particle.anti, i, _spin_states(particle, zeros), incoming=True)
        for i, particle in enumerate(process.incoming)
    )
    return (*incoming, *(_final_leg(tree, zeros) for tree in decay_trees(process)))


def _spin_states(particle: Particle, zeros: Zeros) -> int:
    # The graph distinguishes the two chiralities of a massless fermion.
    massive = particle not in zeros.masses
    return {"scalar": 1, "fermion": 1 + massive, "vector": 2 + massive}[particle.spin]


def _final_leg(tree: DecayTree, zeros: Zeros) -> GraphLeg:
    particle, polarisation, decay = tree.particle, tree.leg.polarisation, tree.leg.decay
    if decay is None:
        states = _spin_states(particle, zeros)
        return External(particle, tree.legs[0], states, incoming=False, polarisation=polarisation)
    products = tuple(_final_leg(daughter, zeros) for daughter in tree.daughters)
    builder = _builder(products, decay, zeros)
    decays = tuple(builder.decays(particle, _allowed(decay, builder.decay_orders(particle))))
    return DecayedLeg(particle, products, decays, polarisation)


def _builder(
    legs: Sequence[GraphLeg],
    process: Process,
    zeros: Zeros,
    *,
    chiral: frozenset[int] | None = None,
) -> DiagramBuilder:
    def parts(leg: GraphLeg) -> frozenset[Part]:
        decayed = leg.decay_parts if isinstance(leg, DecayedLeg) else BOTH
        return propagated_parts(leg.particle, decayed, is_massless=leg.particle in zeros.masses)

    if chiral is None:
        fermions = (i for i, leg in enumerate(legs) if isinstance(leg, External) and leg.particle.is_fermion)
        chiral = frozenset(i for i in fermions if legs[i].particle in zeros.masses)
    return DiagramBuilder(
        [(leg.particle, parts(leg)) for leg in legs], zeros=zeros, chiral=chiral, excluded=process.excluded
    )


def _allowed(process: Process, found: set[Orders]) -> set[Orders]:
    """The orders within the limits of the process; without limits those with the smallest QCD + 2 QED."""
    if process.limits:
        kept = {orders for orders in found if all(_allows(limit, orders) for limit in process.limits)}
    else:
        least = min((qcd + 2 * qed for qcd, qed in found), default=0)
        kept = {(qcd, qed) for qcd, qed in found if qcd + 2 * qed == least}
    if not kept:
        words = [*map(str, process.incoming), ">", *(str(leg.particle) for leg in process.outgoing)]
        raise ForbiddenProcessError(
            f"no tree diagram for {' '.join(words)}"
            + (f" within its limits; without them there are {_listed(found)}" if found else ""),
            "relax the limits on orders or the excluded particles"
            if found
            else "the vertices of the Standard Model do not allow it",
        )
    return kept


def _allows(limit: OrderLimit, orders: Orders) -> bool:
    return limit.allows(orders[("QCD", "QED").index(limit.name)])


def _listed(found: set[Orders]) -> str:
    return ", ".join(f"QCD={qcd} QED={qed}" for qcd, qed in sorted(found))
