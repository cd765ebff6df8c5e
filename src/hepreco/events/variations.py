"""Systematic variations of the events: the entries of the histograms' ``variation`` axis."""

import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Final, final

import awkward as ak
import numpy as np

from hepreco.errors import ConfigError
from hepreco.events.arrays import column
from hepreco.events.columns import Columns
from hepreco.events.objects import InputSpec
from hepreco.names import check_label

#: Collections of missing momentum that functions may read without declaring them: the usual ones of NanoAOD.
USUAL: Final = ("MET", "PFMET", "PuppiMET")
#: Truth, trigger quantities and uncorrected sums do not follow the energy scale of the objects.
_MISSING = re.compile(r"(?!Gen|LHE|HLT|L1|Raw).*(MET|[Mm]issing)")
_COMPONENTS = frozenset({"pt", "phi", "px", "py"})


@final
@dataclass(frozen=True)
class Variation:
    """A shift of the energy scale of one collection, carried through selection and plugins.

    pt and mass of every object are multiplied by ``scale``. Missing transverse momentum is corrected for the change of
    the objects above ``propagate_above`` GeV, as in the type-I correction. Weights do not change: the class is final,
    and the processor refuses any other.

    Parameters
    ----------
    name
        Name on the ``variation`` axis, for example ``jes_up``.
    scale
        Factor on pt and mass, for example 1.03.
    collection
        The NanoAOD collection that is shifted.
    missing_momentum
        The only collection of missing transverse momentum to correct, if the events have it; by default all collections
        that a cut, plugin or histogram of the run reads.
    propagate_above
        Minimum pt in GeV, before the shift, of objects that enter this correction.
    """

    name: str
    scale: float = 1.0
    collection: str = "Jet"
    missing_momentum: str | None = None
    propagate_above: float = 15.0

    def __post_init__(self) -> None:
        check_label(self.name, what="a variation")
        if not (np.isfinite(self.scale) and self.scale > 0):
            raise ConfigError(f"variation {self.name!r}: scale = {self.scale}", "give a positive factor such as 1.03")
        if np.isnan(self.propagate_above):
            raise ConfigError(
                f"variation {self.name!r}: propagate_above = nan", "give a pt in GeV, or inf to correct nothing"
            )

    @property
    def reads(self) -> Columns:
        """The columns that it changes or needs to correct missing momentum."""
        if self.scale == 1.0:
            return Columns()
        missing = [f"{self.missing_momentum}.{name}" for name in ("pt", "phi") if self.missing_momentum]
        return Columns(
            tuple(f"{self.collection}.{name}" for name in ("pt", "mass")), (f"{self.collection}.phi", *missing)
        )

    def __call__(self, events: ak.Array, *, missing_momenta: Iterable[str] = USUAL) -> ak.Array:
        """The shifted events; the original events are not changed.

        ``missing_momenta`` are the collections to correct, unless the variation names its own.
        """
        if self.scale == 1.0:
            return events
        objects = column(events, self.collection)
        scale = np.float32(self.scale)
        shifted = ak.with_field(objects, column(events, f"{self.collection}.pt") * scale, "pt")
        shifted = ak.with_field(shifted, column(events, f"{self.collection}.mass") * scale, "mass")
        varied = ak.with_field(events, shifted, self.collection)
        names = [self.missing_momentum] if self.missing_momentum else missing_momenta
        present = [name for name in names if name in events.fields]
        if not present:
            return varied
        entering = objects.pt > self.propagate_above
        change = [
            (self.scale - 1) * ak.sum((objects.pt * along(objects.phi))[entering], 1) for along in (np.cos, np.sin)
        ]
        for name in present:
            varied = ak.with_field(varied, _corrected(events[name], *change), name)
        return varied


#: The unchanged events.
NOMINAL: Final = Variation("nominal")


def missing_momenta(
    variations: Iterable[Variation],
    *,
    inputs: Mapping[str, InputSpec],
    columns: Mapping[str, Iterable[str]],
    functions: bool,
) -> tuple[str, ...]:
    """The collections of missing momentum that variations must correct, since the run reads them.

    Parameters
    ----------
    variations
        The variations of the run.
    inputs
        The input specification of each plugin, by name.
    columns
        The columns (``MET.pt``, …) that each cut and histogram reads, by ``cut 'met'``, ``histogram 'met'``.
    functions
        Whether functions read the events too: then the usual collections are always included.

    Returns
    -------
    tuple of str
        The names, for ``Variation.__call__``.

    Raises
    ------
    ConfigError
        A variation is not a :class:`Variation`, or names one collection although the run reads another, which would
        stay uncorrected.
    """
    readers = {
        spec.missing_momentum: f"plugin {name!r}" for name, spec in inputs.items() if spec.missing_momentum is not None
    }
    for reader, paths in columns.items():
        for name in _collections_of_missing_momentum(paths, declared=readers):
            if name not in inputs:  # a plugin's own columns
                readers.setdefault(name, reader)
    for variation in variations:
        _require_variation(variation)
        own = variation.missing_momentum
        for name, reader in readers.items() if own is not None and variation.scale != 1.0 else ():
            if name != own:
                raise ConfigError(
                    f"variation {variation.name!r} corrects the missing momentum {own!r}, but {reader} reads {name!r}",
                    f"leave missing_momentum out of the variation to correct all that is read, or read {own!r}",
                )
    return tuple(dict.fromkeys((*readers, *(USUAL if functions else ()))))


def _require_variation(variation: object) -> None:
    if type(variation) is not Variation:
        raise ConfigError(
            f"{getattr(variation, 'name', variation)!r} is a {type(variation).__name__}, not a Variation",
            "use hepreco.events.Variation itself: it scales energies; weights have no variations yet",
        )


def _collections_of_missing_momentum(paths: Iterable[str], *, declared: Collection[str]) -> list[str]:
    split = [path.split(".") for path in paths]
    return [
        name for name, *rest in split if rest and rest[-1] in _COMPONENTS and (name in declared or _MISSING.match(name))
    ]


def _corrected(missing: ak.Array, px: ak.Array, py: ak.Array) -> ak.Array:
    """Missing momentum minus the change of the objects' momenta."""
    px = missing.pt * np.cos(missing.phi) - px
    py = missing.pt * np.sin(missing.phi) - py
    missing = ak.with_field(missing, np.hypot(px, py), "pt")
    return ak.with_field(missing, np.arctan2(py, px), "phi")
