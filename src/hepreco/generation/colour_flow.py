"""Colour lines of events at leading colour, for parton showers."""

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

import torch
from jaxtyping import Float, Int
from torch import Tensor

from hepreco.amplitudes import Particle, Process
from hepreco.generation.resonances import Branch
from hepreco.kinematics import minkowski_dot

#: The first tag of a line, by custom.
_FIRST_TAG: Final = 501


@dataclass(frozen=True)
class _End:
    """An end of a colour line: a particle, by its row in the record, and which of its two tags."""

    row: int
    anticolour: bool
    incoming: bool
    family: str


def colour_tags(
    process: Process,
    branches: Sequence[Branch],
    momenta: Float[Tensor, "event particle 4"],
    u: Float[Tensor, " event"],
    *,
    exchanged: bool = False,
) -> Int[Tensor, "event particle 2"]:
    """Colour and anticolour tags of a record of incoming partons and branches, depth first.

    Of the ways to connect what is produced, one is chosen with the probability ∏ 1/(pᵢ·pⱼ) over the lines, as in
    amplitudes of gluons with most helicities equal (Parke and Taylor, Phys. Rev. Lett. 56 (1986) 2459). Where gluons
    are exchanged a quark is not connected with an antiquark of its family, and where they are not, only so. Resonances
    hand their colour on. ``exchanged`` says that the first parton of the process comes from the second beam; ``u`` is
    uniform.
    """
    incoming = process.incoming[::-1] if exchanged else process.incoming
    rows = _rows(branches)
    ends = [end for row, particle in enumerate(incoming) for end in _ends(row, particle, incoming=True)]
    ends += [end for row, branch in zip(rows, branches, strict=True) for end in _ends(row, branch.particle)]
    # A line runs from where colour leaves the collision to where it enters.
    sources = [end for end in ends if end.anticolour == end.incoming]
    sinks = [end for end in ends if end.anticolour != end.incoming]
    flows = _flows(sources, sinks, electroweak=any(limit.name == "QCD" and not limit.power for limit in process.limits))
    tags = torch.stack([_tags(sources, targets, rows, branches, size=momenta.shape[1]) for targets in flows])
    antennae = torch.stack([_log_antennae(sources, targets, momenta) for targets in flows], dim=1)
    chosen = (antennae.softmax(dim=1).cumsum(dim=1) < u[:, None]).sum(dim=1).clamp(max=len(flows) - 1)
    return tags[chosen]


def _rows(branches: Sequence[Branch]) -> list[int]:
    """Where branches stand in a record, behind the two incoming partons."""
    sizes = [sum(1 for _ in branch) for branch in branches]
    return [2 + before for before in itertools.accumulate(sizes[:-1], initial=0)]


def _ends(row: int, particle: Particle, *, incoming: bool = False) -> list[_End]:
    tags: dict[int, tuple[bool, ...]] = {1: (), 3: (False,), -3: (True,), 8: (False, True)}
    return [_End(row, anticolour, incoming, particle.flavour) for anticolour in tags[particle.colour]]


def _flows(sources: list[_End], sinks: list[_End], *, electroweak: bool) -> list[tuple[_End, ...]]:
    """The sinks of all sources, for each flow."""

    def allowed(source: _End, sink: _End) -> bool:
        return source.row != sink.row and (bool(source.family) and source.family == sink.family) == electroweak

    orders = list(itertools.permutations(sinks))
    preferred = [order for order in orders if all(map(allowed, sources, order))]
    return preferred or [order for order in orders if all(a.row != b.row for a, b in zip(sources, order, strict=True))]


def _tags(
    sources: list[_End], targets: tuple[_End, ...], rows: list[int], branches: Sequence[Branch], *, size: int
) -> Int[Tensor, "particle 2"]:
    tags = torch.zeros((size, 2), dtype=torch.int64)
    for tag, ends in enumerate(zip(sources, targets, strict=True), start=_FIRST_TAG):
        for end in ends:
            tags[end.row, int(end.anticolour)] = tag
    free = itertools.count(_FIRST_TAG + len(sources))
    for row, branch in zip(rows, branches, strict=True):
        _hand_on(tags, branch, row, free)
    return tags


def _hand_on(tags: Tensor, branch: Branch, row: int, free: Iterator[int]) -> None:
    """Give the products of a resonance its colour, and a new line to a pair that has none to inherit."""
    coloured = [
        (row + at, product)
        for at, product in zip(_offsets(branch), branch.products, strict=True)
        if product.particle.colour != 1
    ]
    inherited = [product for product in coloured if product[1].particle.colour == branch.particle.colour]
    if branch.particle.colour != 1 and inherited:
        tags[inherited[0][0]] = tags[row]
        coloured.remove(inherited[0])
    if coloured:
        tag = next(free)
        for at, product in coloured:
            tags[at, int(product.particle.colour == -3)] = tag
    for at, product in zip(_offsets(branch), branch.products, strict=True):
        _hand_on(tags, product, row + at, free)


def _offsets(branch: Branch) -> list[int]:
    """Rows of the products behind the row of their mother."""
    sizes = [sum(1 for _ in product) for product in branch.products]
    return [1 + before for before in itertools.accumulate(sizes[:-1], initial=0)][: len(sizes)]


def _log_antennae(sources: list[_End], targets: tuple[_End, ...], momenta: Tensor) -> Float[Tensor, " event"]:
    """−Σ ln(pᵢ·pⱼ)."""
    total = torch.zeros(len(momenta), dtype=momenta.dtype)
    for source, sink in zip(sources, targets, strict=True):
        product = minkowski_dot(momenta[:, source.row], momenta[:, sink.row])
        total = total - torch.log(product.clamp(min=1e-12))
    return total
