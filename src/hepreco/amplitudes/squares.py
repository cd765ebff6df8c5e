"""Squared amplitudes of the graph of a production, summed over states and colours."""

from collections.abc import Sequence
from functools import reduce
from typing import Final, Literal

import torch
from torch import Tensor

from hepreco.amplitudes.diagrams import DecayedLeg, ProcessGraph
from hepreco.amplitudes.evaluation import EventBlock, GraphEvaluation, States
from hepreco.amplitudes.fillings import Fillings, Slots, join_slots
from hepreco.amplitudes.process import Polarisation
from hepreco.amplitudes.spin_density import (
    Density,
    contract_densities,
    decay_density,
    production_density,
    spin_basis,
    square,
)
from hepreco.amplitudes.states import decay_rows, leg_states, log_breit_wigner, polarised_states, resonance_states
from hepreco.amplitudes.wavefunctions import four_velocity

#: The frame that defines helicities: the partonic centre of mass, or the rest frame of the pair of polarised bosons.
Frame = Literal["partonic", "ww"]
#: Longitudinal and transverse, in the order of the results of :func:`squared_polarised`.
POLARISATIONS: Final[tuple[Polarisation, Polarisation]] = ("0", "T")


def squared(process: ProcessGraph, block: EventBlock) -> Tensor:
    """Σ |amplitude|² (assignment, event) over states and colours, without the denominators of the resonances."""
    states: list[States] = []
    decays: dict[Slots, Density] = {}
    for leg, is_open in zip(process.legs, open_legs(process, block.fillings), strict=True):
        if isinstance(leg, DecayedLeg) and is_open:
            rows = decay_rows(leg, block)
            states.append(resonance_states(leg, spin_basis(rows), block, is_open=True))
            decays[leg.open_slots] = decay_density(rows, leg.slots)
        else:
            states.append(leg_states(leg, block))
    graph = GraphEvaluation(process.legs, states, block)
    axes = tuple(1 + axis for axis, leg in enumerate(graph.wide) if states[leg].is_open)
    amplitudes = map(graph.amplitude, process.amplitudes)
    density = reduce(torch.add, (production_density(amplitude, axes) for amplitude in amplitudes))
    total, slots = contract_densities(density, graph.slots, decays, block.fillings)
    return block.per_assignment(total.double(), slots)


def open_legs(process: ProcessGraph, fillings: Fillings) -> tuple[bool, ...]:
    """For each leg whether the production has fewer states and fillings if it is open, given those before it."""
    found: list[bool] = []
    before: Slots = ()
    for number, leg in enumerate(process.legs):
        after = join_slots(other.slots for other in process.legs[number + 1 :])
        found.append(isinstance(leg, DecayedLeg) and _is_cheaper_open(leg, before, after, fillings))
        before += leg.open_slots if found[-1] else leg.slots
    return tuple(found)


def _is_cheaper_open(leg: DecayedLeg, before: Slots, after: Slots, fillings: Fillings) -> bool:
    """Whether the production has fewer states and fillings if this leg is open, with the other legs unchanged."""
    closed = leg.states * len(fillings.table(before + leg.slots + after))
    return leg.polarisation is None and leg.spins * len(fillings.table(before + leg.open_slots + after)) < closed


def squared_polarised(process: ProcessGraph, block: EventBlock, *, bosons: Sequence[int], frame: Frame) -> Tensor:
    """Like :func:`squared`, for each choice of polarisations of some vector bosons: (choice, assignment, event).

    The last boson's polarisation changes fastest. Frames other than the partonic one support one assignment only.
    """
    states = [leg_states(leg, block) for leg in process.legs]
    slots = join_slots(process.legs[boson].slots for boson in bosons)
    velocity = None if frame == "partonic" else four_velocity(block.momentum(slots).four_vector)
    for boson in bosons:
        states[boson] = polarised_states(states[boson], block, polarisations=POLARISATIONS, frame=velocity)
    graph = GraphEvaluation(process.legs, states, block)
    front = tuple(range(len(bosons)))
    axes = tuple(1 + graph.wide.index(boson) for boson in bosons)
    squares = (square(graph.amplitude(amplitude)).movedim(axes, front) for amplitude in process.amplitudes)
    total = reduce(torch.add, (one.flatten(len(front), -3).sum(len(front)) for one in squares))
    for axis in front:
        total = total.unflatten(axis, (len(POLARISATIONS), -1)).sum(axis + 1)
    return block.per_assignment(total.double(), graph.slots).flatten(0, -3)


def log_propagators(process: ProcessGraph, block: EventBlock) -> Tensor:
    """−ln Π [(p² − m²)² + m²Γ²] over all resonances, (assignment, event)."""
    total = block.final.new_zeros(())
    for leg in process.legs:
        if isinstance(leg, DecayedLeg):
            total = total - block.per_assignment(log_breit_wigner(leg, block), leg.slots)
    return total
