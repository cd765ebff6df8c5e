"""Events whose class is known, for the training of networks and trees."""

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
        """The objects of the events, without label and weight."""
        return Particles(self.momenta, self.kinds, self.missing_momentum)
