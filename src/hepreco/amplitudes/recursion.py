"""The diagrams of a process as a graph of off-shell currents, built from the vertices by recursion.

A node is the current of a particle that splits into some of the legs. All legs are treated as outgoing: an incoming
particle is its antiparticle with reversed momentum. Nodes are built for growing sets of legs (Berends and Giele, Nucl.
Phys. B 306 (1988) 759) and shared by all diagrams. A production is closed in the middle: every tree has either one
vertex whose branches all hold less than half of the legs, or one propagator with half of them on each side, so that no
current of more than half of the legs is needed.

Only the Higgs boson changes the chirality of a massless fermion. The graph distinguishes both chiralities, so that
vanishing contributions are never computed.
"""

import math
from collections.abc import Iterator, Mapping, Sequence, Set
from dataclasses import dataclass
from itertools import combinations, product
from typing import Final, Literal

import torch
from torch import Tensor

from hepreco.amplitudes.colour import ColourBasis, Mixing, close_colours, columns_to_matrix, join_colours
from hepreco.amplitudes.model import Zeros
from hepreco.amplitudes.particles import Particle
from hepreco.amplitudes.vertices import Attachment, attachments

Part = Literal["undotted", "dotted"]
#: Powers of the strong and of the electroweak coupling.
Orders = tuple[int, int]
#: The chirality of every leg that has one.
Chiralities = Mapping[int, Part]

#: The parts of a massive fermion.
BOTH: Final[frozenset[Part]] = frozenset(("undotted", "dotted"))
_OTHER: dict[Part, Part] = {"undotted": "dotted", "dotted": "undotted"}


@dataclass(frozen=True, eq=False)
class Joint:
    """Blobs that meet at a vertex."""

    attachment: Attachment
    blobs: tuple["Node", ...]


@dataclass(frozen=True, eq=False)
class Dual:
    """The sum of joints with the same ``parent``, before the parent's propagator.

    Parameters
    ----------
    parts
        The parts of a fermion that do not vanish.
    mixing
        The mixing of the colours of the joints.
    colours
        The basis of colour tensors (leg, ..., leg, own).
    is_conserved
        Whether it is a vector orthogonal to its momentum, since it couples only to external massless fermions.
    """

    legs: tuple[int, ...]
    parent: Particle
    parts: frozenset[Part]
    joints: tuple[Joint, ...]
    mixing: Mixing
    colours: tuple[Tensor, ...]
    diagrams: int
    is_conserved: bool


@dataclass(frozen=True, eq=False)
class Node:
    """The current of a particle that splits into ``legs``; an external leg if there is no dual."""

    legs: tuple[int, ...]
    particle: Particle
    orders: Orders
    parts: frozenset[Part]
    colours: tuple[Tensor, ...]
    dual: Dual | None = None

    @property
    def diagrams(self) -> int:
        """The number of trees that it sums."""
        return self.dual.diagrams if self.dual else 1


@dataclass(frozen=True, eq=False)
class Closing:
    """A dual and a current that together contain all legs."""

    dual: Dual
    node: Node


@dataclass(frozen=True, eq=False)
class Amplitude:
    """The amplitude for one choice of chiralities in an orthonormal colour basis, where Σ_colours |A|² = Σ_k |A_k|²."""

    closings: tuple[Closing, ...]
    mixing: Mixing
    colours: int

    @property
    def diagrams(self) -> int:
        """The number of Feynman diagrams."""
        return sum(closing.dual.diagrams * closing.node.diagrams for closing in self.closings)


@dataclass(frozen=True, eq=False)
class _Draft:
    """A joint whose colours are not computed yet."""

    attachment: Attachment
    blobs: tuple[Node, ...]
    sign: int
    orders: Orders
    parts: frozenset[Part]


