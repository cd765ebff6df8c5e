"""Opening NanoAOD: the schema, and whole samples as one batch for training."""

import warnings
from collections.abc import Callable
from typing import Any

import awkward as ak
import numpy as np
import uproot
from coffea import nanoevents

from hepreco.errors import DatasetError
from hepreco.events.batch import EventBatch
from hepreco.events.bridge import to_batch
from hepreco.events.datasets import Dataset
from hepreco.events.objects import InputSpec, finite, momentum_columns


class NanoAODSchema(nanoevents.NanoAODSchema):  # type: ignore[misc]
    """coffea's NanoAOD schema, silent about cross-references to collections that a slimmed file has dropped.

    A subclass travels to the workers; an attribute that the client sets on coffea's class does not.
    """

    warn_missing_crossrefs = False

    def __init__(self, *arguments: Any, **options: Any) -> None:
        with warnings.catch_warnings():
            # Old NanoAOD stores Photon_mass and Photon_charge, which coffea sets to zero: nothing to act on.
            warnings.filterwarnings("ignore", message="Branch .* already exists", category=RuntimeWarning)
            super().__init__(*arguments, **options)


def read_batch(
    dataset: Dataset,
    inputs: InputSpec,
    *,
    chunksize: int = 50_000,
    progress: Callable[[int], None] = lambda _: None,
) -> EventBatch:
    """All events of a dataset that have the required objects, through the same code path as an analysis.

    ``progress`` is told how many events each chunk held. Events with non-finite momenta are left out.

    Raises
    ------
    DatasetError
        A file cannot be read, or no event has the required objects.
    """
    batches = []
    for path in dataset.paths():
        for start, stop in _chunks(path, dataset.tree, chunksize):
            events = _open(path, dataset.tree, start, stop)
            events = events[finite(events, momentum_columns(inputs))]
            weight = np.asarray(events.genWeight if "genWeight" in events.fields else np.ones(len(events)), np.float64)
            batches.append(to_batch(events, inputs, weight=weight)[0])
            progress(stop - start)
    if not any(len(batch) for batch in batches):
        raise DatasetError(
            f"dataset {dataset.name!r}: no event has the objects that {inputs} asks for", "use a sample that has them"
        )
    return EventBatch.concatenate(batches)


def _chunks(path: str, tree: str, chunksize: int) -> list[tuple[int, int]]:
    try:
        with uproot.open({path: tree}) as opened:
            entries = opened.num_entries
    except (OSError, ValueError, KeyError) as error:
        raise DatasetError(f"{path}: cannot read tree {tree!r}: {error}", "check that it is a NanoAOD file") from error
    return [(start, min(start + chunksize, entries)) for start in range(0, entries, chunksize)]


def _open(path: str, tree: str, start: int, stop: int) -> ak.Array:
    return nanoevents.NanoEventsFactory.from_root(
        {path: tree},
        schemaclass=NanoAODSchema,
        mode="virtual",
        entry_start=start,
        entry_stop=stop,
        metadata={"dataset": path, "filename": path},
    ).events()
