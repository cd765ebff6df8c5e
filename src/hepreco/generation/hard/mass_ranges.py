"""Allowed ranges of the masses of a process's particles."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from hepreco.amplitudes import DecayTree, StandardModel
from hepreco.errors import ConfigError


@dataclass(frozen=True)
class MassRange:
    """The pole of a particle (``mass`` and ``width``) and the bounds ``low`` and ``high`` of its mass, in GeV."""

    mass: float
    width: float
    low: float
    high: float


def mass_ranges(trees: Iterable[DecayTree], model: StandardModel, *, cutoff: float) -> tuple[MassRange, ...]:
    """The mass range of every particle of some trees, by its row.

    A resonance is within ``cutoff`` widths of its pole, like MadGraph's ``bwcutoff``. If the sum of its daughters' pole
    masses exceeds its own (h > w+ w-), the masses of the daughters are not restricted.

    Raises
    ------
    ConfigError
        A resonance has no width, or cannot be as heavy as its daughters.
    """
    return tuple(found for tree in trees for found in _ranges(tree, model, cutoff))


def _ranges(tree: DecayTree, model: StandardModel, cutoff: float) -> Sequence[MassRange]:
    """The range of a particle, then those of all its decay products."""
    mass, width = float(model.mass(tree.particle)), float(model.width(tree.particle))
    if not tree.daughters:
        return [MassRange(mass, width, mass, mass)]
    if not width:
        raise ConfigError(f"{tree.particle} decays but has no width", "give it one in the model")
    poles = sum(float(model.mass(daughter.particle)) for daughter in tree.daughters)
    inner = [_ranges(daughter, model, cutoff if poles <= mass else math.inf) for daughter in tree.daughters]
    least = sum(daughter[0].low for daughter in inner)
    low, high = max(least, mass - cutoff * width), mass + cutoff * width
    if low >= high:
        raise ConfigError(
            f"{tree.particle} within {cutoff} widths of its pole is lighter than its products ({least:.4g} GeV)",
            "raise the cutoff, or change the decay",
        )
    return [MassRange(mass, width, low, high), *(found for daughter in inner for found in daughter)]
