"""The algebra of spinors and vectors in two-component form: vertices, propagators and contractions.

*Layout.* Every tensor ends with the axes (filling, event). The components precede them, and colour and helicities,
which broadcast, come first.

*Currents and duals.* A vertex combines the currents at all legs but one to the dual of the missing current:
:func:`contract` of both closes the diagram. A propagator maps a dual to a current.

*Components.* A fermion has an undotted part λ_α and a dotted part µ_α̇. With ε = [[0, 1], [−1, 0]]:

======================  ========  ======
fermion                 undotted  dotted
======================  ========  ======
column ψ = (ψ_L, ψ_R)   ψ_L       εᵀψ_R
row ψ̄ = (a, b)          εᵀaᵀ      bᵀ
======================  ========  ======

Duals of fermions have upper indices, and contract component by component. A vector V is the matrix V⁰ + V·σ with
indices (α̇, α), dual or not. A vertex with a vector then has no signs,
ψ̄ V̸ (g_L P_L + g_R P_R) ψ = Σ V (g_L b ⊗ ψ_L + g_R εᵀψ_R ⊗ εᵀaᵀ), and rows differ from columns by an exchange of g_L
and g_R, and by a sign where chirality flips.

References
----------
Two-component spinors: Dreiner, Haber, Martin, arXiv:0812.1594.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cache, cached_property, reduce
from typing import NamedTuple, cast, overload

import torch
from torch import Tensor

from hepreco.amplitudes.model import Parameter, is_zero
from hepreco.amplitudes.particles import Particle, Spin
from hepreco.amplitudes.vertices import Attachment


class Fermion(NamedTuple):
    """The two parts of a fermion, each (..., 2, filling, event); None if a part vanishes identically."""

    undotted: Tensor | None
    dotted: Tensor | None


#: A scalar (..., filling, event), a vector (..., 2, 2, filling, event) or a fermion.
Current = Tensor | Fermion


class Momentum:
    """The outgoing momentum of a current, in the forms that vertices and propagators need.

    Parameters
    ----------
    four_vector
        The real momentum (4, filling, event).
    dtype
        Complex type of the matrices.
    """

    def __init__(self, four_vector: Tensor, dtype: torch.dtype) -> None:
        self.four_vector = four_vector
        self.dtype = dtype

    @cached_property
    def matrix(self) -> Tensor:
        """p⁰ + p·σ, (2, 2, filling, event)."""
        return as_matrix(self.four_vector).to(self.dtype)

    @cached_property
    def cofactors(self) -> Tensor:
        """(p⁰ − p·σ)ᵀ, (2, 2, filling, event)."""
        return cofactors(self.matrix)

    def dot(self, vector: Tensor) -> Tensor:
        """p·V, (..., filling, event)."""
        return (self.cofactors * vector).sum(dim=(-4, -3)) / 2

    @cached_property
    def square(self) -> Tensor:
        """p², (filling, event)."""
        energy, x, y, z = self.four_vector
        return energy**2 - x**2 - y**2 - z**2


def transform(current: Current, function: Callable[[Tensor], Tensor]) -> Current:
    """Apply a function to the tensor, or to both parts of a fermion."""
    if isinstance(current, Fermion):
        return Fermion(*(None if part is None else function(part) for part in current))
    return function(current)


def add(one: Current, other: Current) -> Current:
    """The sum of two currents of one particle."""
    if isinstance(one, Fermion):
        return Fermion(*map(_plus, one, cast(Fermion, other)))
    return one + cast(Tensor, other)


def components(rows: Current) -> Tensor:
    """The components that do not vanish identically on one axis: (state, component, filling, event)."""
    if isinstance(rows, Fermion):
        return torch.cat([part for part in rows if part is not None], dim=1)
    return rows.unsqueeze(1) if rows.ndim == 3 else rows.flatten(1, 2)


def as_matrix(four_vector: Tensor) -> Tensor:
    """V⁰ + V·σ of a real four-vector (..., 4, filling, event)."""
    t, x, y, z = four_vector.unbind(-3)
    zero = torch.zeros_like(t)
    real = torch.stack((t + z, x, x, t - z), dim=-3)
    return torch.complex(real, torch.stack((zero, -y, y, zero), dim=-3)).unflatten(-3, (2, 2))


def cofactors(matrix: Tensor) -> Tensor:
    """(V⁰ − V·σ)ᵀ from V⁰ + V·σ."""
    return matrix.flip(-4, -3) * _cofactor_signs(matrix.dtype, matrix.device)


@cache
@torch.inference_mode(mode=False)
def _cofactor_signs(dtype: torch.dtype, device: torch.device) -> Tensor:
    return torch.tensor([[1, -1], [-1, 1]], dtype=dtype, device=device)[:, :, None, None]


def dot(one: Tensor, other: Tensor) -> Tensor:
    """V·W of two vectors, (..., filling, event)."""
    (a, b), (c, d) = (row.unbind(-3) for row in one.unbind(-4))
    (e, f), (g, h) = (row.unbind(-3) for row in other.unbind(-4))
    return torch.addcmul(torch.addcmul(torch.addcmul(a * h, d, e), b, g, value=-1), c, f, value=-1) / 2


def contract(spin: Spin, dual: Current, current: Current) -> Tensor:
    """Close a diagram: Σ dual · current, (..., filling, event)."""
    match spin, dual, current:
        case "fermion", Fermion(), Fermion():
            return _total(
                (d * c).sum(-3) for d, c in zip(dual, current, strict=True) if d is not None and c is not None
            )
        case "vector", Tensor(), Tensor():
            return dot(dual, current)
        case _, Tensor(), Tensor():
            return dual * current
    raise TypeError(spin)


def propagate(
    particle: Particle,
    dual: Current,
    *,
    momentum: Momentum,
    mass: Parameter,
    is_conserved: bool = False,
    factor: Tensor | float = 1.0,
) -> Current:
    """The numerator of the propagator of ``particle``, times ``factor``.

    It is 1 for a scalar; g − pp/m² for a vector, or g if it is massless or if p·dual is known to vanish; for a fermion
    of outgoing momentum p, p̸ + m acting on the row of a particle and −(p̸ − m) on the column of an antiparticle.
    """
    massless = is_zero(mass)
    if isinstance(dual, Fermion):
        factor = -factor if particle.is_antiparticle else factor
        slash = momentum.cofactors * factor
        kept = Fermion(_apply_dotted(dual.dotted, slash), _apply_undotted(slash, dual.undotted))
        if massless:
            return kept
        flipped = (_times(_epsilon(dual.undotted), -mass * factor), _times(_epsilon(dual.dotted), mass * factor))
        return Fermion(*map(_plus, kept, flipped))
    if particle.spin == "scalar" or massless or is_conserved:
        return dual * factor
    return dual * factor - momentum.matrix * _with_components(momentum.dot(dual) * (factor / mass**2))


def join(
    attachment: Attachment,
    blobs: Sequence[Current],
    *,
    couplings: Sequence[Parameter | None],
    momenta: Sequence[Momentum] = (),
) -> Current:
    """The dual at the missing leg of a vertex, from the currents at the others; VVV needs their outgoing momenta."""
    missing, structure = attachment.missing, attachment.vertex.structure
    at = dict(zip(attachment.slots, blobs, strict=True))
    if structure == "FFV":
        return _ffv(at, missing, *couplings)
    (coupling,) = couplings
    assert coupling is not None
    if structure == "FFS":
        return _ffs(at, missing, coupling)
    bosons = cast(dict[int, Tensor], at)
    if structure == "VVV":
        return _vvv(bosons, dict(zip(attachment.slots, momenta, strict=True)), missing, coupling)
    if structure == "VVVV":
        return _vvvv(bosons, missing, attachment.vertex.metrics, coupling)
    return _with_scalars(bosons, structure.count("V"), coupling)


def _ffv(at: Mapping[int, Current], missing: int, left: Parameter | None, right: Parameter | None) -> Current:
    # Legs: row, column, vector.
    if missing == 2:
        row, column = cast(Fermion, at[0]), cast(Fermion, at[1])
        handed = ((row.dotted, column.undotted, left), (column.dotted, row.undotted, right))
        return _total(
            _outer(dotted, undotted, coupling)
            for dotted, undotted, coupling in handed
            if dotted is not None and undotted is not None and coupling is not None
        )
    fermion, of_dotted, of_undotted = (at[0], left, right) if missing == 1 else (at[1], right, left)
    undotted, dotted = cast(Fermion, fermion)
    vector = cast(Tensor, at[2])
    return Fermion(
        _apply_dotted(_times(dotted, of_dotted), vector), _apply_undotted(vector, _times(undotted, of_undotted))
    )


def _outer(dotted: Tensor, undotted: Tensor, coupling: Parameter) -> Tensor:
    # The vector W with W·V = Σ dotted ⊗ undotted · V.
    return _epsilon(dotted).unsqueeze(-3) * _epsilon(undotted * (2 * coupling)).unsqueeze(-4)


def _ffs(at: Mapping[int, Current], missing: int, coupling: Parameter) -> Current:
    # Legs: row, column, scalar. ψ̄ψ = (εx)·ψ_L − (εb)·y for the row's x, b and the column's ψ_L, y.
    if missing == 2:
        return _total(
            (_epsilon(one) * other).sum(-3) * (sign * coupling)
            for one, other, sign in zip(cast(Fermion, at[0]), cast(Fermion, at[1]), (1, -1), strict=True)
            if one is not None and other is not None
        )
    fermion, sign = (at[0], 1) if missing == 1 else (at[1], -1)
    undotted, dotted = cast(Fermion, fermion)
    scalar = cast(Tensor, at[2]).unsqueeze(-3) * (sign * coupling)
    return Fermion(_times(_epsilon(undotted), scalar), _times(_epsilon(dotted), -scalar))


def _vvv(at: Mapping[int, Tensor], flow: Mapping[int, Momentum], missing: int, coupling: Parameter) -> Tensor:
    # g¹²(p₁ − p₂)³ + g²³(p₂ − p₃)¹ + g³¹(p₃ − p₁)², outgoing momenta, legs 1 and 2 present, p₃ = −p₁ − p₂.
    one, two = (missing + 1) % 3, (missing + 2) % 3
    v, w, p, q = at[one] * coupling, at[two], flow[one], flow[two]
    along_v = 2 * q.dot(v) + p.dot(v)
    along_w = 2 * p.dot(w) + q.dot(w)
    return (
        _with_components(dot(v, w)) * (p.matrix - q.matrix)
        + w * _with_components(along_v)
        - v * _with_components(along_w)
    )


def _vvvv(at: Mapping[int, Tensor], missing: int, metrics: Sequence[int], coupling: Parameter) -> Tensor:
    # c₁ g¹²g³⁴ + c₂ g¹³g²⁴ + c₃ g¹⁴g²³: in each term one leg carries the free index, and the other two are contracted.
    coefficient = dict(zip(((0, 1), (0, 2), (0, 3), (2, 3), (1, 3), (1, 2)), (*metrics, *metrics), strict=True))
    terms = []
    for leg, vector in at.items():
        metric = coefficient[min(leg, missing), max(leg, missing)]
        if metric:
            one, other = (at[i] for i in at if i != leg)
            terms.append(vector * _with_components(dot(one, other) * (coupling * metric)))
    return _total(terms)


def _with_scalars(at: Mapping[int, Tensor], vector_legs: int, coupling: Parameter) -> Tensor:
    # The two vectors, if there are any, come first.
    vectors = [at[leg] for leg in range(vector_legs) if leg in at]
    factors = [current for leg, current in at.items() if leg >= vector_legs]
    if len(vectors) == 2:
        factors.append(dot(*vectors))
    scalar = reduce(torch.mul, factors) * coupling
    return vectors[0] * _with_components(scalar) if len(vectors) == 1 else scalar


def _with_components(scalar: Tensor) -> Tensor:
    return scalar[..., None, None, :, :]


def _total(terms: Iterable[Tensor]) -> Tensor:
    return reduce(torch.add, terms)


def _plus(one: Tensor | None, other: Tensor | None) -> Tensor | None:
    return other if one is None else one if other is None else one + other


def _times(part: Tensor | None, factor: Tensor | float | None) -> Tensor | None:
    return None if part is None or factor is None else part * factor


@overload
def _epsilon(part: Tensor) -> Tensor: ...
@overload
def _epsilon(part: Tensor | None) -> Tensor | None: ...
def _epsilon(part: Tensor | None) -> Tensor | None:
    if part is None:
        return None
    one, two = part.unbind(-3)
    return torch.stack((two, -one), dim=-3)


def _apply_dotted(dotted: Tensor | None, matrix: Tensor | None) -> Tensor | None:
    """The undotted spinor Σ_α̇ µ_α̇ M^α̇α."""
    if dotted is None or matrix is None:
        return None
    one, two = dotted.narrow(-3, 0, 1), dotted.narrow(-3, 1, 1)
    return torch.addcmul(one * matrix.select(-4, 0), two, matrix.select(-4, 1))


def _apply_undotted(matrix: Tensor | None, undotted: Tensor | None) -> Tensor | None:
    """The dotted spinor Σ_α M^α̇α λ_α."""
    if undotted is None or matrix is None:
        return None
    one, two = undotted.narrow(-3, 0, 1), undotted.narrow(-3, 1, 1)
    return torch.addcmul(matrix.select(-3, 0) * one, matrix.select(-3, 1), two)
