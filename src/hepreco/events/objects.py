"""Which objects of an event count: declarative cuts on NanoAOD collections."""

import math
import operator
import re
from collections.abc import Iterable
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any, Final

import awkward as ak
import numpy as np
from numpy.typing import NDArray

from hepreco.errors import ConfigError, DatasetError
from hepreco.events.paths import ColumnPath

MOMENTUM: Final = ("pt", "eta", "phi", "mass")
#: What vector computes from the stored coordinates.
DERIVED: Final = ("px", "py", "pz", "energy", "rapidity")
_COMPARISON = re.compile(r"(?P<bar>\|?)(?P<field>[A-Za-z]\w*)(?P=bar)\s*(?P<sign><=|>=|==|<|>)\s*(?P<value>\S+)")
_SIGNS = {"<": operator.lt, ">": operator.gt, "<=": operator.le, ">=": operator.ge, "==": operator.eq}


@dataclass(frozen=True)
class Comparison:
    """One cut such as ``pt > 30`` or ``|eta| < 2.4``.

    Example
    -------
    >>> Comparison.parse("|eta| < 2.4")
    Comparison(field='eta', sign='<', value=2.4, absolute=True)
    """

    field: str
    sign: str
    value: int | float
    absolute: bool

    @classmethod
    def parse(cls, text: str) -> "Comparison":
        """Read ``field sign number``; :class:`~hepreco.errors.ConfigError` where it is anything else."""
        match = _COMPARISON.fullmatch(text.strip())
        try:
            if match and not math.isnan(value := _number(match["value"])):
                return cls(match["field"], match["sign"], value, absolute=bool(match["bar"]))
        except ValueError:
            pass
        raise ConfigError(
            f"cannot read the cut {text!r}",
            "write one comparison of a branch with a number, for example 'pt > 30' or '|eta| < 2.4'",
        )

    def __call__(self, values: ak.Array) -> ak.Array:
        """Whether each value passes, integers exactly: the absolute value of an int8 of −128 is 128."""
        values = _magnitude(values) if self.absolute else values
        return _SIGNS[self.sign](values, _exact(self.value, self.sign, _dtype(values)))


def _number(text: str) -> int | float:
    """A float, or an integer where no float is equal to it."""
    number = float(text)
    return int(text) if math.isfinite(number) and re.fullmatch(r"[+-]?\d+", text) and int(text) != number else number


def _dtype(values: ak.Array) -> np.dtype[Any] | None:
    """The type of the numbers in an array; ``None`` where they are not of one type."""
    layout = values.layout
    while hasattr(layout, "content"):
        layout = layout.content
    return getattr(layout, "dtype", None)


def _magnitude(values: ak.Array) -> ak.Array:
    """Absolute values: those of signed integers as unsigned ones of equal width, which hold them all."""
    dtype = _dtype(values)
    if dtype is None or dtype.kind != "i":
        return abs(values)
    return ak.values_astype(abs(values), np.dtype(f"u{dtype.itemsize}"))


def _exact(value: int | float, sign: str, dtype: np.dtype[Any] | None) -> Any:
    """What an integer column of 64 bits is compared with: an integer, since not every such integer is a float."""
    if dtype is None or dtype.kind not in "iu" or dtype.itemsize < 8 or not math.isfinite(value):
        return float(value)
    whole = math.floor(value) if sign in (">", "<=") else math.ceil(value)
    if sign == "==" and whole != value:
        return math.nan
    limits = np.iinfo(dtype)
    return dtype.type(whole) if limits.min <= whole <= limits.max else math.copysign(math.inf, whole)


@dataclass(frozen=True)
class ObjectSpec:
    """Objects of one NanoAOD collection that a plugin reads.

    Parameters
    ----------
    collection
        Name in NanoAOD, for example ``Jet``.
    where
        Cuts that an object must pass, for example ``("pt > 30", "|eta| < 2.4")``.
    at_least
        An event with fewer such objects is not given to the plugin: its outputs are missing, and it is counted.
    at_most
        Keep that many of the largest pt; ``None`` keeps all.
    features
        Further branches of the collection, for example ``("btagDeepFlavB",)``.
    role
        What a configuration calls these objects when it binds selected ones to the plugin; by default the collection
        in the plural, such as ``jets``.
    """

    collection: str
    where: tuple[str, ...] = ()
    at_least: int = 0
    at_most: int | None = None
    features: tuple[str, ...] = ()
    role: str = ""

    def __post_init__(self) -> None:
        for cut in self.where:
            Comparison.parse(cut)
        if not self.role:
            words = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", self.collection)
            object.__setattr__(self, "role", f"{words.lower()}s")
        if self.at_most is not None and self.at_most < max(self.at_least, 1):
            raise ConfigError(
                f"{self.collection}: at_most = {self.at_most} is below at_least = {self.at_least} or below 1",
                "raise at_most or lower at_least",
            )


