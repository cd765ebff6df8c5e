"""Systematic variations of the events: what the histograms' ``variation`` axis counts."""

from dataclasses import dataclass
from typing import Final

import awkward as ak
import numpy as np

from hepreco.errors import ConfigError
from hepreco.events.columns import Columns
from hepreco.events.objects import column


@dataclass(frozen=True)
class Variation:
    """A shift of the energy scale of one collection, carried through selection and plugins.

    pt and mass of every object are multiplied by ``scale``; missing transverse momentum takes up the change of
    the objects above ``propagate_above`` GeV, as in the type-I correction.

    Parameters
    ----------
    name
        Its name on the ``variation`` axis, for example ``jes_up``.
    scale
        Factor on pt and mass, for example 1.03.
    collection
        The NanoAOD collection that is shifted.
    missing_momentum
        The collection of missing transverse momentum that is corrected, where the events have it.
    propagate_above
        Only objects with larger pt (GeV, before the shift) enter that correction.
    """

    name: str
    scale: float = 1.0
    collection: str = "Jet"
    missing_momentum: str = "PuppiMET"
    propagate_above: float = 15.0

    def __post_init__(self) -> None:
        if not (np.isfinite(self.scale) and self.scale > 0):
            raise ConfigError(f"variation {self.name!r}: scale = {self.scale}", "give a positive factor such as 1.03")

    @property
    def reads(self) -> Columns:
        """The columns that it changes, or needs for the change of missing momentum."""
        if self.scale == 1.0:
            return Columns()
        missing = [f"{self.missing_momentum}.{name}" for name in ("pt", "phi")]
        return Columns(
            tuple(f"{self.collection}.{name}" for name in ("pt", "mass")), (f"{self.collection}.phi", *missing)
        )

    def __call__(self, events: ak.Array) -> ak.Array:
        """The shifted events; the given ones stay as they are."""
        if self.scale == 1.0:
            return events
        objects = column(events, self.collection)
        scale = np.float32(self.scale)
        shifted = ak.with_field(objects, column(events, f"{self.collection}.pt") * scale, "pt")
        shifted = ak.with_field(shifted, column(events, f"{self.collection}.mass") * scale, "mass")
        varied = ak.with_field(events, shifted, self.collection)
        if self.missing_momentum not in events.fields:
            return varied
        missing = events[self.missing_momentum]
        entering = objects.pt > self.propagate_above
        px = missing.pt * np.cos(missing.phi) - (self.scale - 1) * ak.sum(
            (objects.pt * np.cos(objects.phi))[entering], 1
        )
        py = missing.pt * np.sin(missing.phi) - (self.scale - 1) * ak.sum(
            (objects.pt * np.sin(objects.phi))[entering], 1
        )
        missing = ak.with_field(missing, np.hypot(px, py), "pt")
        missing = ak.with_field(missing, np.arctan2(py, px), "phi")
        return ak.with_field(varied, missing, self.missing_momentum)


NOMINAL: Final = Variation("nominal")
