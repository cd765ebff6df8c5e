"""Event selection: named cuts on the number of objects, applied in order, and regions, which combine cuts."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import awkward as ak
import numpy as np
from numpy.typing import NDArray

from hepreco.errors import ConfigError
from hepreco.events import Columns, ObjectSpec, passing
from hepreco.events.columns import compared
from hepreco.events.objects import MOMENTUM
from hepreco.names import check_label, check_name
from hepreco.plugin.options import closest
from hepreco.processing import identity
from hepreco.processing.functions import FunctionCut


@dataclass(frozen=True)
class Cut:
    """Keep events by the number of objects of a collection that pass.

    Parameters
    ----------
    name
        Name of the cut in the cut flow.
    collection
        Selected objects, or a collection of NanoAOD; a collection with one record per event (``PuppiMET``, ``HLT``)
        counts as one object. Cuts of regions may also name ``observables``, or a plugin, such as ``chi2_assigner``.
    where
        Cuts that an object must pass, for example ``("pt > 30", "|eta| < 2.4")``.
    at_least, at_most
        Smallest and largest number of objects that pass; ``at_most = 0`` (with ``at_least = 0``) is a veto.

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
        check_label(self.name, what="a cut")
        ObjectSpec(self.collection, self.where)  # refuses malformed cuts

    @property
    def momentum_columns(self) -> tuple[str, ...]:
        """The momentum components on which it cuts, such as ``Jet.pt``."""
        return tuple(f"{self.collection}.{name}" for name in compared(self.where) if name in MOMENTUM)

    @property
    def reads(self) -> Columns:
        """The columns on which it cuts; any column of the collection if it only counts objects."""
        return Columns(tuple(f"{self.collection}.{name}" for name in compared(self.where)) or (self.collection,))

    @property
    def provenance(self) -> Any:
        """All that determines the decision, as plain values."""
        return identity.of_value(self)

    def __call__(self, events: ak.Array) -> NDArray[np.bool_]:
        """Whether each event passes."""
        mask = ak.fill_none(passing(events, self.collection, self.where), False, axis=None)
        count = ak.to_numpy(ak.sum(mask, axis=1) if mask.ndim > 1 else mask).astype(np.int64)
        return (count >= self.at_least) & (count <= (np.inf if self.at_most is None else self.at_most))


AnyCut = Cut | FunctionCut
#: For each cut in order, whether each event passes this cut and all earlier ones.
Flow = dict[str, NDArray[np.bool_]]


@dataclass(frozen=True)
class Region:
    """A table ``[regions.<name>]``: selected events that pass some cuts and fail others.

    Parameters
    ----------
    all
        Names of cuts that every event of the region passes.
    none
        Names of cuts that every event of the region fails.

    Raises
    ------
    ConfigError
        A cut is named twice.
    """

    all: tuple[str, ...] = ()
    none: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if len({*self.all, *self.none}) < len(self.all) + len(self.none):
            raise ConfigError(f"a region names a cut twice: {[*self.all, *self.none]}", "name each cut once")

    def flow(self, cuts: Mapping[str, NDArray[np.bool_]], *, selected: NDArray[np.bool_]) -> Flow:
        """For each of these cuts that it names, the events that pass it and all earlier ones.

        Parameters
        ----------
        cuts
            Whether each event passes, by the cut's name. A cut of ``none`` is called ``not …`` in the result.
        selected
            The events that pass the selection and all cuts that came before these.
        """
        steps = {name: cuts[name] for name in self.all if name in cuts}
        steps |= {f"not {name}": ~cuts[name] for name in self.none if name in cuts}
        masks = {}
        for name, mask in steps.items():
            selected = selected & mask
            masks[name] = selected
        return masks


def check_regions(regions: Mapping[str, Region], cuts: Sequence[AnyCut]) -> None:
    """Raise :class:`ConfigError` if a region has an invalid name or names an unknown cut, or a cut is in no region."""
    known = [cut.name for cut in cuts]
    for name, region in regions.items():
        check_name(name, what="a region")
        for cut in (*region.all, *region.none):
            if cut not in known:
                raise ConfigError(
                    f"[regions.{name}] names the cut {cut!r}, which is not in [[cuts]]", closest(cut, known)
                )
    if unused := [cut for cut in known if not any(cut in (*each.all, *each.none) for each in regions.values())]:
        raise ConfigError(f"the cut {unused[0]!r} is in no region", "name it in one, or move it to [[selection]]")


def cut_flow(
    events: ak.Array,
    cuts: Sequence[AnyCut],
    *,
    finite: NDArray[np.bool_],
    filters: Mapping[str, NDArray[np.bool_]] = MappingProxyType({}),
) -> Flow:
    """For each filter and cut in order, the events that pass it and all earlier ones; the last is the selection."""
    masks = {"all": np.ones(len(events), dtype=bool), **filters}
    passed = masks["finite momenta"] = list(masks.values())[-1] & finite
    for cut in cuts:
        passed = passed & cut(events)
        masks[cut.name] = passed
    return masks
