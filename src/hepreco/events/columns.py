"""The columns that a run reads from its files, known before the first event."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from hepreco.errors import DatasetError
from hepreco.events.objects import DERIVED, MOMENTUM, Comparison, InputSpec, closest

EVENT_ID: Final = ("run", "luminosityBlock", "event")
WEIGHT: Final = "genWeight"
#: Fields that coffea needs to build the records of a collection.
_BEHAVIOUR: Final = (*MOMENTUM, "charge")
#: Collections of trigger bits, whose names change between data-taking periods.
BITS: Final = frozenset(("HLT", "L1", "DST"))
#: Branches that coffea's schema adds if a file lacks them.
_ADDED: Final = frozenset(
    (
        *("Photon_mass", "Photon_charge", "Jet_charge", "FatJet_charge", "TrigObj_mass", "FsrPhoton_mass"),
        *("FsrPhoton_charge", "CorrT1METJet_mass", "IsoTrack_mass", "SoftActivityJet_mass"),
    )
)


@dataclass(frozen=True)
class Columns:
    """Columns as paths, such as ``Jet.pt``, ``HLT.IsoMu24`` or ``run``.

    Parameters
    ----------
    required
        A file that lacks one of these cannot be processed. ``Jet`` means that any column of the collection suffices.
    optional
        Read if a file has them.
    anything
        Functions of the user may read any further column while the events are processed.
    weighted
        Whether the generator weight is read if a file has it.
    """

    required: tuple[str, ...] = ()
    optional: tuple[str, ...] = ()
    anything: bool = False
    weighted: bool = True

    def __or__(self, other: "Columns") -> "Columns":
        """The columns of both."""
        return type(self)(
            tuple(dict.fromkeys((*self.required, *other.required))),
            tuple(dict.fromkeys((*self.optional, *other.optional))),
            self.anything or other.anything,
            self.weighted and other.weighted,
        )

    def wanted(self, branch: str) -> bool:
        """Whether the metadata of a branch must be read."""
        if branch == WEIGHT:
            return self.weighted
        if self.anything or branch in EVENT_ID:
            return True
        collection, _, name = branch.partition("_")
        paths = (*self.required, *self.optional)
        collections = {path.partition(".")[0] for path in paths}
        if branch.startswith("n") and branch[1:] in collections:
            return True
        return collection in collections and (name in _BEHAVIOUR or collection in paths or branch in self._named())

    def present(self, names: Iterable[str]) -> list[str]:
        """The branches among ``names`` that are read in advance."""
        available = dict.fromkeys(names)
        collections = {path.partition(".")[0] for path in (*self.required, *self.optional)}
        wanted = {*self._named(), *(f"n{name}" for name in collections), *EVENT_ID, WEIGHT}
        return [name for name in available if name in wanted and (name != WEIGHT or self.weighted)]

    def missing(self, names: Iterable[str]) -> list[str]:
        """The required columns that a file with branches of these names lacks."""
        available = set(names) | _ADDED
        return [path for path in self.required if not _is_among(path, available)]

    def _named(self) -> set[str]:
        return {name for path in (*self.required, *self.optional) for name in branches(path)}


def branches(path: str) -> tuple[str, ...]:
    """The branches needed for a column: ``Jet_pt`` for ``Jet.pt``, all four coordinates for the energy and the like."""
    collection, _, rest = path.partition(".")
    name = rest.partition(".")[0]
    if not name:
        return (collection,)
    return tuple(f"{collection}_{field}" for field in MOMENTUM) if name in DERIVED else (f"{collection}_{name}",)


def beside(read: Iterable[str], names: Iterable[str]) -> list[str]:
    """The branches that coffea's records need beside those that were read: momenta and charges of the collections."""
    collections = {branch.partition("_")[0] for branch in read if "_" in branch}
    parts = ((name, *name.partition("_")[::2]) for name in names)
    return [name for name, collection, field in parts if collection in collections and field in _BEHAVIOUR]


def of_inputs(inputs: InputSpec, *, bound: Mapping[str, str] = MappingProxyType({})) -> Columns:
    """The columns that a plugin reads; ``bound`` names selected objects that replace a collection and its cuts."""
    fields = [
        f"{bound.get(spec.collection, spec.collection)}.{name}"
        for spec in inputs.objects
        for name in (*MOMENTUM, *(() if spec.collection in bound else compared(spec.where)), *spec.features)
    ]
    missing = [f"{inputs.missing_momentum}.{name}" for name in ("pt", "phi")] if inputs.missing_momentum else []
    return Columns(tuple(dict.fromkeys((*fields, *missing, *inputs.event_features))))


def compared(where: Iterable[str]) -> tuple[str, ...]:
    """The fields on which objects are cut."""
    return tuple(Comparison.parse(cut).field for cut in where)


def missing_column(path: str, *, file: str, names: Iterable[str]) -> DatasetError:
    """The error for a column that a file with these branches lacks; it names the closest ones."""
    if path == WEIGHT:
        return DatasetError(
            f"{file}: no branch {WEIGHT!r}, which a dataset with a cross-section needs",
            "take cross_section out of the dataset if it is data",
        )
    collection, _, name = path.partition(".")
    fields = [branch.removeprefix(f"{collection}_") for branch in names if branch.startswith(f"{collection}_")]
    if name == "charge" and fields:
        return DatasetError(
            f"{file}: no branch {collection}_charge: the file does not tell the charge of {collection}",
            "leave out the cut or plugin that reads the charge, or add it to the file",
        )
    if name and fields:
        return DatasetError(
            f"{file}: no branch {path.replace('.', '_')!r} ({collection} has no {name!r})", closest(name, fields)
        )
    collections = dict.fromkeys(branch.partition("_")[0] for branch in names)
    return DatasetError(
        f"{file}: no branch {path.replace('.', '_')!r} (the events have no {collection!r})",
        closest(collection, list(collections)),
    )


def is_bit(path: str) -> bool:
    """Whether a column is a trigger bit that some data-taking periods lack, such as ``HLT.IsoMu24``."""
    return path.partition(".")[0] in BITS


def _is_among(path: str, available: set[str]) -> bool:
    collection, _, name = path.partition(".")
    if not name:
        return collection in available or any(branch.startswith(f"{collection}_") for branch in available)
    if f"{collection}_{name}" in available:
        return True
    return name in DERIVED and all(branch in available for branch in branches(path))
