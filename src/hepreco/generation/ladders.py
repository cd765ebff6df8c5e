"""Which ladders sample a production well."""

import itertools
from collections.abc import Iterator, Sequence

from hepreco.amplitudes import DecayTree, StandardModel
from hepreco.amplitudes.vertices import attachments
from hepreco.generation.phase_space import Ladder, Rung
from hepreco.generation.resonances import MassRange

#: Particles below this mass (GeV) make propagators large where they are collinear with a beam or another particle.
_LIGHT = 10.0


def ladders_of(trees: Sequence[DecayTree], ranges: Sequence[MassRange], model: StandardModel) -> tuple[Ladder, ...]:
    """The ladders whose sum follows the propagators of a production.

    Heavy particles need one, isotropic. Light ones stand at the ends of ladders, in every order, alone or with a
    particle that they can have come from one propagator with.
    """
    light = {i for i, tree in enumerate(trees) if ranges[tree.row].mass < _LIGHT}
    singles = tuple(Rung((i,)) for i in range(len(trees)))
    if not light or len(trees) == 1:
        return (Ladder(singles, isotropic=True),)
    sets = [singles]
    for pair in itertools.combinations(range(len(trees)), 2):
        others = tuple(rung for rung in singles if rung.group[0] not in pair)
        sets += [(rung, *others) for rung in _joined(pair, [trees[i] for i in pair], ranges, model)]
    return tuple(Ladder(order) for rungs in sets for order in itertools.permutations(rungs) if _exposes(order, light))


def _joined(
    pair: tuple[int, int], trees: Sequence[DecayTree], ranges: Sequence[MassRange], model: StandardModel
) -> Iterator[Rung]:
    """The rungs of two: one for each resonance within reach, one for all propagators without."""
    first, second = trees
    least = ranges[first.row].low + ranges[second.row].low
    parents = {attachment.parent for attachment in attachments(first.particle, second.particle)}
    for parent in sorted(parents, key=lambda particle: particle.pdg_id):
        mass, width = float(model.mass(parent)), float(model.width(parent))
        if width and mass > least:
            yield Rung(pair, resonance=(mass, width))
    if parents:
        yield Rung(pair)


def _exposes(order: tuple[Rung, ...], light: set[int]) -> bool:
    """Whether light particles stand at the ends, as far as there are any."""
    has_light = [not light.isdisjoint(rung.group) for rung in order]
    ends = has_light[0] + (has_light[-1] if len(order) > 1 else 0)
    return ends == min(2, sum(has_light))