class DiagramBuilder:
    """Builds the currents of some legs.

    Parameters
    ----------
    legs
        The outgoing particles, with the parts that fermions can have.
    zeros
        What vanishes in the model.
    chiral
        The external massless fermions among the legs.
    excluded
        Particles that no propagator may be.
    """

    def __init__(
        self,
        legs: Sequence[tuple[Particle, frozenset[Part]]],
        *,
        zeros: Zeros,
        chiral: frozenset[int],
        excluded: frozenset[Particle] = frozenset(),
    ) -> None:
        self.legs = tuple(particle for particle, _ in legs)
        self.parts = tuple(parts for _, parts in legs)
        self._everything = tuple(range(len(self.legs)))
        self.zeros = zeros
        self.chiral = chiral
        self.excluded = excluded
        self._known: dict[tuple[tuple[int, Part | None], ...], tuple[Node, ...]] = {}

    def _chiralities(self) -> Iterator[Chiralities]:
        """All choices of chirality for the external massless fermions."""
        legs = sorted(self.chiral)
        for parts in product(_OTHER, repeat=len(legs)):
            yield dict(zip(legs, parts, strict=True))

    def _nodes(self, members: tuple[int, ...], chiralities: Chiralities) -> tuple[Node, ...]:
        """All currents that split into ``members``."""
        key = tuple((leg, chiralities.get(leg)) for leg in members)
        if key not in self._known:
            single = len(members) == 1
            self._known[key] = (
                (self._leg(members[0], chiralities),) if single else tuple(self._made(members, chiralities))
            )
        return self._known[key]

    def _leg(self, leg: int, chiralities: Chiralities) -> Node:
        particle = self.legs[leg]
        parts = frozenset((chiralities[leg],)) if leg in chiralities else self.parts[leg]
        colour = torch.eye(abs(particle.colour), dtype=torch.complex128)
        return Node((leg,), particle, (0, 0), parts, (colour,))

    def _made(self, members: tuple[int, ...], chiralities: Chiralities) -> Iterator[Node]:
        groups: dict[tuple[Particle, Orders], list[_Draft]] = {}
        for draft in self._drafts(members, chiralities):
            groups.setdefault((draft.attachment.parent, draft.orders), []).append(draft)
        for (particle, orders), drafts in groups.items():
            dual = self._dual(members, drafts)
            if dual is not None and particle not in self.excluded:
                parts = propagated_parts(particle, dual.parts, is_massless=particle in self.zeros.masses)
                yield Node(members, particle, orders, parts, dual.colours, dual)

    def _drafts(
        self,
        members: tuple[int, ...],
        chiralities: Chiralities,
        *,
        smaller_than: tuple[int, ...] | None = None,
    ) -> Iterator[_Draft]:
        """All ways to split ``members`` at a vertex, into branches of lower rank than ``smaller_than`` if given."""
        for branches in _splits(members):
            if smaller_than is None or all(_rank(branch) < _rank(smaller_than) for branch in branches):
                for blobs in product(*(self._nodes(branch, chiralities) for branch in branches)):
                    for attachment in attachments(*(blob.particle for blob in blobs)):
                        parts = self._parts(attachment, blobs)
                        if parts is not None:
                            qcd, qed = attachment.vertex.orders
                            orders = (qcd + sum(b.orders[0] for b in blobs), qed + sum(b.orders[1] for b in blobs))
                            yield _Draft(attachment, blobs, self._sign(attachment, blobs), orders, parts)

    def _parts(self, attachment: Attachment, blobs: tuple[Node, ...]) -> frozenset[Part] | None:
        """The parts of the current that a vertex forms, None if it vanishes; bosons have no parts."""
        vertex = attachment.vertex
        at = dict(zip(attachment.slots, (blob.parts for blob in blobs), strict=True))
        if vertex.structure == "FFS":
            if vertex.legs[0] in self.zeros.yukawas:
                return None
            if attachment.missing == 2:
                return frozenset() if at[0] & at[1] else None
            return at[0] if 0 in at else at[1]
        if vertex.structure != "FFV":
            return frozenset()
        left, right = (coupling is not None for coupling in vertex.couplings)
        if attachment.missing == 2:
            meet = left and "dotted" in at[0] and "undotted" in at[1]
            meet |= right and "undotted" in at[0] and "dotted" in at[1]
            return frozenset() if meet else None
        fermion = at[0] if 0 in at else at[1]
        keeps: dict[Part, bool] = (
            {"dotted": left, "undotted": right} if 0 in at else {"dotted": right, "undotted": left}
        )
        return frozenset(_OTHER[part] for part in fermion if keeps[part]) or None

    def _fermions(self, members: Sequence[int]) -> list[int]:
        return [leg for leg in members if self.legs[leg].is_fermion]

    def _sign(self, attachment: Attachment, blobs: tuple[Node, ...]) -> int:
        # Fermion before antifermion; bosonic blobs hold an even number of fermions and commute.
        ordered = sorted(zip(attachment.slots, blobs, strict=True), key=lambda pair: pair[0])
        return _parity([leg for _, blob in ordered for leg in self._fermions(blob.legs)])

    def _dual(self, members: tuple[int, ...], drafts: Sequence[_Draft], *, orthonormal: bool = False) -> Dual | None:
        """The sum of drafts with the same parent; None if its colour factor vanishes."""
        basis = ColourBasis()
        worked_out = [(draft, join_colours(draft.attachment, members, draft.blobs, basis)) for draft in drafts]
        kept = [(draft, columns) for draft, columns in worked_out if any(columns)]
        if not kept:
            return None
        parent = drafts[0].attachment.parent
        # Summed over the colours of all legs, a product of two tensors is ∝ δ in the parent's colour (Schur).
        root = (
            basis.root() / math.sqrt(abs(parent.colour)) if orthonormal else torch.eye(len(basis), dtype=torch.float64)
        )
        mixing = Mixing.of(
            [root @ columns_to_matrix(columns, rows=len(basis)) for _, columns in kept],
            signs=[draft.sign for draft, _ in kept],
        )
        joints = tuple(Joint(draft.attachment, draft.blobs) for draft, _ in kept)
        parts = frozenset[Part]().union(*(draft.parts for draft, _ in kept))
        # The four-gluon vertex is one diagram with three colour structures.
        diagrams = sum(
            math.prod(blob.diagrams for blob in joint.blobs)
            for joint in joints
            if joint.attachment.vertex.colour not in ("f13 f24", "f14 f23")
        )
        is_conserved = parent.spin == "vector" and all(
            blob.dual is None and blob.legs[0] in self.chiral for joint in joints for blob in joint.blobs
        )
        return Dual(members, parent, parts, joints, mixing, tuple(basis.tensors), diagrams, is_conserved)

    def decays(self, parent: Particle, allowed: Set[Orders]) -> Iterator[Dual]:
        """The decay of ``parent`` into all legs, in orthonormal colours, for each choice of chiralities."""
        for chiralities in self._chiralities():
            drafts = [draft for draft in self._decay_drafts(parent, chiralities) if draft.orders in allowed]
            dual = self._dual(self._everything, drafts, orthonormal=True) if drafts else None
            if dual is not None:
                yield dual

    def decay_orders(self, parent: Particle) -> set[Orders]:
        """The orders at which ``parent`` decays into all legs."""
        return {draft.orders for choice in self._chiralities() for draft in self._decay_drafts(parent, choice)}

    def _decay_drafts(self, parent: Particle, chiralities: Chiralities) -> Iterator[_Draft]:
        return (draft for draft in self._drafts(self._everything, chiralities) if draft.attachment.parent is parent)

    def amplitudes(self, allowed: Set[Orders]) -> Iterator[Amplitude]:
        """The non-vanishing amplitudes, one for each choice of chiralities."""
        for chiralities in self._chiralities():
            basis = ColourBasis()
            worked_out = []
            for node, drafts in self._centres(chiralities):
                kept = [draft for draft in drafts if _sum(draft.orders, node.orders) in allowed]
                dual = self._dual(_without(self._everything, node.legs), kept) if kept else None
                if dual is not None:
                    worked_out.append((dual, node, close_colours(dual, node, basis)))
            worked_out = [term for term in worked_out if any(term[-1])]
            if worked_out:
                mixing = Mixing.of(
                    [columns_to_matrix(columns, rows=len(basis)) for *_, columns in worked_out],
                    signs=[self._closing_sign(dual, node) for dual, node, _ in worked_out],
                    root=basis.root(),
                )
                yield Amplitude(tuple(Closing(dual, node) for dual, node, _ in worked_out), mixing, len(basis))

    def amplitude_orders(self) -> set[Orders]:
        """The orders of the diagrams."""
        return {
            _sum(draft.orders, node.orders)
            for chiralities in self._chiralities()
            for node, drafts in self._centres(chiralities)
            for draft in drafts
        }

    def _centres(self, chiralities: Chiralities) -> Iterator[tuple[Node, list[_Draft]]]:
        """Each tree once: a current with the vertices at its end that are the centres of trees."""
        half = len(self.legs) / 2
        for members in _subsets(self._everything):
            is_half = len(members) == half
            if len(members) > half or (is_half and 0 not in members):
                continue
            beyond = list(
                self._drafts(
                    _without(self._everything, members),
                    chiralities,
                    smaller_than=None if is_half else members,
                )
            )
            for node in self._nodes(members, chiralities):
                drafts = [
                    draft
                    for draft in beyond
                    if draft.attachment.parent is node.particle.anti
                    and (not node.particle.is_fermion or draft.parts & node.parts)
                ]
                if drafts:
                    yield node, drafts

    def _closing_sign(self, dual: Dual, node: Node) -> int:
        first, last = (node.legs, dual.legs) if not node.particle.is_antiparticle else (dual.legs, node.legs)
        return _parity(self._fermions((*first, *last)))


