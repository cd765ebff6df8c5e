"""Squared amplitudes of a graph in memory, summed over states and colours."""

import math
from collections.abc import Callable, Mapping, Sequence
from functools import reduce

from torch import Tensor

from hepreco.amplitudes.compiled.currents import ClosingGraph, Currents
from hepreco.amplitudes.compiled.kernels import Output
from hepreco.amplitudes.compiled.plan import Inputs, Quantity, RowBlock, flat
from hepreco.amplitudes.diagrams import DecayedLeg
from hepreco.amplitudes.recursion import Amplitude
from hepreco.amplitudes.spin_density import Density, contract_densities, production_density, square
from hepreco.amplitudes.squares import POLARISATIONS
from hepreco.amplitudes.states import breit_wigner


def add_ratio(currents: Currents) -> None:
    """Σ |amplitude|² over the denominators of resonances, for each assignment."""
    total = (
        _polarised(currents)
        if currents.polarised
        else _contracted(currents)
        if any(currents.is_open)
        else _squared(currents)
    )
    inputs = Inputs(currents.plan.expressions)
    factor, mul = 1, currents.plan.expressions.mul
    for leg in currents.graph.legs:
        if isinstance(leg, DecayedLeg):
            block = RowBlock(currents.plan, currents.momentum)
            (number,) = inputs.numbers(currents.simple(block.inputs, _inverse_propagators(leg, block), leg.slots))
            factor = mul(factor, number)
    numbers = tuple(mul(number, factor) for number in inputs.numbers(total))
    results = currents.plan.results(size=len(numbers))
    currents.plan.call(inputs, [(results, Output(numbers))], slots=None)


def _squared(currents: Currents) -> Quantity:
    """Σ |amplitude|² for every filling of all legs."""
    everything = range(len(currents.graph.legs))
    total = currents.plan.quantity(currents.slots_of(everything), size=1, cleared=True)
    for amplitude in currents.graph.amplitudes:
        _add_square(currents, amplitude, total, lambda _: 0)
    return total


def _polarised(currents: Currents) -> Quantity:
    """The same, for each choice of polarisations."""
    assert currents.polarised
    bosons, choices = currents.polarised.bosons, len(POLARISATIONS)
    slots = currents.slots_of(range(len(currents.graph.legs)))
    total = currents.plan.quantity(slots, size=choices ** len(bosons), cleared=True)

    def choice(chosen: Mapping[int, int]) -> int:
        digits = (chosen[boson] * choices // currents.plan.states[boson] for boson in bosons)
        return reduce(lambda number, digit: number * choices + digit, digits)

    for amplitude in currents.graph.amplitudes:
        _add_square(currents, amplitude, total, choice)
    return total


def _add_square(
    currents: Currents, amplitude: Amplitude, total: Quantity, offset: Callable[[Mapping[int, int]], int]
) -> None:
    row = ClosingGraph(currents)
    output = Output(flat(square(row.amplitude(amplitude)).sum(), currents.plan.expressions), accumulate=True)
    currents.plan.call(
        row.inputs, [(total, output)], slots=total.slots, legs=range(len(currents.graph.legs)), offset=offset
    )


def _contracted(currents: Currents) -> Quantity:
    """Σ ρ Π D for every filling of all legs."""
    slots = currents.slots_of(range(len(currents.graph.legs)))
    opened = [leg for leg, is_open in enumerate(currents.is_open) if is_open]
    counts = [currents.plan.states[leg] for leg in opened]
    shape = (*(count**2 for count in counts), 1, 1)
    density = currents.plan.quantity(slots, size=math.prod(shape), cleared=True)
    for amplitude in currents.graph.amplitudes:
        _add_density(currents, amplitude, density, opened)
    for leg in opened:
        inputs, decay = Inputs(currents.plan.expressions), currents.densities[leg]
        before = inputs.tensor(density, shape, is_complex=False)
        coordinates = inputs.tensor(decay, (decay.size, 1, 1), is_complex=False)
        one = {currents.graph.legs[leg].open_slots: Density(decay.slots, coordinates)}
        value, slots = contract_densities(before, slots, one, currents.plan.one_filling)
        density, shape = currents.simple(inputs, value, slots), tuple(value.shape)
    return density


def _add_density(currents: Currents, amplitude: Amplitude, density: Quantity, opened: Sequence[int]) -> None:
    closed = [leg for leg in range(len(currents.graph.legs)) if leg not in opened]
    row = ClosingGraph(currents)
    numbers = flat(row.amplitude(amplitude), currents.plan.expressions)
    made = currents.plan.quantity(density.slots, size=len(numbers), legs=(*closed, *opened))
    currents.plan.call(row.inputs, [(made, Output(numbers))], slots=made.slots, legs=made.legs)
    inputs = Inputs(currents.plan.expressions)
    counts = [currents.plan.states[leg] for leg in opened]
    whole = inputs.tensor(made, (*counts, amplitude.colours, 1, 1)).movedim(len(counts), 0)
    value = production_density(whole, tuple(range(1, 1 + len(counts))))
    currents.plan.call(
        inputs,
        [(density, Output(flat(value, currents.plan.expressions), accumulate=True))],
        slots=made.slots,
        legs=closed,
    )


def _inverse_propagators(leg: DecayedLeg, block: RowBlock) -> Tensor:
    """1 / Π [(p² − m²)² + m²Γ²] of a resonance and of those that it decays to."""
    product = 1 / breit_wigner(leg, block)
    for one in leg.legs:
        if isinstance(one, DecayedLeg):
            product = product * _inverse_propagators(one, block)
    return product
