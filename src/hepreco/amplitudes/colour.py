"""SU(3) colour as exact linear algebra on explicit tensors, done once when a process is built.

Every current carries a basis of colour tensors: an axis per leg below it, and last that of its own colour. Joining
currents at a vertex contracts tensors; what comes out is expressed in the basis of the new current, which grows where
needed. All that is left for the evaluation are small matrices of real numbers.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cache
from math import sqrt

import torch
from torch import Tensor

from hepreco.amplitudes.lorentz import Current, transform
from hepreco.amplitudes.vertices import Vertex

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
    """The colour tensor of a vertex, an axis per leg; that of a colourless leg has one entry."""
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


@dataclass
class ColourBasis:
    """A growing list of linearly independent tensors, and coefficients in it."""

    tensors: list[Tensor] = field(default_factory=list)

    def __len__(self) -> int:
        return len(self.tensors)

    def coefficients(self, tensor: Tensor) -> dict[int, float]:
        """The coefficients of ``tensor``, by position in the basis, which grows by it if it is new."""
        square = float(tensor.abs().square().sum())
        if square < _TOLERANCE:
            return {}
        if self.tensors:
            overlaps = torch.stack([(basis.conj() * tensor).sum().real for basis in self.tensors])
            solution = torch.linalg.solve(self.gram(), overlaps)
            if square - float(overlaps @ solution) < _TOLERANCE * square:
                return {i: float(c) for i, c in enumerate(solution) if abs(c) > _TOLERANCE}
        self.tensors.append(tensor)
        return {len(self.tensors) - 1: 1.0}

    def gram(self) -> Tensor:
        """⟨basis k | basis l⟩, summed over all colours: real, since products of generators have real traces."""
        columns = torch.stack([basis.flatten() for basis in self.tensors])
        return (columns.conj() @ columns.T).real

    def root(self) -> Tensor:
        """R with RᵀR = :meth:`gram`: takes coefficients to those in an orthonormal basis."""
        return torch.linalg.cholesky(self.gram()).T


@dataclass(frozen=True, eq=False)
class Mixing:
    """From products of the colours of some currents to the colours of what they make.

    Parameters
    ----------
    factor
        What is left where there is one product and one colour: a number for a coupling to absorb.
    matrix
        (colour, product), real; None where ``factor`` says it all.
    spread
        The currents with several colours, if they are several themselves.
    """

    factor: float
    matrix: Tensor | None
    spread: tuple[int, ...]

    @classmethod
    def of(cls, matrix: Tensor, counts: Sequence[int], *, sign: int) -> "Mixing":
        """Of a matrix, for currents with ``counts`` colours, times a sign."""
        wide = tuple(i for i, count in enumerate(counts) if count > 1)
        spread = wide if len(wide) > 1 else ()
        return cls(sign * matrix.item(), None, spread) if matrix.numel() == 1 else cls(float(sign), matrix, spread)

    def spread_colours(self, currents: Sequence[Current]) -> Sequence[Current]:
        """Give the colours of each of several coloured currents an axis of their own, so that they multiply out."""
        if not self.spread:
            return currents

        def spread(current: Current, place: int) -> Current:
            return transform(
                current, lambda t: t.reshape(*(len(t) if place == i else 1 for i in self.spread), *t.shape[1:])
            )

        return [spread(current, place) for place, current in enumerate(currents)]

    def mixed(self, products: Current) -> Current:
        """(product, ...) or (colours, ..., colours, ...) to (colour, ...), without ``factor``."""
        return products if self.matrix is None else transform(products, self._mixed)

    def _mixed(self, products: Tensor) -> Tensor:
        assert self.matrix is not None
        rest = products.shape[max(len(self.spread), 1) :]
        # Real times complex, as real numbers: half the work.
        pairs = torch.view_as_real(products.reshape(self.matrix.shape[1], -1)).flatten(1)
        mixed = self.matrix.to(pairs) @ pairs
        return torch.view_as_complex(mixed.unflatten(1, (-1, 2))).reshape(len(self.matrix), *rest)
