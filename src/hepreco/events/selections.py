"""The objects of an analysis, each defined once and used by name in cuts, histograms and plugins."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from graphlib import CycleError, TopologicalSorter
from typing import Final, final

import awkward as ak
from coffea.nanoevents.methods import nanoaod

from hepreco.errors import ConfigError, DatasetError
from hepreco.events.arrays import column, passing
from hepreco.events.columns import compared
from hepreco.events.objects import MOMENTUM, Comparison, InputSpec
from hepreco.events.paths import ColumnPath
from hepreco.names import check_field

#: Additional fields of selected objects: the position in the NanoAOD collection, and the position of that collection
#: among those that were merged.
INDEX: Final = "index"
SOURCE: Final = "source"


@final
@dataclass(frozen=True)
class Tag:
    """A working point: an object is tagged if a discriminator is above a threshold.

    Parameters
    ----------
    branch
        The discriminator, for example ``btagDeepFlavB``.
    above
        The threshold, or one for each data-taking period: ``{ "2017" = 0.3040, "2018" = 0.2783 }``.

    Example
    -------
    >>> Tag("btagDeepFlavB", above={"2017": 0.3040, "2018": 0.2783}).threshold("2018")
    0.2783
    """

    branch: str
    above: float | dict[str, float]

    def threshold(self, period: str) -> float:
        """The working point of a period; :class:`~hepreco.errors.ConfigError` if there is none."""
        if not isinstance(self.above, Mapping):
            return self.above
        if period not in self.above:
            raise ConfigError(
                f"the tag on {self.branch} has no working point for the period {period!r}, only for "
                f"{', '.join(map(repr, self.above))}",
                "give the dataset a period, or the tag a working point for it",
            )
        return self.above[period]


@final
@dataclass(frozen=True)
class ObjectSelection:
    """The selection that defines the analysis's jets, leptons and so on.

    Selected objects are attached to the events under their name, ordered, with all fields of their collection, the
    field ``index`` (their position in it) and a truth value for each tag.

    Parameters
    ----------
    collection
        A NanoAOD collection, or the name of other selected objects to select from. Several collections are merged: the
        result has momenta, ``charge``, the fields that cuts and histograms use, ``index``, and ``source``, the position
        of the collection in this list.
    where
        Cuts that an object must pass, for example ``("pt > 30", "|eta| < 2.4")``.
    away_from
        Overlap removal: ``{ leptons = 0.4 }`` removes objects within ΔR < 0.4 of the selected objects ``leptons``.
    tags
        Working points by name. Cuts use them as ``"b == 1"``.
    order_by
        Field by which the objects are ordered, in decreasing order.

    Example
    -------
    >>> muons = ObjectSelection("Muon", where=("pt > 25",))
    >>> jets = ObjectSelection("Jet", where=("pt > 30",), away_from={"muons": 0.4})
    """

    collection: str | tuple[str, ...]
    where: tuple[str, ...] = ()
    away_from: dict[str, float] = field(default_factory=dict)
    tags: dict[str, Tag] = field(default_factory=dict)
    order_by: str = "pt"

    def __post_init__(self) -> None:
        if not self.collections:
            raise ConfigError("an object selection names no collection", 'write collection = "Jet"')
        for cut in self.where:
            Comparison.parse(cut)
        for name in self.tags:
            check_field(name, what="a tag")
        for other, radius in self.away_from.items():
            if not radius > 0:
                raise ConfigError(f"objects within ΔR < {radius} of {other} are removed", "give a positive ΔR")

    @property
    def collections(self) -> tuple[str, ...]:
        """The collections that are selected from."""
        return (self.collection,) if isinstance(self.collection, str) else self.collection

    @property
    def fields(self) -> tuple[str, ...]:
        """The fields that cuts, tags and order read, without the tags themselves."""
        named = (*MOMENTUM, *compared(self.where), self.order_by, *(tag.branch for tag in self.tags.values()))
        return tuple(name for name in dict.fromkeys(named) if name not in (INDEX, SOURCE, *self.tags))


Selections = Mapping[str, ObjectSelection]


def check_selections(selections: Selections) -> None:
    """Refuse invalid names and circular definitions.

    Raises
    ------
    ConfigError
        A name cannot be that of a field, ``away_from`` names objects that are not defined, or definitions are circular.
    """
    for name, selection in selections.items():
        check_field(name, what="a table of objects")
        for other in selection.away_from:
            if other not in selections:
                raise ConfigError(
                    f"[objects.{name}]: away_from names {other!r}, which is not defined", f"add [objects.{other}]"
                )
    _ordered(selections)


def select_objects(
    events: ak.Array, selections: Selections, *, fields: Mapping[str, Iterable[str]], period: str = ""
) -> ak.Array:
    """The events with all selected objects, each under its name.

    Parameters
    ----------
    events
        NanoAOD events.
    selections
        The selections by name.
    fields
        Further fields that merged objects must have, by name of the selection.
    period
        The data-taking period of the events, for the working points of tags.

    Raises
    ------
    ConfigError
        A name is also that of a collection of the file, or a tag has no working point for the period.
    DatasetError
        A branch is missing, or a collection holds one record per event.
    """
    for name in _ordered(selections):
        if name in events.fields:
            raise ConfigError(f"[objects.{name}]: the file has a collection of that name", "rename the table")
        selection = selections[name]
        objects = _source(events, selection, (*selection.fields, *fields.get(name, ())))
        for tag, point in selection.tags.items():
            objects = ak.with_field(objects, objects[point.branch] > point.threshold(period), tag)
        events = ak.with_field(events, objects, name)
        mask = passing(events, name, selection.where)
        for other, radius in selection.away_from.items():
            mask = mask & ~_within(objects, events[other], radius)
        chosen = objects[mask]
        order = ak.argsort(chosen[selection.order_by], axis=1, ascending=False, stable=True)
        events = ak.with_field(events, chosen[order], name)
    return events


def collections_of(name: str, selections: Selections) -> tuple[str, ...]:
    """The NanoAOD collections from which objects are selected; the name of a collection stands for itself."""
    if name not in selections:
        return (name,)
    return tuple(
        dict.fromkeys(each for inner in selections[name].collections for each in collections_of(inner, selections))
    )


def bind(inputs: InputSpec, binding: Mapping[str, str], selections: Selections, *, plugin: str) -> dict[str, str]:
    """The selected objects that replace collections of a plugin's inputs, by collection.

    Parameters
    ----------
    inputs
        The plugin's input specification.
    binding
        Names of selected objects by role of the plugin. A column of another plugin, such as ``chi2_assigner.top``, is
        passed on.
    selections
        All defined selections.
    plugin
        Name of the plugin, for errors.

    Raises
    ------
    ConfigError
        The plugin has no such role, or the objects are not defined or are merged from several collections, in which
        case the plugin's indices would be ambiguous.
    """
    roles = {spec.role: spec.collection for spec in inputs.objects}
    for role, name in binding.items():
        if role not in roles:
            raise ConfigError(f"plugin {plugin!r} has no role {role!r}", f"its roles are {', '.join(roles)}")
        if "." in name:
            continue
        if name not in selections:
            raise ConfigError(
                f"plugin {plugin!r} reads objects {name!r}, which are not defined", f"add [objects.{name}]"
            )
        if len(collections_of(name, selections)) > 1:
            raise ConfigError(
                f"plugin {plugin!r} reads {name!r} as its {role}, which are merged from several collections",
                "bind objects of one collection to each role",
            )
    return {roles[role]: name for role, name in binding.items()}


def definitions(selections: Selections) -> tuple[str, ...]:
    """The columns that the selections themselves read, such as ``jets.pt``."""
    return tuple(f"{name}.{each}" for name, selection in selections.items() for each in selection.fields)


def stored_columns(paths: Iterable[str], selections: Selections) -> tuple[str, ...]:
    """The NanoAOD columns needed for columns of events or selected objects: ``Jet.pt`` for ``jets[0].pt``."""
    parsed = map(ColumnPath.parse, paths)
    return tuple(dict.fromkeys(each for path in parsed for each in _stored(path.names, selections)))


def fields_asked_for(paths: Iterable[str], selections: Selections) -> dict[str, tuple[str, ...]]:
    """The fields of each selection that these columns need, directly or through selections from it."""
    asked: dict[str, dict[str, None]] = {name: {} for name in selections}
    parsed = [ColumnPath.parse(path).names for path in paths]
    named = [(names[0], names[1]) for names in parsed if len(names) > 1]
    named += [(name, each) for name, selection in selections.items() for each in selection.fields]
    for name in reversed(_ordered(selections)):
        asked[name] |= dict.fromkeys(each for owner, each in named if owner == name)
        for inner in selections[name].collections:
            named += [(inner, each) for each in asked[name]]
    return {name: tuple(each) for name, each in asked.items()}


def _ordered(selections: Selections) -> list[str]:
    """Names of the selections, each after those that its definition uses."""
    needs = {
        name: {other for other in (*selection.collections, *selection.away_from) if other in selections}
        for name, selection in selections.items()
    }
    try:
        return list(TopologicalSorter(needs).static_order())
    except CycleError as error:
        circle = " needs ".join(reversed(error.args[1]))
        raise ConfigError(
            f"objects are defined in a circle: {circle}", "define one of them without the other"
        ) from None


def _source(events: ak.Array, selection: ObjectSelection, fields: Iterable[str]) -> ak.Array:
    parts = [_indexed(events, name) for name in selection.collections]
    if len(parts) == 1:
        return parts[0]
    charge = ("charge",) if all("charge" in part.fields for part in parts) else ()
    shared = dict.fromkeys((*fields, *charge, INDEX))
    records = [
        ak.zip({each: column(part, each) for each in shared} | {SOURCE: ak.full_like(part[INDEX], position)})
        for position, part in enumerate(parts)
    ]
    kind = "PtEtaPhiMCandidate" if charge else "PtEtaPhiMLorentzVector"
    return ak.with_name(ak.concatenate(records, axis=1), kind, behavior=nanoaod.behavior)


def _indexed(events: ak.Array, name: str) -> ak.Array:
    objects = column(events, name)
    if INDEX in objects.fields:
        return objects
    pt = column(events, f"{name}.pt")
    if pt.ndim < 2:
        raise DatasetError(f"{name} holds one record per event", "select from a collection of objects, such as Jet")
    return ak.with_field(objects, ak.local_index(pt, axis=1), INDEX)


def _within(objects: ak.Array, others: ak.Array, radius: float) -> ak.Array:
    """Whether each object is within ΔR < radius of any of the others."""
    coordinates = [
        ak.zip({name: each[name] for name in MOMENTUM}, with_name="PtEtaPhiMLorentzVector", behavior=nanoaod.behavior)
        for each in (objects, others)
    ]
    one, other = ak.unzip(ak.cartesian(coordinates, axis=1, nested=True))
    return ak.any(one.deltaR(other) < radius, axis=-1)


def _stored(names: tuple[str, ...], selections: Selections) -> Iterator[str]:
    if names[0] not in selections:
        yield ".".join(names)
        return
    selection, name = selections[names[0]], names[1] if len(names) > 1 else ""
    name = selection.tags[name].branch if name in selection.tags else name
    name = "pt" if name in (INDEX, SOURCE) else name
    for inner in selection.collections:
        yield from _stored((inner, name) if name else (inner,), selections)