@dataclass(frozen=True)
class InputSpec:
    """What a plugin reads of an event.

    Parameters
    ----------
    objects
        One :class:`ObjectSpec` per collection.
    missing_momentum
        The collection that holds missing transverse momentum, for example ``PuppiMET``; ``None`` reads none.
    """

    objects: tuple[ObjectSpec, ...]
    missing_momentum: str | None = None

    def __post_init__(self) -> None:
        names = [spec.collection for spec in self.objects]
        if not names or len(set(names)) < len(names):
            raise ConfigError(f"an input specification of the collections {names}", "name at least one, each once")

    @property
    def features(self) -> tuple[str, ...]:
        """All features asked for, each once, in order."""
        return tuple(dict.fromkeys(feature for spec in self.objects for feature in spec.features))


def column(events: ak.Array, path: str) -> ak.Array:
    """Look up ``Jet.pt``, ``chi2_assigner.top.mass``, ``jets[0].pt`` or ``len(jets)`` in the events.

    One object of a list is missing in events that have fewer.

    Raises
    ------
    DatasetError
        Names the file, the branch that is missing, and the closest that exist.
    """
    wanted = ColumnPath.parse(path)
    values = _looked_up(events, wanted.names)
    if wanted.counts:
        return ak.num(_any_field(events, wanted.plain))
    if wanted.position is None:
        return values
    if values.ndim < 2:
        raise DatasetError(f"{wanted.plain} is not a list in each event", f"write {wanted.plain}")
    return ak.pad_none(values, wanted.position + 1)[:, wanted.position]


def _looked_up(events: ak.Array, names: tuple[str, ...]) -> ak.Array:
    values = events
    for depth, name in enumerate(names):
        if name not in values.fields and not (name in DERIVED and "pt" in values.fields):
            where = f"{'.'.join(names[:depth])} has" if depth else "the events have"
            raise DatasetError(
                f"{_file(events)}: no branch {'_'.join(names)!r} ({where} no {name!r})",
                closest(name, values.fields),
            )
        try:
            values = values[name] if name in values.fields else getattr(values, name)
        except ValueError as error:  # vector refuses to make a momentum of less than four coordinates
            wanted = ", ".join(f"{name}_{coordinate}" for coordinate in MOMENTUM)
            raise DatasetError(
                f"{_file(events)}: {name} is not a collection of four-momenta: {error}",
                f"it needs the branches {wanted}",
            ) from None
    return values


def passing(events: ak.Array, collection: str, where: Iterable[str]) -> ak.Array:
    """Whether each object of a collection passes all cuts.

    A comparison with NaN is false, so an object with an undefined quantity never passes a cut on it.
    """
    mask = ak.ones_like(_any_field(events, collection), dtype=bool)
    for comparison in map(Comparison.parse, where):
        mask = mask & comparison(column(events, f"{collection}.{comparison.field}"))
    return mask


def finite(events: ak.Array, paths: Iterable[str]) -> NDArray[np.bool_]:
    """Whether all of an event's entries in these columns (``Jet.pt``, …) are finite; a column that is not there is."""
    mask = np.ones(len(events), dtype=bool)
    for path in dict.fromkeys(paths):
        collection, _, name = path.partition(".")
        if name in column(events, collection).fields:
            values = column(events, path)
            entries = np.isfinite(flattened(values))
            if not entries.all():
                mask &= ak.to_numpy(ak.all(np.isfinite(values), axis=1)) if values.ndim > 1 else entries
    return mask


def flattened(values: ak.Array) -> NDArray[Any]:
    """All entries of a column, one after the other."""
    return ak.to_numpy(ak.flatten(values, axis=None) if values.ndim > 1 else values)


def momentum_columns(inputs: InputSpec) -> tuple[str, ...]:
    """The columns of momenta that a plugin reads."""
    objects = [f"{spec.collection}.{name}" for spec in inputs.objects for name in MOMENTUM]
    missing = [f"{inputs.missing_momentum}.{name}" for name in ("pt", "phi")] if inputs.missing_momentum else []
    return (*objects, *missing)


def _any_field(events: ak.Array, collection: str) -> ak.Array:
    objects = column(events, collection)
    return objects["pt"] if "pt" in objects.fields else objects[objects.fields[0]]


def _file(events: ak.Array) -> str:
    return str(getattr(events, "metadata", {}).get("filename", "events"))


def closest(name: str, names: list[str]) -> str:
    """Advice on a name that is not among these."""
    matches = get_close_matches(name, names, n=3, cutoff=0.5)
    if matches:
        return f"the closest are {', '.join(matches)}; name the branch as your NanoAOD version does"
    return "choose a branch that this NanoAOD version has"
