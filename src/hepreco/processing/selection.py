"""Event selection: named cuts on how many objects pass."""

from collections.abc import Sequence
from dataclasses import dataclass

import awkward as ak
import numpy as np
from numpy.typing import NDArray

from hepreco.events import ObjectSpec, passing
from hepreco.events.objects import MOMENTUM, Comparison


@dataclass(frozen=True)
class Cut:
    """Keep events in which enough objects of a collection pass.

    Parameters
    ----------
    name
        Its name in the cut flow.
    collection
        Name in NanoAOD; one that holds one record per event (``PuppiMET``, ``HLT``) counts as one object.
    where
        What an object must pass, for example ``("pt > 30", "|eta| < 2.4")``.
    at_least, at_most
        How many objects must pass; ``at_most = 0`` (with ``at_least = 0``) is a veto.

    Example
    -------
    >>> events = ak.Array([{"Jet": [{"pt": 50.0}, {"pt": 40.0}]}, {"Jet": [{"pt": 50.0}]}])
    >>> Cut("two jets", "Jet", where=("pt > 30",), at_least=2)(events).tolist()
    [True, False]
    """

    name: str
    collection: str
    where: tuple[str, ...] = ()
    at_least: int = 1
    at_most: int | None = None

    def __post_init__(self) -> None:
        ObjectSpec(self.collection, self.where)  # refuses what it cannot read

    @property
    def momentum_fields(self) -> tuple[str, ...]:
        """The components of momenta that it compares."""
        return tuple(c.field for c in map(Comparison.parse, self.where) if c.field in MOMENTUM)

    def __call__(self, events: ak.Array) -> NDArray[np.bool_]:
        """Whether each event passes."""
        mask = passing(events, self.collection, self.where)
        count = ak.to_numpy(ak.sum(mask, axis=1) if mask.ndim > 1 else mask).astype(np.int64)
        return (count >= self.at_least) & (count <= (np.inf if self.at_most is None else self.at_most))


def cut_flow(events: ak.Array, cuts: Sequence[Cut], *, finite: NDArray[np.bool_]) -> dict[str, NDArray[np.bool_]]:
    """For each cut in order, the events that pass it and all before it; the last mask is the selection."""
    masks = {"all": np.ones(len(events), dtype=bool), "finite momenta": finite}
    passed = finite
    for cut in cuts:
        passed = passed & cut(events)
        masks[cut.name] = passed
    return masks
