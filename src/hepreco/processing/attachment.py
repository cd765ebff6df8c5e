"""Attaches the columns of plugins to events, for hepreco's processor and for your own."""

import multiprocessing
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import lru_cache
from typing import Any, Final

import awkward as ak
import numpy as np
import torch
from numpy.typing import NDArray

from hepreco.errors import ConfigError, PluginError, blamed
from hepreco.events import ObjectSelection
from hepreco.events.arrays import finite
from hepreco.events.bridge import Converter
from hepreco.events.objects import MOMENTUM, momentum_columns
from hepreco.events.selections import (
    Selections,
    collections_of,
    select_objects,
    stored_columns,
)
from hepreco.plugin import Reason, Reconstructor, discover
from hepreco.plugin.answers import attachable, partly_missing
from hepreco.plugin.columns import REASON
from hepreco.processing.order import Bound, in_order

_REMEDY: Final = "run 'hepreco plugins check', tell its author"
#: Numbers of events by a plugin's field name, and then by reason or by column.
Counts = dict[str, dict[str, int]]


def attach(
    events: ak.Array,
    plugins: Mapping[str, Reconstructor | str],
    *,
    objects: Mapping[str, ObjectSelection] | None = None,
    bindings: Mapping[str, Mapping[str, str]] | None = None,
    device: str = "cpu",
) -> ak.Array:
    """The events with the columns of plugins.

    This works in any coffea processor, notebook or script, on events that are read eagerly or lazily. Plugins are set
    up once in each process.

    Parameters
    ----------
    events
        NanoAOD events of coffea, all or some of them.
    plugins
        By the field name of its columns (``events.<name>``), a reconstructor, or the name of an installed plugin, which
        runs with its default options.
    objects
        Selected objects by name. They are attached as well.
    bindings
        Selected objects that a plugin reads instead of its own selection: by the plugin's field name, the name of the
        objects for each of its roles, such as ``{"chi2_assigner": {"jets": "jets"}}``.
    device
        The device on which plugins compute.

    Returns
    -------
    ak.Array
        The same events, with a record for each plugin: its columns, and ``reason``, which says why an event has no
        answer (:class:`~hepreco.plugin.Reason`). Events with a non-finite momentum that a plugin reads have no answer.

    Raises
    ------
    ConfigError
        A name is also that of a branch, a value is not a plugin, or the objects of a binding are not defined.
    DatasetError
        A branch that a plugin reads is missing.
    PluginError
        A plugin is not installed, cannot be set up, or fails on these events.

    Example
    -------
    >>> import hepreco
    >>> from coffea.nanoevents import NanoEventsFactory
    >>> events = NanoEventsFactory.from_root({"nano.root": "Events"}).events()  # doctest: +SKIP
    >>> events = hepreco.attach(events, {"chi2_assigner": "chi2-assigner"})  # doctest: +SKIP
    >>> events.chi2_assigner.top.mass  # doctest: +SKIP
    """
    if not isinstance(events, ak.Array):
        raise ConfigError(
            f"plugins are to be attached to a {type(events).__module__}.{type(events).__name__}",
            'give the events that coffea reads with mode="eager" or "virtual", as its Runner does',
        )
    objects = dict(objects or {})
    reconstructors, bound = in_order(
        {name: _reconstructor(name, plugin) for name, plugin in plugins.items()}, objects, bindings or {}
    )
    with one_thread_of_a_worker():
        set_up(reconstructors, device)
        selected = select_objects(events, objects, fields={}, period=_said_of(events).get("period", ""))
        usable = finite(events, momenta_of(reconstructors, objects))
        return with_columns(
            selected,
            reconstructors,
            weight=np.ones(len(events)),
            bound=bound,
            objects=objects,
            device=device,
            usable=usable,
        )[0]


def momenta_of(reconstructors: Mapping[str, Reconstructor], objects: Selections) -> tuple[str, ...]:
    """The branches of all momenta that plugins and selected objects read, without columns of other plugins."""
    read = [path for plugin in reconstructors.values() for path in momentum_columns(plugin.inputs)]
    read = [path for path in read if path.partition(".")[0] not in reconstructors]
    selected = [f"{name}.{coordinate}" for name in objects for coordinate in MOMENTUM]
    return stored_columns((*read, *selected), objects)