def propagated_parts(particle: Particle, parts: frozenset[Part], *, is_massless: bool) -> frozenset[Part]:
    """The parts of a current that its dual has after the propagator."""
    if not particle.is_fermion:
        return frozenset()
    return frozenset(_OTHER[part] for part in parts) if is_massless else BOTH


def _splits(members: tuple[int, ...]) -> Iterator[tuple[tuple[int, ...], ...]]:
    """All ways to split ``members`` into two or three subsets, without order."""
    for branch in _subsets(members):
        rest = _without(members, branch)
        if members[0] in branch and rest:
            yield branch, rest
            for second in _subsets(rest):
                third = _without(rest, second)
                if rest[0] in second and third:
                    yield branch, second, third


def _subsets(members: tuple[int, ...]) -> Iterator[tuple[int, ...]]:
    for size in range(1, len(members) + 1):
        yield from combinations(members, size)


def _rank(members: tuple[int, ...]) -> tuple[int, tuple[int, ...]]:
    return len(members), members


def _without(members: Sequence[int], branch: Sequence[int]) -> tuple[int, ...]:
    return tuple(member for member in members if member not in branch)


def _parity(order: list[int]) -> int:
    inversions = sum(a > b for i, a in enumerate(order) for b in order[i + 1 :])
    return -1 if inversions % 2 else 1


def _sum(one: Orders, other: Orders) -> Orders:
    return one[0] + other[0], one[1] + other[1]
