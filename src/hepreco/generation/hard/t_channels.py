"""Chooses the phase-space channels that sample a production well."""

import itertools
from collections.abc import Iterator, Sequence

from hepreco.amplitudes import DecayTree, StandardModel
from hepreco.amplitudes.vertices import attachments
from hepreco.generation.hard.mass_ranges import MassRange
from hepreco.generation.hard.phase_space import Emission, TChannel

#: Particles below this mass (GeV) make propagators large if they are collinear with a beam or another particle.
_LIGHT = 10.0


def t_channels_of(
    trees: Sequence[DecayTree], ranges: Sequence[MassRange], model: StandardModel
) -> tuple[TChannel, ...]:
    """The channels whose sum follows the propagators of a production.

    For heavy particles one isotropic channel suffices. Light particles are next to the beams, in every order, alone or
    together with a particle from the same propagator.
    """
    light = {i for i, tree in enumerate(trees) if ranges[tree.row].mass < _LIGHT}
    singles = tuple(Emission((i,)) for i in range(len(trees)))
    if not light or len(trees) == 1:
        return (TChannel(singles, isotropic=True),)
    sets = [singles]
    for pair in itertools.combinations(range(len(trees)), 2):
        others = tuple(emission for emission in singles if emission.group[0] not in pair)
        sets += [(emission, *others) for emission in _joined(pair, [trees[i] for i in pair], ranges, model)]
    return tuple(
        TChannel(order) for emissions in sets for order in itertools.permutations(emissions) if _exposes(order, light)
    )


def _joined(
    pair: tuple[int, int], trees: Sequence[DecayTree], ranges: Sequence[MassRange], model: StandardModel
) -> Iterator[Emission]:
    """The emissions of a pair: one for each possible resonance, and one for non-resonant propagators."""
    first, second = trees
    least = ranges[first.row].low + ranges[second.row].low
    parents = {attachment.parent for attachment in attachments(first.particle, second.particle)}
    for parent in sorted(parents, key=lambda particle: particle.pdg_id):
        mass, width = float(model.mass(parent)), float(model.width(parent))
        if width and mass > least:
            yield Emission(pair, resonance=(mass, width))
    if parents:
        yield Emission(pair)


def _exposes(order: tuple[Emission, ...], light: set[int]) -> bool:
    """Whether light particles are at both ends, or at one if there is only one."""
    has_light = [not light.isdisjoint(emission.group) for emission in order]
    ends = has_light[0] + (has_light[-1] if len(order) > 1 else 0)
    return ends == min(2, sum(has_light))