def set_up(reconstructors: Mapping[str, Reconstructor], device: str) -> None:
    """Load every plugin's weights, once per process.

    Raises
    ------
    PluginError
        A plugin raises anything but a :class:`~hepreco.errors.HepRecoError`, which is passed on.
    """
    for name, reconstructor in reconstructors.items():
        with blamed(f"plugin {name!r} cannot be set up:", kind=PluginError, remedy=_REMEDY):
            _set_up(reconstructor, device)


def with_columns(
    events: ak.Array,
    reconstructors: Mapping[str, Reconstructor],
    *,
    weight: NDArray[np.floating[Any]],
    bound: Bound,
    objects: Selections,
    device: str,
    usable: NDArray[np.bool_] | None = None,
) -> tuple[ak.Array, Counts, Counts]:
    """The events with every plugin's columns.

    Parameters
    ----------
    events
        Events with the selected objects.
    reconstructors
        Plugins by field name.
    weight
        One weight per event.
    bound, objects
        The selected objects, and the collections of each plugin's inputs that they replace.
    device
        The device on which plugins compute.
    usable
        Which events plugins get; the others have no answer. ``None`` means all events.

    Returns
    -------
    events, without_answer, partly_missing
        The events, and for each plugin the numbers of events without an answer, by reason, and with a partly missing
        answer, by column.
    """
    missing, lacking = {}, {}
    place = _place(events)
    convert = Converter(events, weight)  # columns are attached to its events, since other plugins may read them
    for name, plugin in reconstructors.items():
        if name in events.fields:
            file = _said_of(events).get("filename", "the events")
            raise ConfigError(f"{name!r} names a plugin's columns and a branch of {file}", "rename the plugin's table")
        batch, enough = convert(plugin.inputs, bound=bound[name])
        if usable is not None and not usable.all():
            batch, enough = batch[torch.from_numpy(usable[enough])], enough & usable
        moved = batch.to(device)
        with blamed(f"plugin {name!r} raised", kind=PluginError, remedy=_REMEDY, where=place), torch.no_grad():
            columns = plugin.reconstruct(moved)
        stored = {key: collections_of(value, objects)[0] for key, value in bound[name].items() if "." not in value}
        record = attachable(
            columns,
            columns=plugin.outputs,
            batch=batch,
            enough=enough,
            events=convert.events,
            plugin=name,
            stored=stored,
        )
        if usable is not None and not usable.all():
            reasons = np.where(usable, ak.to_numpy(record[REASON]), np.uint8(Reason.NO_ANSWER))
            record = ak.with_field(record, reasons, REASON)
        convert.attach(name, record)
        lacking[name] = partly_missing(columns, columns=plugin.outputs, batch=batch)
        counts = np.bincount(ak.to_numpy(record[REASON]), minlength=len(Reason)).tolist()
        missing[name] = {reason.name.lower(): counts[reason] for reason in Reason if reason}
    return convert.events, missing, lacking


@contextmanager
def one_thread_of_a_worker() -> Iterator[None]:
    """Use one thread of torch in worker processes, so that they do not compete for cores; restored afterwards."""
    before = torch.get_num_threads()
    if multiprocessing.parent_process() is not None:
        torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


@lru_cache(maxsize=256)
def _set_up(reconstructor: Reconstructor, device: str) -> None:
    """Set up a plugin, once per process."""
    if torch.device(device).type == "cuda" and not torch.cuda.is_available():
        raise ConfigError(
            f"device {device!r} was asked for, and there is none", "use --device cpu, or a machine with a GPU"
        )
    reconstructor.setup(device)


def _reconstructor(name: str, plugin: Reconstructor | str) -> Reconstructor:
    if isinstance(plugin, str):
        return _installed(plugin)
    if not isinstance(plugin, Reconstructor):
        raise ConfigError(
            f"the plugin {name!r} is {plugin!r}", "give a reconstructor, such as MyPlugin(), or a plugin's name"
        )
    return plugin


@lru_cache(maxsize=64)
def _installed(name: str) -> Reconstructor:
    """An installed plugin with its default options, built once per process."""
    return discover()[name].build({})


def _said_of(events: ak.Array) -> Mapping[str, Any]:
    """The metadata of a chunk from coffea; empty for events that were not read by coffea."""
    metadata = getattr(events, "metadata", None)
    return metadata if isinstance(metadata, Mapping) else {}


def _place(events: ak.Array) -> str:
    """The file and entries of a chunk, for errors."""
    said = _said_of(events)
    where = f" on {said['filename']}" if "filename" in said else ""
    return f"{where} [{said['entrystart']}, {said['entrystop']})" if where and "entrystart" in said else where
