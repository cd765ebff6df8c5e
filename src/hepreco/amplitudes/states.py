"""The states of legs: wave functions of external particles, and currents of resonances."""

from collections.abc import Sequence
from typing import cast

import torch
from torch import Tensor

from hepreco.amplitudes.diagrams import DecayedLeg, External, GraphLeg
from hepreco.amplitudes.evaluation import EventBlock, GraphEvaluation, States
from hepreco.amplitudes.fillings import take
from hepreco.amplitudes.lorentz import Current, Fermion, as_matrix, components, dot, propagate, transform
from hepreco.amplitudes.model import is_zero
from hepreco.amplitudes.process import Polarisation
from hepreco.amplitudes.wavefunctions import (
    four_velocity,
    longitudinal_vector,
    massive_fermion,
    massive_vectors,
    massless_fermion,
    transverse_vectors,
)


def leg_states(leg: GraphLeg, block: EventBlock) -> States:
    """The states of a leg, projected on its polarisation if it has one."""
    states = (
        external_states(leg, block)
        if isinstance(leg, External)
        else resonance_states(leg, decay_rows(leg, block), block)
    )
    if leg.polarisation is None:
        return states
    return polarised_states(states, block, polarisations=(leg.polarisation,))


def external_states(leg: External, block: EventBlock) -> States:
    """The wave functions of a leg on its mass shell."""
    momentum = block.incoming[:, leg.position, None] if leg.incoming else block.momentum(leg.slots).four_vector
    mass = block.model.mass(leg.particle)
    is_massless = is_zero(mass)
    match leg.particle.spin:
        case "scalar":
            one = torch.ones((1, 1, 1), dtype=block.dtype, device=momentum.device)
            return States(leg.slots, 1, one)
        case "fermion" if is_massless:
            spinor = massless_fermion(momentum).to(block.dtype)[None]
            return States(leg.slots, 1, Fermion(spinor, spinor.conj().resolve_conj()))
        case "fermion":
            both = massive_fermion(momentum, mass=mass, particle=leg.particle, incoming=leg.incoming)
            fermion = transform(both, lambda part: part.to(block.dtype))
            return States(leg.slots, leg.states, fermion)
        case "vector":
            vectors = transverse_vectors(momentum) if is_massless else massive_vectors(momentum, mass=mass)
            current = as_matrix(vectors).to(block.dtype)
            return States(leg.slots, leg.states, current)


def decay_rows(leg: DecayedLeg, block: EventBlock) -> Current:
    """The decay current (state, components, ...) of a resonance before its propagator, by state of its products."""
    graph = GraphEvaluation(leg.legs, [leg_states(product, block) for product in leg.legs], block)
    rows = [transform(graph.dual(decay), graph.as_rows) for decay in leg.decays]
    if all(isinstance(row, Tensor) for row in rows):
        return torch.cat(cast(list[Tensor], rows))
    fermions = cast(list[Fermion], rows)
    return Fermion(*(_stacked([(row[part], row[1 - part]) for row in fermions]) for part in (0, 1)))


def _stacked(parts: Sequence[tuple[Tensor | None, Tensor | None]]) -> Tensor | None:
    """One part of several fermions, with zeros for those without it; None if all lack it."""
    if all(part is None for part, _ in parts):
        return None
    return torch.cat([part if part is not None else torch.zeros_like(cast(Tensor, other)) for part, other in parts])


def resonance_states(leg: DecayedLeg, rows: Current, block: EventBlock, *, is_open: bool = False) -> States:
    """The states of a resonance: ``rows`` times the numerator of its propagator, without the denominator."""
    slots = leg.open_slots if is_open else leg.slots
    momentum = block.momentum(slots)
    is_conserved = not is_open and all(decay.is_conserved for decay in leg.decays)
    mass = block.model.mass(leg.particle)
    current = propagate(leg.particle, rows, momentum=momentum, mass=mass, is_conserved=is_conserved)
    return States(slots, len(components(rows)), current, is_open=is_open)


def polarised_states(
    states: States, block: EventBlock, *, polarisations: Sequence[Polarisation], frame: Tensor | None = None
) -> States:
    """The projections of a vector's states on each polarisation, one after the other.

    ``frame`` is the four-velocity (4, filling, event) of the frame that defines helicities, by default the partonic
    centre of mass. The two transverse states stay one coherent sum, Σ εε* = −g + pp/p² − ε_L ε_L (arXiv:1912.01725).
    """
    momentum = block.momentum(states.slots).four_vector
    current = cast(Tensor, states.current)

    def projected_on(four_vector: Tensor) -> Tensor:
        vector = as_matrix(four_vector).to(block.dtype)
        return vector * dot(vector, current)[..., None, None, :, :]

    longitudinal = projected_on(longitudinal_vector(momentum, frame))
    transverse = current + longitudinal - projected_on(four_velocity(momentum))
    projections = torch.cat([-longitudinal if polarisation == "0" else transverse for polarisation in polarisations])
    return States(states.slots, len(projections), projections)


def breit_wigner(leg: DecayedLeg, block: EventBlock) -> Tensor:
    """(p² − m²)² + m²Γ² of a resonance, (filling, event)."""
    mass, width = block.model.mass(leg.particle), block.model.width(leg.particle)
    return (block.momentum(leg.slots).square - mass**2) ** 2 + (mass * width) ** 2


def log_breit_wigner(leg: DecayedLeg, block: EventBlock) -> Tensor:
    """The logarithm of :func:`breit_wigner`, plus those of the resonances that it decays to, (filling, event)."""
    total = torch.log(breit_wigner(leg, block))
    for product in leg.legs:
        if isinstance(product, DecayedLeg):
            index = block.fillings.transfer(product.slots, leg.slots)
            total = total + take(log_breit_wigner(product, block), index)
    return total
