"""Assigns colour lines at leading colour, for parton showers."""

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

import torch
from jaxtyping import Float, Int
from torch import Tensor

from hepreco.amplitudes import DecayTree, Particle, Process
from hepreco.kinematics import minkowski_dot

#: The first tag of a colour line, by convention.
_FIRST_TAG: Final = 501
#: First row of the decay trees in a record, after the incoming partons.
_FIRST_ROW: Final = 2


@dataclass(frozen=True)
class _End:
    """An end of a colour line: the row of a particle in the record, and which of its two tags."""

    row: int
    anticolour: bool
    incoming: bool
    family: str


def colour_tags(
    process: Process,
    trees: Sequence[DecayTree],
    momenta: Float[Tensor, "event particle 4"],
    u: Float[Tensor, " event"],
    *,
    exchanged: bool = False,
) -> Int[Tensor, "event particle 2"]:
    """Colour and anticolour tags of the incoming partons and of all particles of the decay trees.

    A flow is chosen with probability proportional to ∏ 1/(pᵢ·pⱼ) over its lines, as in maximally helicity-violating
    amplitudes of gluons (Parke and Taylor, Phys. Rev. Lett. 56 (1986) 2459). If gluons are exchanged, a quark is not
    connected with an antiquark of its family; in electroweak processes only with such. Resonances pass their colour on
    to their decay products. ``exchanged`` tells that the first parton of the process comes from the second beam; ``u``
    are uniform numbers.
    """
    incoming = process.incoming[::-1] if exchanged else process.incoming
    ends = [end for row, particle in enumerate(incoming) for end in _ends(row, particle, incoming=True)]
    ends += [end for tree in trees for end in _ends(_FIRST_ROW + tree.row, tree.particle)]
    # A line connects an outgoing colour or incoming anticolour to an outgoing anticolour or incoming colour.
    sources = [end for end in ends if end.anticolour == end.incoming]
    sinks = [end for end in ends if end.anticolour != end.incoming]
    flows = _flows(sources, sinks, electroweak=any(limit.name == "QCD" and not limit.power for limit in process.limits))
    tags = torch.stack([_tags(sources, targets, trees, size=momenta.shape[1]) for targets in flows])
    antennae = torch.stack([_log_antennae(sources, targets, momenta) for targets in flows], dim=1)
    chosen = (antennae.softmax(dim=1).cumsum(dim=1) < u[:, None]).sum(dim=1).clamp(max=len(flows) - 1)
    return tags[chosen]


def _ends(row: int, particle: Particle, *, incoming: bool = False) -> list[_End]:
    tags: dict[int, tuple[bool, ...]] = {1: (), 3: (False,), -3: (True,), 8: (False, True)}
    return [_End(row, anticolour, incoming, particle.flavour) for anticolour in tags[particle.colour]]


def _flows(sources: list[_End], sinks: list[_End], *, electroweak: bool) -> list[tuple[_End, ...]]:
    """All colour flows, each given by the sinks of the sources."""

    def allowed(source: _End, sink: _End) -> bool:
        return source.row != sink.row and (bool(source.family) and source.family == sink.family) == electroweak

    orders = list(itertools.permutations(sinks))
    preferred = [order for order in orders if all(map(allowed, sources, order))]
    return preferred or [order for order in orders if all(a.row != b.row for a, b in zip(sources, order, strict=True))]


def _tags(
    sources: list[_End], targets: tuple[_End, ...], trees: Sequence[DecayTree], *, size: int
) -> Int[Tensor, "particle 2"]:
    tags = torch.zeros((size, 2), dtype=torch.int64)
    for tag, ends in enumerate(zip(sources, targets, strict=True), start=_FIRST_TAG):
        for end in ends:
            tags[end.row, int(end.anticolour)] = tag
    free = itertools.count(_FIRST_TAG + len(sources))
    for tree in trees:
        _hand_on(tags, tree, free)
    return tags


def _hand_on(tags: Tensor, tree: DecayTree, free: Iterator[int]) -> None:
    """Pass the colour of a resonance on to a daughter, and give daughters that inherit none a new line."""
    coloured = [daughter for daughter in tree.daughters if daughter.particle.colour != 1]
    inherited = [daughter for daughter in coloured if daughter.particle.colour == tree.particle.colour]
    if tree.particle.colour != 1 and inherited:
        tags[_FIRST_ROW + inherited[0].row] = tags[_FIRST_ROW + tree.row]
        coloured.remove(inherited[0])
    if coloured:
        tag = next(free)
        for daughter in coloured:
            tags[_FIRST_ROW + daughter.row, int(daughter.particle.colour == -3)] = tag
    for daughter in tree.daughters:
        _hand_on(tags, daughter, free)


def _log_antennae(sources: list[_End], targets: tuple[_End, ...], momenta: Tensor) -> Float[Tensor, " event"]:
    """−Σ ln(pᵢ·pⱼ)."""
    total = torch.zeros(len(momenta), dtype=momenta.dtype)
    for source, sink in zip(sources, targets, strict=True):
        product = minkowski_dot(momenta[:, source.row], momenta[:, sink.row])
        total = total - torch.log(product.clamp(min=1e-12))
    return total
