"""Evaluates the graph of a process on a block of events.

Tensors of currents have the axes (colour, one axis per leg with several states, components, filling, event). An axis
that a current does not depend on has length 1, so that products broadcast.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import cast, get_args

import torch
from torch import Tensor

from hepreco.amplitudes.colour import flatten_colours, spread_colours
from hepreco.amplitudes.diagrams import External, GraphLeg
from hepreco.amplitudes.fillings import Fillings, Slots, join_slots, take
from hepreco.amplitudes.lorentz import Current, Fermion, Momentum, contract, join, propagate, transform
from hepreco.amplitudes.model import Parameter, StandardModel
from hepreco.amplitudes.particles import Particle
from hepreco.amplitudes.recursion import Amplitude, Closing, Dual, Joint, Node, Part
from hepreco.amplitudes.vertices import Vertex


class EventBlock:
    """A block of events: the momenta, their assignments to legs, and the model.

    Parameters
    ----------
    incoming, final
        Four-momenta (4, leg, event) in the partonic centre-of-mass frame, in the units of ``model``'s masses; float64.
    fillings
        The assignments of final momenta to legs.
    model
        The parameters.
    dtype
        Type of spinors and polarisation vectors: complex128 or complex64. Momenta are added in float64.
    """

    def __init__(
        self, incoming: Tensor, final: Tensor, *, fillings: Fillings, model: StandardModel, dtype: torch.dtype
    ) -> None:
        self.incoming, self.final = incoming, final
        self.fillings, self.model, self.dtype = fillings, model, dtype
        self._momenta: dict[Slots, Momentum] = {}

    def momentum(self, slots: Slots) -> Momentum:
        """The sum of the final momenta on these slots."""
        if slots not in self._momenta:
            total = self.final[:, self.fillings.momenta(slots)].sum(dim=2)
            self._momenta[slots] = Momentum(total, self.dtype)
        return self._momenta[slots]

    def per_assignment(self, values: Tensor, slots: Slots) -> Tensor:
        """Expand values from (..., filling, event) to (..., assignment, event)."""
        index = self.fillings.table(slots).of_assignment if len(self.fillings) > 1 else None
        taken = take(values, index)
        return taken.expand(*taken.shape[:-2], len(self.fillings), self.final.shape[-1])


@dataclass(frozen=True, eq=False)
class States:
    """The states of a leg for each filling of ``slots``.

    ``current`` is (state, components, filling, event). The two parts of a massless fermion are its two chiralities, of
    which a graph uses one. The states of an open leg are unit vectors of its decay current, and always have an axis.
    """

    slots: Slots
    count: int
    current: Current
    is_open: bool = False


class GraphEvaluation:
    """The currents of one graph for a block of events, each computed on first use."""

    def __init__(self, legs: Sequence[GraphLeg], states: Sequence[States], block: EventBlock) -> None:
        self.legs, self.states, self.block = legs, states, block
        #: The legs that have an axis of states, in order.
        self.wide = [leg for leg, state in enumerate(states) if state.count > 1 or state.is_open]
        self.slots = self._slots(range(len(legs)))
        self._currents: dict[Node, Current] = {}
        self._momenta: dict[tuple[int, ...], Momentum] = {}
        self._factors: dict[tuple[tuple[int, ...], Particle], Tensor] = {}
        self._couplings: dict[Vertex, tuple[Parameter | None, ...]] = {}

    def amplitude(self, amplitude: Amplitude) -> Tensor:
        """The amplitude (colour, states of each wide leg, filling, event)."""
        terms = map(self._closed, amplitude.closings, amplitude.mixing.factors)
        return cast(Tensor, amplitude.mixing.total(tuple(terms)))

    def as_rows(self, tensor: Tensor) -> Tensor:
        """Put colours and states on one axis: (state, components, filling, event)."""
        counts = [self.states[leg].count for leg in self.wide]
        rest = tensor.shape[1 + len(counts) :]
        return tensor.expand(len(tensor), *counts, *rest).flatten(0, len(counts))

    def _closed(self, closing: Closing, factor: float) -> Tensor:
        halves = (
            self._moved(self.dual(closing.dual), closing.dual.legs, self.slots),
            self._moved(self._current(closing.node), closing.node.legs, self.slots),
        )
        counts = (len(closing.dual.colours), len(closing.node.colours))
        closed = contract(closing.node.particle.spin, *spread_colours(halves, counts))
        closed = cast(Tensor, flatten_colours(closed, counts))
        return closed if factor == 1 else closed * factor

    def dual(self, dual: Dual) -> Current:
        """The sum over joints, (colour, states of each wide leg, components, filling, event)."""
        joined = partial(self._joined, slots=self._slots(dual.legs))
        return dual.mixing.total(tuple(map(joined, dual.joints, dual.mixing.factors)))

    def _joined(self, joint: Joint, factor: float, *, slots: Slots) -> Current:
        vertex = joint.attachment.vertex
        blobs = [self._moved(self._current(blob), blob.legs, slots) for blob in joint.blobs]
        momenta = [self._momentum_at(blob.legs, slots) for blob in joint.blobs] if vertex.structure == "VVV" else ()
        couplings = [None if value is None else value * factor for value in self._values(vertex)]
        counts = [len(blob.colours) for blob in joint.blobs]
        made = join(joint.attachment, spread_colours(blobs, counts), couplings=couplings, momenta=momenta)
        return flatten_colours(made, counts)

    def _current(self, node: Node) -> Current:
        if node not in self._currents:
            self._currents[node] = self._leg(node) if node.dual is None else self._propagated(node)
        return self._currents[node]

    def _leg(self, node: Node) -> Current:
        (leg,) = node.legs
        current = self.states[leg].current
        if isinstance(current, Fermion):
            of_parts = zip(get_args(Part), current, strict=True)
            current = Fermion(*(tensor if part in node.parts else None for part, tensor in of_parts))
        shape = [1] * (1 + len(self.wide))
        if leg in self.wide:
            shape[1 + self.wide.index(leg)] = self.states[leg].count
        return transform(current, lambda state: state.reshape(*shape, *state.shape[1:]))

    def _propagated(self, node: Node) -> Current:
        particle, dual = node.particle, cast(Dual, node.dual)
        return propagate(
            particle,
            self.dual(dual),
            momentum=self._momentum(node.legs),
            mass=self.block.model.mass(particle),
            is_conserved=dual.is_conserved,
            factor=self._factor(node.legs, particle),
        )

    def _factor(self, members: tuple[int, ...], particle: Particle) -> Tensor:
        key = (members, particle)
        if key not in self._factors:
            mass, width = self.block.model.mass(particle), self.block.model.width(particle)
            denominator = self._momentum(members).square - mass**2
            if particle.width:
                denominator = torch.complex(denominator, torch.zeros_like(denominator) + mass * width)
            # −1, since vertices have no factor i; for a vector this sign is in the metric.
            numerator = 1.0 if particle.spin == "vector" else -1.0
            self._factors[key] = (numerator / denominator).to(self.block.dtype)
        return self._factors[key]

    def _momentum(self, members: tuple[int, ...]) -> Momentum:
        final = self.block.momentum(self._slots(members))
        legs = [self.legs[member] for member in members]
        incoming = [leg.position for leg in legs if isinstance(leg, External) and leg.incoming]
        if not incoming:
            return final
        if members not in self._momenta:
            total = final.four_vector - self.block.incoming[:, incoming].sum(dim=1)[:, None]
            self._momenta[members] = Momentum(total, self.block.dtype)
        return self._momenta[members]

    def _momentum_at(self, members: tuple[int, ...], slots: Slots) -> Momentum:
        momentum = self._momentum(members)
        index = self.block.fillings.transfer(self._slots(members), slots)
        return momentum if index is None else Momentum(take(momentum.four_vector, index), self.block.dtype)

    def _slots(self, members: Iterable[int]) -> Slots:
        return join_slots(self.states[leg].slots for leg in members)

    def _moved(self, current: Current, members: tuple[int, ...], slots: Slots) -> Current:
        index = self.block.fillings.transfer(self._slots(members), slots)
        return current if index is None else transform(current, partial(take, index=index))

    def _values(self, vertex: Vertex) -> tuple[Parameter | None, ...]:
        if vertex not in self._couplings:
            self._couplings[vertex] = tuple(coupling and coupling(self.block.model) for coupling in vertex.couplings)
        return self._couplings[vertex]
