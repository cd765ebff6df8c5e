"""Filters that come before the cuts: certified luminosity, triggers, and events that another dataset has."""

from collections.abc import Iterable
from typing import Any, Final

import awkward as ak
import numpy as np
from numpy.typing import NDArray

from hepreco.errors import ConfigError
from hepreco.events.arrays import column
from hepreco.events.columns import EVENT_ID
from hepreco.events.datasets import Dataset
from hepreco.events.event_ids import EventIds
from hepreco.events.luminosity import LumiSections, is_certified, read_certified, read_table

CERTIFIED: Final = "certified"
TRIGGERS: Final = "triggers"
OVERLAP: Final = "overlap"
#: Rows of the cut flow before the cuts, if a dataset of the run needs them.
FILTERS: Final = (CERTIFIED, TRIGGERS, OVERLAP)

Masks = dict[str, NDArray[np.bool_]]


def conditions(datasets: Iterable[Dataset]) -> dict[str, dict[str, Any]]:
    """The conditions that events of each dataset must meet, as plain values for the metadata of the events.

    All datasets of a run are given together, because their cut flows have the same rows.

    Raises
    ------
    DatasetError
        A golden JSON, or a table of luminosities, cannot be read.
    """
    datasets = tuple(datasets)
    for path in {each.luminosity_table for each in datasets} - {""}:
        read_table(path)  # refuses it before events are read
    golden = {each.name: read_certified(each.certified) if each.certified else "" for each in datasets}
    triggered = any(each.triggers or each.veto_triggers for each in datasets)
    overlap = any(each.veto_datasets for each in datasets)
    used = {CERTIFIED: any(golden.values()), TRIGGERS: triggered, OVERLAP: overlap}
    rows = [name for name in FILTERS if used[name]]
    return {
        each.name: {
            "period": each.period,
            "data": each.data,
            "certified": golden[each.name],
            "triggers": list(each.triggers),
            "veto_triggers": list(each.veto_triggers),
            "veto_datasets": list(each.veto_datasets),
            "filters": rows,
        }
        for each in datasets
    }


def filters(events: ak.Array) -> Masks:
    """For each filter of the run, the events that pass it and the filters before it, according to their metadata."""
    made = {CERTIFIED: _certified, TRIGGERS: _triggered, OVERLAP: _not_elsewhere}
    passed, masks = np.ones(len(events), dtype=bool), {}
    for name in events.metadata.get("filters", ()):
        passed = passed & made[name](events)
        masks[name] = passed
    return masks


def account(events: ak.Array, masks: Masks, *, selected: NDArray[np.bool_]) -> dict[str, Any]:
    """Entries of the report of a chunk: removed events and, for data, luminosity sections and selected events.

    Parameters
    ----------
    events
        All events of the chunk.
    masks
        From :func:`filters`.
    selected
        Which events pass the selection.
    """
    meta, before, removed = events.metadata, len(events), {}
    for name, mask in masks.items():
        removed[name] = before - int(mask.sum())
        before -= removed[name]
    found: dict[str, Any] = {"removed": {meta["dataset"]: removed}} if masks else {}
    if not meta.get("data") or not set(EVENT_ID) <= set(events.fields) or meta.get("numbered"):
        return found
    run, section, event = (ak.to_numpy(events[name]) for name in EVENT_ID)
    kept = masks.get(CERTIFIED, np.ones(len(events), dtype=bool))
    found["lumi_sections"] = {meta["dataset"]: LumiSections(run[kept], section[kept])}
    found["event_ids"] = {meta["dataset"]: EventIds(run[selected], section[selected], event[selected])}
    return found


def _certified(events: ak.Array) -> NDArray[np.bool_]:
    golden = events.metadata["certified"]
    if not golden:
        return np.ones(len(events), dtype=bool)
    return is_certified(golden, ak.to_numpy(column(events, "run")), ak.to_numpy(column(events, "luminosityBlock")))


def _triggered(events: ak.Array) -> NDArray[np.bool_]:
    wanted, vetoed = events.metadata["triggers"], events.metadata["veto_triggers"]
    passed = _any(events, wanted) if wanted else np.ones(len(events), dtype=bool)
    return passed & ~_any(events, vetoed)


def _not_elsewhere(events: ak.Array) -> NDArray[np.bool_]:
    """Whether no other dataset has the event, as the preparation of the run found."""
    others, found = events.metadata["veto_datasets"], events.metadata.get("elsewhere")
    if not others:
        return np.ones(len(events), dtype=bool)
    if found is None:
        raise ConfigError(
            f"dataset {events.metadata['dataset']!r} is to have no events of {', '.join(others)}",
            "run it with 'hepreco run' or hepreco.run, which compare event numbers before they process events",
        )
    return ~np.unpackbits(np.frombuffer(found, np.uint8), count=len(events)).astype(bool)


def _any(events: ak.Array, paths: Iterable[str]) -> NDArray[np.bool_]:
    """Whether at least one of these bits is true; a bit that a file lacks is false."""
    found = np.zeros(len(events), dtype=bool)
    for path in paths:
        collection, _, name = path.partition(".")
        if collection in events.fields and name in events[collection].fields:
            found |= ak.to_numpy(column(events, path)).astype(bool)
    return found
