"""Events of data that another dataset of the run has too, found by run, luminosity section and event number."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Final

import awkward as ak
import numpy as np
from numpy.typing import NDArray

from hepreco.errors import ConfigError, DatasetError
from hepreco.events import Columns, Dataset
from hepreco.events.columns import EVENT_ID
from hepreco.events.event_ids import identifiers
from hepreco.events.filters import OVERLAP, filters
from hepreco.events.reading import ChunkReader, first_readable, read_events
from hepreco.plugin.options import closest
from hepreco.processing.report import Chunk
from hepreco.processing.tasks import FileOfEvents, opened, tried

_NONE: Final = np.empty(0, np.uint64)


@dataclass(frozen=True)
class Numbers:
    """The events of a file.

    Parameters
    ----------
    file
        The file.
    ids
        A hash of run, luminosity section and event number of each event.
    counts
        Whether each event passes the golden JSON and the triggers of its dataset.
    failure
        Why the file cannot be read, if it cannot.
    """

    file: FileOfEvents
    ids: NDArray[np.uint64] = field(default_factory=lambda: _NONE, repr=False)
    counts: NDArray[np.bool_] = field(default_factory=lambda: _NONE.astype(np.bool_), repr=False)
    failure: str = ""


@dataclass(frozen=True)
class ReadNumbers:
    """Reads the numbers of the events of a file; the parameters are those of tasks."""

    retries: int
    timeout: float
    conditions: Mapping[str, Mapping[str, Any]] = field(repr=False)

    def __call__(self, file: FileOfEvents) -> list[Numbers]:
        """The events of the file, or the reason why it cannot be read; a list, so that results can be added."""
        read = partial(first_readable, file.replicas, partial(self._read, file))
        try:
            return [tried(read, retries=self.retries)]
        except (DatasetError, OSError) as error:
            return [Numbers(file, failure=str(error))]

    def _read(self, file: FileOfEvents, address: str) -> Numbers:
        conditions = self.conditions[file.dataset]
        columns = Columns((*EVENT_ID, *conditions["triggers"], *conditions["veto_triggers"]), weighted=False)
        with opened(file, address, columns, timeout=self.timeout) as source:
            reader = ChunkReader(source, path=file.path, start=0, stop=source.entries, timeout=self.timeout)
            rows = [name for name in conditions["filters"] if name != OVERLAP]
            events = read_events(reader, columns, metadata={**conditions, "dataset": file.dataset, "filters": rows})
            counts = [np.ones(len(events), np.bool_), *filters(events).values()][-1]
            return Numbers(file, identifiers(*(ak.to_numpy(events[name]) for name in EVENT_ID)), counts)


def involved(files: Sequence[FileOfEvents], datasets: Sequence[Dataset]) -> list[FileOfEvents]:
    """The sound files of datasets that are to lack events of others, and of these others.

    Raises
    ------
    ConfigError
        Such another dataset is unknown or is not data, or two datasets are each to lack the events of the other.
    """
    known = {dataset.name: dataset for dataset in datasets}
    for dataset in datasets:
        for name in dataset.veto_datasets:
            if name not in known:
                raise ConfigError(f"dataset {dataset.name!r} vetoes the dataset {name!r}", closest(name, known))
            if not known[name].data:
                raise ConfigError(
                    f"dataset {dataset.name!r} vetoes {name!r}, which is not data", "name a dataset of data"
                )
            if dataset.name in _all_vetoed(name, known):
                raise ConfigError(
                    f"datasets {dataset.name!r} and {name!r} veto each other: both would lack their common events",
                    "take one of them out of veto_datasets",
                )
    names = {name for each in datasets if each.veto_datasets for name in (each.name, *each.veto_datasets)}
    return [file for file in files if file.dataset in names and not file.failure]


def find_elsewhere(numbers: Sequence[Numbers], datasets: Sequence[Dataset]) -> dict[tuple[str, str], NDArray[np.bool_]]:
    """For each file of a dataset that is to lack events of others, by dataset and path: which events these have.

    Raises
    ------
    DatasetError
        A file cannot be read: without it, events would be counted twice.
    """
    for each in numbers:
        if each.failure:
            raise DatasetError(
                f"events of dataset {each.file.dataset!r} cannot be compared: {each.failure}",
                "veto_datasets needs run, luminosityBlock and event of all files: repair the file, or veto triggers",
            )
    others = {
        dataset.name: np.concatenate(
            [_NONE, *(each.ids[each.counts] for each in numbers if each.file.dataset in dataset.veto_datasets)]
        )
        for dataset in datasets
        if dataset.veto_datasets
    }
    return {
        (each.file.dataset, each.file.path): np.isin(each.ids, others[each.file.dataset])
        for each in numbers
        if each.file.dataset in others
    }


def bits(elsewhere: NDArray[np.bool_] | None, chunk: Chunk) -> bytes | None:
    """One bit for each event of a chunk."""
    return None if elsewhere is None else np.packbits(elsewhere[chunk.start : chunk.stop]).tobytes()


def _all_vetoed(name: str, known: Mapping[str, Dataset]) -> set[str]:
    """The datasets that a dataset vetoes, itself or through these."""
    found, waiting = set[str](), [name]
    while waiting:
        for other in known[waiting.pop()].veto_datasets:
            if other in known and other not in found:
                found.add(other)
                waiting.append(other)
    return found
