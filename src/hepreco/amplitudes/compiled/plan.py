"""What a program computes: quantities in memory, and the kernels that compute them from each other."""

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import reduce
from itertools import product

import torch
from torch import Tensor

from hepreco.amplitudes.compiled.assembly import Assembly
from hepreco.amplitudes.compiled.expressions import Expressions
from hepreco.amplitudes.compiled.kernels import Output
from hepreco.amplitudes.compiled.parameters import SymbolicModel
from hepreco.amplitudes.compiled.symbols import Symbols, entries_of, symbols
from hepreco.amplitudes.evaluation import EventBlock
from hepreco.amplitudes.fillings import Fillings, Slots
from hepreco.amplitudes.lorentz import Current, Fermion, Momentum
from hepreco.amplitudes.model import Zeros

#: The first quantities of every plan: the momenta as given, those in the partonic centre of mass, and the faults.
GIVEN, MOMENTA, FAULTS = range(3)
#: The faults: counts of events that fail a check, by the type of momenta and whether they may fit any leg.
CHECKS = [(dtype, any_leg) for dtype in (torch.float64, torch.float32) for any_leg in (True, False)]


@dataclass(frozen=True)
class Quantity:
    """Numbers in memory, for each filling of ``slots`` and each choice of the states of ``legs``.

    Parameters
    ----------
    number
        Its position in a plan.
    legs
        The legs on whose states it depends; the state of the last changes fastest.
    size
        How many numbers it is for one filling and choice of states.
    stride
        How many it is for one filling.
    """

    number: int
    slots: Slots
    legs: tuple[int, ...]
    size: int
    stride: int


@dataclass(frozen=True)
class Source:
    """A group of numbers that a kernel reads or writes: a quantity, or for each filling the momentum on a final leg."""

    quantity: int
    final: int | None = None


@dataclass(frozen=True)
class Call:
    """A kernel, run for all fillings of ``slots``, or for all assignments if it has none."""

    slots: Slots | None
    sources: tuple[Source, ...]


class Inputs:
    """The quantities that a kernel reads, in the order in which it asks for them first."""

    def __init__(self, expressions: Expressions, quantities: Iterable[Quantity] = ()) -> None:
        self.expressions = expressions
        self.quantities = list(quantities)
        self.sources = [Source(quantity.number) for quantity in self.quantities]

    def numbers(self, quantity: Quantity, *, size: int | None = None, final: int | None = None) -> list[int]:
        """The expressions that stand for the numbers of a quantity."""
        source = Source(quantity.number, final)
        if source not in self.sources:
            assert not self.expressions.guards, "a function reads memory after it tested a condition"
            self.sources.append(source)
            self.quantities.append(quantity)
        group = self.sources.index(source)
        return [self.expressions.input(group, position) for position in range(size or quantity.size)]

    def tensor(self, quantity: Quantity, shape: Sequence[int], *, is_complex: bool = True) -> Symbols:
        """A quantity as one tensor."""
        numbers = self.numbers(quantity, size=math.prod(shape) * (1 + is_complex))
        return symbols(numbers, self.expressions, shape=shape, is_complex=is_complex)

    def current(self, quantity: Quantity, like: Current) -> Current:
        """A quantity as a current with the shape of another one."""
        numbers = iter(self.numbers(quantity))

        def part(one: Tensor) -> Tensor:
            entries = [next(numbers) for _ in range(2 * one.numel())]
            return symbols(entries, self.expressions, shape=one.shape, is_complex=True)

        if isinstance(like, Fermion):
            return Fermion(*(None if one is None else part(one) for one in like))
        return part(like)


def flat(value: Current, expressions: Expressions) -> tuple[int, ...]:
    """The expressions in a current or a tensor, real and imaginary parts of its entries one after the other."""
    parts = [part for part in value if part is not None] if isinstance(value, Fermion) else [value]
    return tuple(number for part in parts for number in entries_of(part, expressions))


