"""SU(3) colour as exact linear algebra on explicit tensors, done once when a process is built.

Every current has a basis of colour tensors with one axis per leg below it and a last axis for its own colour. Joining
currents at a vertex contracts tensors; the result is expressed in the basis of the new current, which grows as needed.
The evaluation then needs only small matrices of real numbers.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache, partial, reduce
from itertools import product
from math import sqrt
from string import ascii_lowercase, ascii_uppercase
from typing import Protocol, cast, runtime_checkable

import torch
from torch import Tensor

from hepreco.amplitudes.lorentz import Current, Fermion, add, transform
from hepreco.amplitudes.vertices import Attachment, Vertex

_TOLERANCE = 1e-9


@cache
def generators() -> Tensor:
    """Tᵃ_ij = λᵃ_ij / 2 with the Gell-Mann matrices, [a, i, j]; Tr TᵃTᵇ = δᵃᵇ/2."""
    real, imaginary = torch.zeros(2, 8, 3, 3, dtype=torch.float64)
    for a, (i, j) in zip((0, 3, 5), ((0, 1), (0, 2), (1, 2)), strict=True):
        real[a, i, j] = real[a, j, i] = 0.5
        imaginary[a + 1, i, j], imaginary[a + 1, j, i] = -0.5, 0.5
    real[2] = torch.diag(torch.tensor([0.5, -0.5, 0.0], dtype=torch.float64))
    real[7] = torch.diag(torch.tensor([1.0, 1.0, -2.0], dtype=torch.float64)) / sqrt(12)
    return torch.complex(real, imaginary)


@cache
def structure_constants() -> Tensor:
    """The structure constants as i fᵃᵇᶜ = 2 Tr([Tᵃ, Tᵇ] Tᶜ)."""
    t = generators()
    commutator = torch.einsum("aij,bjk->abik", t, t) - torch.einsum("bij,ajk->abik", t, t)
    return 2 * torch.einsum("abik,cki->abc", commutator, t)


@cache
def vertex_tensor(vertex: Vertex) -> Tensor:
    """The colour tensor of a vertex, with one axis per leg; the axis of a colourless leg has length 1."""
    if vertex.colour == "1":
        return torch.ones((1,) * len(vertex.legs), dtype=torch.complex128)
    if vertex.colour == "delta":
        return torch.eye(3, dtype=torch.complex128)[:, :, None]
    if vertex.colour == "T":
        return generators().permute(1, 2, 0)
    f = structure_constants()
    if vertex.colour == "f":
        return f
    pairs = {"f12 f34": "abe,cde->abcd", "f13 f24": "ace,bde->abcd", "f14 f23": "ade,bce->abcd"}
    return torch.einsum(pairs[vertex.colour], f, f)


class ColourBasis:
    """A growing list of linearly independent tensors of one shape, and coefficients in it."""

    def __init__(self) -> None:
        self.tensors: list[Tensor] = []
        self._conjugates = torch.zeros(0, 0, dtype=torch.complex128)
        #: ⟨basis k | basis l⟩, summed over all colours: real, since products of generators have real traces.
        self.gram = torch.zeros(0, 0, dtype=torch.float64)

    def __len__(self) -> int:
        return len(self.tensors)

    def coefficients(self, tensor: Tensor) -> dict[int, float]:
        """The coefficients of ``tensor`` by position in the basis; it is added to the basis if it is independent."""
        square = float(tensor.abs().square().sum())
        if square < _TOLERANCE:
            return {}
        if self.tensors:
            overlaps = (self._conjugates @ tensor.flatten()).real
            solution = torch.linalg.solve(self.gram, overlaps)
            if square - float(overlaps @ solution) < _TOLERANCE * square:
                return {i: float(c) for i, c in enumerate(solution) if abs(c) > _TOLERANCE}
        self._append(tensor)
        return {len(self.tensors) - 1: 1.0}

    def root(self) -> Tensor:
        """R with RᵀR = :attr:`gram`, which maps coefficients to those in an orthonormal basis."""
        return torch.linalg.cholesky(self.gram).T

    def _append(self, tensor: Tensor) -> None:
        flat = tensor.flatten()
        overlaps = (self._conjugates @ flat).real if self.tensors else flat.real[:0]
        square = flat.abs().square().sum()
        self.tensors.append(tensor)
        self._conjugates = torch.cat((self._conjugates.reshape(-1, len(flat)), flat.conj()[None]))
        rows = torch.cat((self.gram, overlaps[None]))
        self.gram = torch.cat((rows, torch.cat((overlaps, square[None]))[:, None]), dim=1)


@runtime_checkable
class Coloured(Protocol):
    """A current or dual with colour tensors over its legs and, last, its own colour index."""

    @property
    def legs(self) -> tuple[int, ...]:
        """The legs, in the order of the axes."""

    @property
    def colours(self) -> tuple[Tensor, ...]:
        """The basis of colour tensors."""


def join_colours(
    attachment: Attachment, legs: Sequence[int], blobs: Sequence[Coloured], basis: ColourBasis
) -> list[dict[int, float]]:
    """Coefficients in ``basis`` of the current that blobs form at a vertex, for each product of their colours."""
    tensor = vertex_tensor(attachment.vertex)
    own = ascii_uppercase[: tensor.ndim]
    letters = [_letters(blob.legs) + own[slot] for blob, slot in zip(blobs, attachment.slots, strict=True)]
    equation = f"{','.join((*letters, own))}->{_letters(legs)}{own[attachment.missing]}"
    products = product(*(blob.colours for blob in blobs))
    return [basis.coefficients(torch.einsum(equation, *colours, tensor)) for colours in products]


def close_colours(one: Coloured, other: Coloured, basis: ColourBasis) -> list[dict[int, float]]:
    """Coefficients in ``basis`` of an amplitude, for each product of the colours of its two halves."""
    together = _letters(sorted((*one.legs, *other.legs)))
    equation = f"{_letters(one.legs)}A,{_letters(other.legs)}A->{together}"
    return [basis.coefficients(torch.einsum(equation, *colours)) for colours in product(one.colours, other.colours)]


def columns_to_matrix(columns: Sequence[dict[int, float]], *, rows: int) -> Tensor:
    """Coefficients (colour, product) as a matrix."""
    matrix = torch.zeros(rows, len(columns), dtype=torch.float64)
    for number, column in enumerate(columns):
        for row, coefficient in column.items():
            matrix[row, number] = coefficient
    return matrix


def _letters(legs: Iterable[int]) -> str:
    return "".join(ascii_lowercase[leg] for leg in legs)


@dataclass(frozen=True, eq=False)
class Mixing:
    """Maps products of the colours of currents, in several terms, to the colours of the sum of the terms.

    Parameters
    ----------
    blocks
        A real matrix (colour, product) for each term; None if every term has one product and the sum one colour.
    factors
        A factor for each term: its sign, times its coefficient if there are no blocks.
    root
        A matrix that maps the sum to an orthonormal basis; apart, since blocks have few entries. None if there is none.
    """

    blocks: tuple[Tensor, ...] | None
    factors: tuple[float, ...]
    root: Tensor | None = None

    @classmethod
    def of(cls, blocks: Sequence[Tensor], *, signs: Sequence[int], root: Tensor | None = None) -> "Mixing":
        """The mixing given by the matrix and the sign of each term, and by a matrix for the sum."""
        if all(block.numel() == 1 for block in blocks):
            scale = 1.0 if root is None else root.item()
            return cls(None, tuple(scale * sign * block.item() for sign, block in zip(signs, blocks, strict=True)))
        return cls(tuple(blocks), tuple(map(float, signs)), root)

    def total(self, terms: Sequence[Current]) -> Current:
        """The sum (colour, ...) of terms (product, ...) that already have their ``factors``."""
        if self.blocks is None:
            return reduce(add, terms)
        if isinstance(terms[0], Fermion):
            return Fermion(*map(self._mixed, zip(*cast(Sequence[Fermion], terms), strict=True)))
        return cast(Tensor, self._mixed(cast(Sequence[Tensor], terms)))

    def _mixed(self, terms: Sequence[Tensor | None]) -> Tensor | None:
        assert self.blocks is not None
        present = [(block, term) for block, term in zip(self.blocks, terms, strict=True) if term is not None]
        if not present:
            return None
        rest = torch.broadcast_shapes(*(term.shape[1:] for _, term in present))
        products = torch.cat([term.expand(-1, *rest) for _, term in present])
        # Multiply real by complex as real numbers, which is half the work, and all terms at once.
        pairs = torch.view_as_real(products.flatten(1)).flatten(1)
        mixed = torch.cat([block for block, _ in present], dim=1).to(pairs) @ pairs
        mixed = mixed if self.root is None else self.root.to(pairs) @ mixed
        return torch.view_as_complex(mixed.unflatten(1, (-1, 2))).unflatten(1, rest)


def spread_colours(currents: Sequence[Current], counts: Sequence[int]) -> Sequence[Current]:
    """Give the colours of each current a separate axis if several currents have more than one colour."""
    wide = [i for i, count in enumerate(counts) if count > 1]
    if len(wide) < 2:
        return currents

    def spread(place: int, tensor: Tensor) -> Tensor:
        return tensor.reshape(*(len(tensor) if place == i else 1 for i in wide), *tensor.shape[1:])

    return [transform(current, partial(spread, place)) for place, current in enumerate(currents)]


def flatten_colours(current: Current, counts: Sequence[int]) -> Current:
    """Put the colours of a product of spread currents on one axis again."""
    axes = sum(count > 1 for count in counts)
    return current if axes < 2 else transform(current, lambda tensor: tensor.flatten(0, axes - 1))
