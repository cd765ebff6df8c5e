"""The currents of a graph in memory: one kernel for each, run for all states and fillings of its legs."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import reduce
from itertools import chain
from typing import get_args

import torch
from torch import Tensor

from hepreco.amplitudes.compiled.kernels import Output
from hepreco.amplitudes.compiled.plan import Inputs, ProgramBuilder, Quantity, RowBlock, flat
from hepreco.amplitudes.compiled.symbols import symbols
from hepreco.amplitudes.diagrams import DecayedLeg, External, ProcessGraph
from hepreco.amplitudes.evaluation import GraphEvaluation, States
from hepreco.amplitudes.fillings import Slots, join_slots
from hepreco.amplitudes.lorentz import Current, Fermion, Momentum, transform
from hepreco.amplitudes.particles import Particle
from hepreco.amplitudes.recursion import Dual, Node, Part
from hepreco.amplitudes.spin_density import (
    decay_density,
    spin_basis,
)
from hepreco.amplitudes.squares import POLARISATIONS, Frame
from hepreco.amplitudes.states import decay_rows, leg_states, polarised_states, resonance_states
from hepreco.amplitudes.wavefunctions import four_velocity


@dataclass(frozen=True)
class Polarised:
    """The bosons whose polarisations are distinguished, and the frame that defines helicities."""

    bosons: tuple[int, ...]
    frame: Frame


@dataclass(frozen=True)
class Stored:
    """A current in memory, and one of its shape."""

    quantity: Quantity
    like: Current


@dataclass(frozen=True)
class Denominator:
    """That of the propagator of a particle that splits into some legs."""

    legs: tuple[int, ...]
    particle: Particle


#: What the kernel of a current asks for: the current of a node, the momentum of legs, or a denominator.
Asked = Node | tuple[int, ...] | Denominator


@dataclass(frozen=True)
class Recorded:
    """A kernel of a current.

    Parameters
    ----------
    current
        A current of its shape.
    roles, order
        What it asks for, by role, and the group of each.
    """

    name: str
    current: Current
    roles: list[int]
    order: list[int]


class Currents:
    """Plans the currents of a graph; every quantity is planned when it is needed first.

    Parameters
    ----------
    plan
        Where they are collected.
    graph
        The graph of the process.
    is_open
        Whether each leg is open.
    polarised
        The bosons whose polarisations are distinguished, and the frame that defines helicities.
    """

    def __init__(
        self, plan: ProgramBuilder, graph: ProcessGraph, *, is_open: Sequence[bool], polarised: Polarised | None = None
    ) -> None:
        self.plan, self.graph, self.is_open, self.polarised = plan, graph, is_open, polarised
        self.slots = [leg.open_slots if opened else leg.slots for leg, opened in zip(graph.legs, is_open, strict=True)]
        self._quantities: dict[object, Quantity] = {}
        self._stored: dict[Node | Dual, Stored] = {}
        self._recorded: dict[object, Recorded] = {}
        self.densities: dict[int, Quantity] = {}
        self._legs = [self._leg(number) for number in range(len(graph.legs))]

    def momentum(self, slots: Slots) -> Quantity:
        """The sum of the final momenta on some slots."""
        if slots not in self._quantities:
            inputs = Inputs(self.plan.expressions)
            legs = range(sum(map(len, slots)))
            each = (inputs.numbers(self.plan.momenta, size=4, final=leg) for leg in legs)
            total = [reduce(self.plan.expressions.add, column) for column in zip(*each, strict=True)]
            momentum = symbols(total, self.plan.expressions, shape=(4,), is_complex=False)
            self._quantities[slots] = self.simple(inputs, momentum, slots)
        return self._quantities[slots]

    def momentum_of(self, members: tuple[int, ...]) -> Quantity:
        """The outgoing momentum of some legs."""
        legs = [self.graph.legs[member] for member in members]
        if not any(isinstance(leg, External) and leg.incoming for leg in legs):
            return self.momentum(self.slots_of(members))
        if members not in self._quantities:
            row = RowGraph(self)
            total = GraphEvaluation._momentum(row, members).four_vector
            self._quantities[members] = self.simple(row.inputs, total, self.slots_of(members))
        return self._quantities[members]

    def factor(self, members: tuple[int, ...], particle: Particle) -> Quantity:
        """The denominator of a propagator."""
        key = (members, particle)
        if key not in self._quantities:
            row = RowGraph(self)
            value = GraphEvaluation._factor(row, members, particle)
            self._quantities[key] = self.simple(row.inputs, value, self.slots_of(members))
        return self._quantities[key]

    def current(self, node: Node) -> Stored:
        """The current of a node."""
        if node.dual is None:
            return self._legs[node.legs[0]]
        if node not in self._stored:
            self._stored[node] = self._joined(node.dual, node)
        return self._stored[node]

    def dual(self, dual: Dual) -> Stored:
        """A dual that closes diagrams."""
        if dual not in self._stored:
            self._stored[dual] = self._joined(dual, None)
        return self._stored[dual]

    def _joined(self, dual: Dual, node: Node | None) -> Stored:
        """A dual, or the current of its node; kernels that would be recorded alike are recorded once."""
        blobs = [blob for joint in dual.joints for blob in joint.blobs]
        roles: list[Asked] = [*blobs, *(blob.legs for blob in blobs), dual.legs, Denominator(dual.legs, dual.parent)]
        key = (
            node and node.particle,
            dual.is_conserved,
            dual.mixing.factors,
            tuple(block.numpy().tobytes() for block in dual.mixing.blocks or ()),
            tuple((joint.attachment.vertex, joint.attachment.slots, joint.attachment.missing) for joint in dual.joints),
            tuple((blob.parts if blob.dual is None else (), shapes(self.current(blob).like)) for blob in blobs),
        )
        if key in self._recorded:
            known = self._recorded[key]
            inputs = Inputs(self.plan.expressions, self._read(roles[role] for role in known.roles))
            if self._order(inputs, roles, known.roles) == known.order:
                made = self._made(known.current, dual.legs)
                self.plan.repeat(known.name, inputs, [made], slots=made.slots, legs=dual.legs)
                return Stored(made, known.current)
        row = RowGraph(self)
        current = row.propagated(node) if node else row.dual(dual)
        made = self._made(current, dual.legs)
        output = Output(flat(current, self.plan.expressions))
        name = self.plan.call(row.inputs, [(made, output)], slots=made.slots, legs=dual.legs)
        asked = [roles.index(one) for one in row.asked]
        self._recorded[key] = Recorded(name, current, asked, self._order(row.inputs, roles, asked))
        return Stored(made, current)

    def _made(self, current: Current, legs: tuple[int, ...]) -> Quantity:
        parts = current if isinstance(current, Fermion) else (current,)
        size = sum(2 * part.numel() for part in parts if part is not None)
        return self.plan.quantity(self.slots_of(legs), size=size, legs=legs)

    def _read(self, asked: Iterable[Asked]) -> dict[Quantity, None]:
        """The quantities that a kernel reads, in order."""
        return dict.fromkeys((self.plan.momenta, *map(self.quantity, asked)))

    def _order(self, inputs: Inputs, roles: Sequence[Asked], asked: Iterable[int]) -> list[int]:
        return [inputs.quantities.index(self.quantity(roles[role])) for role in asked]

    def quantity(self, asked: Asked) -> Quantity:
        """The current of a node, the momentum of some legs, or the denominator of a propagator."""
        if isinstance(asked, Node):
            return self.current(asked).quantity
        if isinstance(asked, Denominator):
            return self.factor(asked.legs, asked.particle)
        return self.momentum_of(asked)

    def slots_of(self, members: Iterable[int]) -> Slots:
        """The slots of some legs."""
        return join_slots(self.slots[leg] for leg in members)

    def simple(self, inputs: Inputs, value: Tensor, slots: Slots) -> Quantity:
        """A quantity that does not depend on states."""
        numbers = flat(value, self.plan.expressions)
        made = self.plan.quantity(slots, size=len(numbers))
        self.plan.call(inputs, [(made, Output(numbers))], slots=slots)
        return made

    def _leg(self, number: int) -> Stored:
        """The states of a leg."""
        leg = self.graph.legs[number]
        block = RowBlock(self.plan, self.momentum)
        if isinstance(leg, DecayedLeg) and self.is_open[number]:
            rows = decay_rows(leg, block)
            density = decay_density(rows, leg.slots).coordinates
            self.densities[number] = self.simple(block.inputs, density, leg.slots)
            block = RowBlock(self.plan, self.momentum)
            like = transform(rows, lambda part: torch.zeros(part.shape, dtype=part.dtype))
            states = resonance_states(leg, spin_basis(like), block, is_open=True)
        else:
            states = leg_states(leg, block)
        if self.polarised and number in self.polarised.bosons:
            states = self._projected(states, block)
        self.plan.states[number] = states.count
        each = [_one_state(states.current, state) for state in range(states.count)]
        numbers = [flat(state, self.plan.expressions) for state in each]
        made = self.plan.quantity(states.slots, size=len(numbers[0]), legs=(number,))
        self.plan.call(block.inputs, [(made, Output(tuple(chain(*numbers))))], slots=states.slots)
        return Stored(made, each[0])

    def _projected(self, states: States, block: "RowBlock") -> States:
        assert self.polarised
        pair = join_slots(self.graph.legs[boson].slots for boson in self.polarised.bosons)
        partonic = self.polarised.frame == "partonic"
        frame = None if partonic else four_velocity(block.momentum(pair).four_vector)
        return polarised_states(states, block, polarisations=POLARISATIONS, frame=frame)


class RowGraph(GraphEvaluation):
    """The currents of a graph for one choice of states, read from memory."""

    def __init__(self, currents: Currents) -> None:
        self._in_memory = currents
        block = RowBlock(currents.plan, currents.momentum)
        self.inputs = block.inputs
        self.asked: list[Asked] = []
        super().__init__(currents.graph.legs, [States(slots, 1, torch.empty(1)) for slots in currents.slots], block)

    def propagated(self, node: Node) -> Current:
        """The current of a node from its dual."""
        return self._propagated(node)

    def _current(self, node: Node) -> Current:
        self.asked.append(node)
        stored = self._in_memory.current(node)
        current = self.inputs.current(stored.quantity, stored.like)
        if node.dual is None and isinstance(current, Fermion):
            of_parts = zip(get_args(Part), current, strict=True)
            return Fermion(*(part if name in node.parts else None for name, part in of_parts))
        return current

    def _momentum(self, members: tuple[int, ...]) -> Momentum:
        self.asked.append(members)
        momentum = self.inputs.tensor(self._in_memory.momentum_of(members), (4, 1, 1), is_complex=False)
        return Momentum(momentum, self.block.dtype)

    def _factor(self, members: tuple[int, ...], particle: Particle) -> Tensor:
        self.asked.append(Denominator(members, particle))
        return self.inputs.tensor(self._in_memory.factor(members, particle), (1, 1))


class ClosingGraph(RowGraph):
    """The amplitudes of a graph for one choice of states, from currents and duals in memory."""

    def dual(self, dual: Dual) -> Current:
        """The sum over joints."""
        stored = self._in_memory.dual(dual)
        return self.inputs.current(stored.quantity, stored.like)


def shapes(current: Current) -> tuple[tuple[int, ...] | None, ...]:
    """The shapes of the parts of a current."""
    parts = current if isinstance(current, Fermion) else (current,)
    return tuple(None if part is None else tuple(part.shape) for part in parts)


def _one_state(current: Current, state: int) -> Current:
    return transform(current, lambda part: part[state : state + 1])
