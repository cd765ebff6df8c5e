"""The tree of a process: what is produced, what each resonance becomes, and where its mass may lie."""

import math
from collections.abc import Iterator
from dataclasses import dataclass

from hepreco.amplitudes import Leg, Particle, Process, StandardModel
from hepreco.errors import ConfigError


@dataclass(frozen=True)
class Branch:
    """A particle with its decay.

    ``mass`` and ``width`` are the pole's; a resonance's mass is kept in [``low``, ``high``] (GeV).
    """

    particle: Particle
    mass: float
    width: float
    low: float
    high: float
    products: tuple["Branch", ...] = ()

    def __iter__(self) -> Iterator["Branch"]:
        """The branch, then each product with its own, depth first."""
        yield self
        for product in self.products:
            yield from product

    @property
    def final(self) -> tuple["Branch", ...]:
        """The stable ones, in the order of the process's final particles."""
        return tuple(branch for branch in self if not branch.products)


def grow(process: Process, model: StandardModel, *, cutoff: float) -> tuple[Branch, ...]:
    """The branches of a production.

    A resonance stays within ``cutoff`` widths of its pole, as MadGraph's ``bwcutoff`` has it; where the poles of a
    resonance's products do not fit into its own (h > w+ w-), their masses are free.

    Raises
    ------
    ConfigError
        A resonance without width, or one that cannot reach its products' masses.
    """
    return tuple(_branch(leg, model, cutoff) for leg in process.outgoing)


def _branch(leg: Leg, model: StandardModel, cutoff: float) -> Branch:
    mass, width = float(model.mass(leg.particle)), float(model.width(leg.particle))
    if leg.decay is None:
        return Branch(leg.particle, mass, width, mass, mass)
    if not width:
        raise ConfigError(f"{leg.particle} decays but has no width", "give it one in the model")
    poles = sum(float(model.mass(product.particle)) for product in leg.decay.outgoing)
    products = tuple(_branch(product, model, cutoff if poles <= mass else math.inf) for product in leg.decay.outgoing)
    least = sum(product.low for product in products)
    low, high = max(least, mass - cutoff * width), mass + cutoff * width
    if low >= high:
        raise ConfigError(
            f"{leg.particle} within {cutoff} widths of its pole is lighter than its products ({least:.4g} GeV)",
            "raise the cutoff, or change the decay",
        )
    return Branch(leg.particle, mass, width, low, high, products)
