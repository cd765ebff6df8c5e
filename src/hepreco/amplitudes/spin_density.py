"""Spin density matrices: the contraction of a production with the decays of its resonances.

If a resonance has more states, over all fillings of its legs, than spin components, it is cheaper to evaluate the
production once per component: the leg is *open*. The density matrix ρ of the production is then contracted with that of
each decay, |M|² = Σ ρ_kk′ D_kk′. Assignments that give a top quark the same three jets in different order differ only
in this small product of real numbers.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from math import sqrt

import torch
from torch import Tensor

from hepreco.amplitudes.fillings import Fillings, Slots, take
from hepreco.amplitudes.lorentz import Current, Fermion, components


@dataclass(frozen=True, eq=False)
class Density:
    """The density matrix of a decay as real coordinates (coordinate, filling, event) for the fillings of ``slots``."""

    slots: Slots
    coordinates: Tensor


def spin_basis(rows: Current) -> Current:
    """The unit vectors of :func:`components` as states of a current with the structure of ``rows``."""
    like = components(rows)
    unit = torch.eye(like.shape[1], dtype=like.dtype, device=like.device)[:, :, None, None]
    if isinstance(rows, Fermion):
        parts = iter(unit.split(2, dim=1))
        return Fermion(*(None if part is None else next(parts) for part in rows))
    return unit.squeeze(1) if rows.ndim == 3 else unit.unflatten(1, (2, 2))


def square(amplitude: Tensor) -> Tensor:
    """|amplitude|²."""
    return amplitude.real**2 + amplitude.imag**2


def decay_density(rows: Current, slots: Slots) -> Density:
    """The density matrix of a decay, summed over the states of its products."""
    states = components(rows)
    matrix = torch.einsum("skfe,slfe->klfe", states.conj(), states)
    return Density(slots, _coordinates(matrix, 1).real)


def production_density(amplitude: Tensor, axes: tuple[int, ...]) -> Tensor:
    """ρ (coordinate, ..., filling, event) over the open ``axes`` of an amplitude, summed over all other axes."""
    if not axes:
        return square(amplitude).flatten(0, -3).sum(0)
    sizes = [amplitude.shape[axis] for axis in axes]
    flat = amplitude.movedim(axes, tuple(range(len(axes)))).flatten(len(axes), -3).flatten(0, len(axes) - 1)
    matrix = torch.einsum("ksfe,lsfe->klfe", flat, flat.conj())
    return _coordinates(matrix.unflatten(1, sizes).unflatten(0, sizes), len(axes)).real


def contract_densities(
    production: Tensor, slots: Slots, decays: Mapping[Slots, Density], fillings: Fillings
) -> tuple[Tensor, Slots]:
    """Σ ρ Π D, and its slots. ``decays`` are given by the slots of the open legs, in the order of axes."""
    for group, decay in decays.items():
        place = slots.index(group[0])
        slots_after = (*slots[:place], *decay.slots, *slots[place + 1 :])
        production = take(production, fillings.transfer(slots, slots_after))
        coordinates = take(decay.coordinates, fillings.transfer(decay.slots, slots_after))
        others = [1] * (production.ndim - 3)
        production = (production * coordinates.reshape(len(coordinates), *others, *coordinates.shape[1:])).sum(0)
        slots = slots_after
    return production, slots


def _coordinates(matrix: Tensor, legs: int) -> Tensor:
    """From (k₁, ..., l₁, ..., filling, event), Hermitian over several legs, to (c₁, ..., filling, event)."""
    for leg in reversed(range(legs)):
        basis = _hermitian_basis(matrix.shape[legs - 1], matrix.dtype, matrix.device)
        # The last row index precedes the column indices; coordinates that are done come first.
        matrix = torch.tensordot(basis, matrix, dims=([1, 2], [legs - 1, legs + leg]))
    return matrix


@cache
@torch.inference_mode(mode=False)
def _hermitian_basis(size: int, dtype: torch.dtype, device: torch.device) -> Tensor:
    """Maps (k, l) to coordinates in which the trace of a product of Hermitian matrices is a sum, (coordinate, k, l)."""
    basis = torch.zeros(size, size, size, size, dtype=dtype, device=device)
    for row in range(size):
        basis[row, row, row, row] = 1
        for column in range(row + 1, size):
            # √2 Re and √2 Im of the element.
            basis[row, column, row, column] = basis[row, column, column, row] = 1 / sqrt(2)
            basis[column, row, row, column] = torch.tensor(-1j / sqrt(2), dtype=dtype, device=device)
            basis[column, row, column, row] = torch.tensor(1j / sqrt(2), dtype=dtype, device=device)
    return basis.flatten(0, 1)
