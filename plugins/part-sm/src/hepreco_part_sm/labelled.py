"""Events whose class is known: what networks and trees are trained on."""

from typing import NamedTuple

from jaxtyping import Float, Int
from torch import Tensor

from hepreco_part_sm.particles import Particles


class Labelled(NamedTuple):
    """Events whose class is known, in single precision."""

    momenta: Float[Tensor, "event object 4"]
    kinds: Int[Tensor, "event object"]
    missing_momentum: Float[Tensor, "event 2"]
    label: Int[Tensor, " event"]
    weight: Float[Tensor, " event"]

    @property
    def particles(self) -> Particles:
        """What the models are given."""
        return Particles(self.momenta, self.kinds, self.missing_momentum)