@dataclass
class ProgramBuilder:
    """Collects the quantities and kernels of a program.

    Parameters
    ----------
    incoming, final
        The number of momenta.
    zeros
        What vanishes in the model.
    lanes
        Events in a vector.
    states
        The number of states of each leg of the production.
    """

    incoming: int
    final: int
    zeros: Zeros
    lanes: int
    expressions: Expressions = field(default_factory=Expressions)
    quantities: list[Quantity] = field(default_factory=list)
    calls: list[Call] = field(default_factory=list)
    states: dict[int, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.assembly = Assembly(self.expressions, self.lanes)
        components = 4 * (self.incoming + self.final)
        self.given, self.momenta, self.faults = (
            self.quantity((), size=size) for size in (components, components, len(CHECKS))
        )
        self.result = self.faults
        self.cleared: list[int] = []
        self.one_filling = Fillings(torch.arange(self.final)[None])
        self.model = SymbolicModel(self.expressions, self.zeros)

    def quantity(self, slots: Slots, *, size: int, legs: Sequence[int] = (), cleared: bool = False) -> Quantity:
        """A new quantity; if it is ``cleared``, kernels may add to it."""
        stride = size * math.prod(self.states[leg] for leg in legs)
        made = Quantity(len(self.quantities), slots, tuple(legs), size, stride)
        self.quantities.append(made)
        if cleared:
            self.cleared.append(made.number)
        return made

    def results(self, *, size: int) -> Quantity:
        """The numbers that a program computes for each assignment."""
        self.result = self.quantity((), size=size)
        return self.result

    def call(
        self,
        inputs: Inputs,
        outputs: Sequence[tuple[Quantity, Output]],
        *,
        slots: Slots | None,
        legs: Sequence[int] = (),
        offset: Callable[[Mapping[int, int]], int] = lambda _: 0,
    ) -> str:
        """Add a kernel, run it as :meth:`repeat` does, and return its name."""
        number = self.expressions.select(self.fault(), 1, 0)
        faulty = [(self.faults, Output((number,) * len(CHECKS), accumulate=True))] if number else []
        name = self.assembly.kernel([output for _, output in (*outputs, *faulty)], inputs=len(inputs.sources))
        written = [quantity for quantity, _ in (*outputs, *faulty)]
        self.repeat(name, inputs, written, slots=slots, legs=legs, offset=offset)
        return name

    def repeat(
        self,
        name: str,
        inputs: Inputs,
        written: Sequence[Quantity],
        *,
        slots: Slots | None,
        legs: Sequence[int] = (),
        offset: Callable[[Mapping[int, int]], int] = lambda _: 0,
    ) -> None:
        """Run a kernel for all states of ``legs``; ``offset`` is added to the place of the first quantity written."""
        table = [
            [
                *(self._place(quantity, chosen) for quantity in inputs.quantities),
                self._place(written[0], chosen) + offset(chosen),
                *(self._place(quantity, chosen) for quantity in written[1:]),
            ]
            for chosen in self._choices(legs)
        ]
        self.assembly.call(name, table)
        self.calls.append(Call(slots, (*inputs.sources, *(Source(quantity.number) for quantity in written))))

    def fault(self) -> int:
        """Whether one of the guards that were recorded since the last call holds."""
        guards, self.expressions.guards = self.expressions.guards, []
        return reduce(self.expressions.either, guards, 0)

    def _choices(self, legs: Sequence[int]) -> Iterator[dict[int, int]]:
        for states in product(*(range(self.states[leg]) for leg in legs)):
            yield dict(zip(legs, states, strict=True))

    def _place(self, quantity: Quantity, chosen: Mapping[int, int]) -> int:
        index = 0
        for leg in quantity.legs:
            index = index * self.states[leg] + chosen.get(leg, 0)
        return quantity.size * index


class RowBlock(EventBlock):
    """A block of one event and one filling, whose momenta are read from memory.

    Parameters
    ----------
    momentum
        The sum of the final momenta on some slots.
    """

    def __init__(self, plan: ProgramBuilder, momentum: Callable[[Slots], Quantity]) -> None:
        self.inputs, self._sum = Inputs(plan.expressions), momentum
        incoming = self.inputs.tensor(plan.momenta, (plan.incoming, 4, 1), is_complex=False).transpose(0, 1)
        super().__init__(incoming, torch.empty(0), fillings=plan.one_filling, model=plan.model, dtype=torch.complex128)

    def momentum(self, slots: Slots) -> Momentum:
        """The sum of the final momenta on these slots."""
        if slots not in self._momenta:
            shape = (4, 1, 1)
            total = (
                self.inputs.tensor(self._sum(slots), shape, is_complex=False)
                if slots
                else symbols([0] * 4, self.inputs.expressions, shape=shape, is_complex=False)
            )
            self._momenta[slots] = Momentum(total, self.dtype)
        return self._momenta[slots]
