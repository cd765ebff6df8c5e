"""Skims: NanoAOD files with the selected events and the columns that a run reads."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import awkward as ak
import numpy as np
import uproot
from numpy.typing import NDArray

from hepreco.events.bookkeeping import LUMINOSITY_BLOCKS, RUNS, Generated
from hepreco.events.columns import EVENT_ID, beside
from hepreco.events.luminosity import LumiSections
from hepreco.events.reading import ChunkReader
from hepreco.processing.columns_out import file_name, write_file
from hepreco.processing.report import Chunk


@dataclass(frozen=True)
class SkimWriter:
    """Writes one file per chunk, also for chunks without selected events, on the worker that processed it.

    ``Events`` has the columns that the run has read, and momenta and charges of their collections, for events that pass
    the selection in some variation. ``Runs`` has ``genEventSumw`` and ``genEventCount`` of all events of the chunk, so
    that a dataset of these files with ``skim = true`` is normalised like the original files. For data
    ``LuminosityBlocks`` lists the certified luminosity sections. All workers must see the directory.
    """

    directory: Path

    def name(self, chunk: Chunk) -> str:
        """The file of a chunk, relative to the directory."""
        return file_name(chunk, "root")

    def __call__(
        self,
        reader: ChunkReader,
        selected: NDArray[np.bool_],
        chunk: Chunk,
        *,
        generated: Generated | None,
        sections: LumiSections,
    ) -> str:
        """Write a chunk; returns the file's name relative to the directory. Writing it again replaces it.

        Parameters
        ----------
        reader
            Of the chunk, after its events were processed.
        selected
            Which of its events are written.
        generated
            The generated events that the chunk represents; ``None`` for data.
        sections
            The luminosity sections of data.
        """
        trees: dict[str, Mapping[str, Any]] = {"Events": _collections(reader, selected)}
        runs = np.unique(ak.to_numpy(reader("run")))
        if generated is not None:
            # One row, because sums are those of the chunk.
            trees[RUNS] = {
                "run": runs[:1] if len(runs) else np.zeros(1, runs.dtype),
                "genEventCount": np.array([generated.events], np.int64),
                "genEventSumw": np.array([generated.sum_of_weights]),
            }
        else:
            trees[RUNS] = {"run": runs}
            trees[LUMINOSITY_BLOCKS] = {"run": sections.runs, "luminosityBlock": sections.numbers}
        write_file(self.directory / self.name(chunk), partial(_write, trees))
        return self.name(chunk)


def _collections(reader: ChunkReader, selected: NDArray[np.bool_]) -> dict[str, Any]:
    """The columns that were read, with those of lists gathered by collection."""
    names = dict.fromkeys((*EVENT_ID, *reader.read_so_far, *beside(reader.read_so_far, reader.source.names)))
    columns = {name: reader(name)[selected] for name in names}
    lists = [name for name, values in columns.items() if values.ndim > 1]
    counters = {f"n{name.partition('_')[0]}" for name in lists}
    table = {name: values for name, values in columns.items() if name not in (*lists, *counters)}
    records: dict[str, dict[str, ak.Array]] = {}
    for name in lists:
        collection, _, field = name.partition("_")
        if field:
            records.setdefault(collection, {})[field] = columns[name]
        else:
            table[name] = columns[name]
    return table | {name: ak.zip(fields) for name, fields in records.items()}


def _write(trees: Mapping[str, Mapping[str, Any]], path: Path) -> None:
    with uproot.recreate(path) as file:
        for tree, columns in trees.items():
            types = {name: _type(values) for name, values in columns.items()}
            file.mktree(tree, types, title=tree, counter_name=_counter).extend(columns)


def _type(values: Any) -> Any:
    return values.type.content if isinstance(values, ak.Array) else values.dtype


def _counter(counted: str) -> str:
    return f"n{counted}"
