"""The tasks of a worker: inspect a file, or process the chunks of a bundle. Failures are reported, not raised."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import lru_cache, partial
from typing import Any, Final, NamedTuple, TypeVar

import cloudpickle
import numpy as np
from coffea.processor.accumulator import iadd
from numpy.typing import NDArray

from hepreco.errors import OutputError, UnreadableError
from hepreco.events import Columns
from hepreco.events.bookkeeping import Generated, read_generated, read_sections
from hepreco.events.columns import EVENT_ID
from hepreco.events.datasets import Kind
from hepreco.events.luminosity import LumiSections
from hepreco.events.reading import ChunkReader, attempt, first_readable, read_events
from hepreco.events.sources import Source, open_source
from hepreco.processing import identity
from hepreco.processing.processor import Output, ReconstructionProcessor
from hepreco.processing.report import Chunk, Failure, RunReport
from hepreco.processing.skims import SkimWriter
from hepreco.processing.stored_results import StoredResults

Value = TypeVar("Value")

#: Seconds between checkpoints of a bundle.
SAVE_EVERY: Final = 60.0
#: Seconds before a file that could not be read is tried again.
PAUSE: Final = 0.5


@dataclass(frozen=True)
class FileOfEvents:
    """One file of a dataset, and its properties, which are known after it is opened.

    Parameters
    ----------
    dataset, path, tree
        Name of the dataset, path of the file, and name of the tree.
    columns
        The columns that the run reads.
    kind
        Whether its dataset is ``data``, a ``skim`` of simulation, or other simulation.
    replicas
        All addresses of the file; the one that was opened comes first.
    identity
        Size and modification time, or similar properties of a remote file; empty for a file with replicas and a UUID.
    entries, uuid
        Number of entries of the tree, and unique identifier of the file.
    missing
        The required columns that it lacks.
    names
        Names of its branches if required columns are missing, for the error.
    generated
        The generated events that the file represents, for a skim.
    sections
        The luminosity sections that the file lists, for data.
    failure
        Why the file cannot be used.
    """

    dataset: str
    path: str
    tree: str
    columns: Columns
    kind: Kind = "simulation"
    replicas: tuple[str, ...] = ()
    identity: str = ""
    entries: int = 0
    uuid: str = ""
    missing: tuple[str, ...] = ()
    names: tuple[str, ...] = field(default=(), repr=False)
    generated: Generated | None = None
    sections: LumiSections = field(default_factory=LumiSections, repr=False)
    failure: Failure | None = None


class Task(NamedTuple):
    """One chunk to process; ``key`` is a hash of all that determines the result.

    ``elsewhere`` has a bit for each event that another dataset has, if the dataset is to lack such events.
    """

    chunk: Chunk
    key: str
    file: FileOfEvents
    elsewhere: bytes | None = None


Bundle = tuple[Task, ...]


@dataclass(frozen=True)
class Preparation:
    """Opens a file, counts its events, and checks its structure.

    It returns a list, so that results of several files can be added.
    """

    retries: int
    timeout: float

    def __call__(self, file: FileOfEvents) -> list[FileOfEvents]:
        """The file with its properties, or with its failure."""
        try:
            return [tried(partial(self._look, file), retries=self.retries)]
        except KeyboardInterrupt:
            raise
        except BaseException as error:
            failure = Failure.from_exception(Chunk(file.dataset, file.path, 0, 0), error)
            return [replace(file, failure=failure)]

    def _look(self, file: FileOfEvents) -> FileOfEvents:
        def look(address: str) -> FileOfEvents:
            return attempt(partial(_found, file, address), path=address, timeout=self.timeout)

        return first_readable(file.replicas, look)


@dataclass(frozen=True)
class Processing:
    """Processes the chunks of a bundle one after the other, and adds their outputs.

    Parameters
    ----------
    pickled
        The pickled processor.
    retries
        How often a file that cannot be read is tried again.
    timeout
        Seconds that opening a file, or reading a chunk, may take.
    stored
        Where results are stored, if anywhere.
    conditions
        The conditions that events of each dataset must meet; see :func:`hepreco.events.filters.conditions`.
    skims
        Writes the selected events, if any.
    """

    pickled: bytes = field(repr=False)
    retries: int
    timeout: float
    stored: StoredResults | None
    conditions: Mapping[str, Mapping[str, Any]] = field(repr=False)
    skims: SkimWriter | None = None

    def __call__(self, bundle: Bundle) -> Output:
        """Histograms and report of the bundle."""
        total: Output = {"histograms": {}, "report": RunReport()}
        failed: set[Failure] = set()
        done: list[str] = []
        saved = time.monotonic()
        for task in bundle:
            try:
                total = iadd(total, tried(partial(self._process, task), retries=self.retries))
            except KeyboardInterrupt:
                raise
            except BaseException as error:
                failed.add(Failure.from_exception(task.chunk, error))
            else:
                done.append(task.key)
            if self.stored and done and (task is bundle[-1] or time.monotonic() - saved > SAVE_EVERY):
                try:
                    self.stored.save([task.key for task in bundle], done, total)
                except OutputError as error:  # a result that is not stored counts as not done
                    return _failed(bundle, error)
                saved = time.monotonic()
        total["report"].failures |= failed
        return total

    def _process(self, task: Task) -> Output:
        return first_readable(task.file.replicas, partial(self._process_at, task))

    def _process_at(self, task: Task, address: str) -> Output:
        reconstruction = _unpickled(self.pickled)
        chunk, file = task.chunk, task.file
        with opened(file, address, file.columns, timeout=self.timeout) as source:
            if source.uuid != file.uuid or source.entries < chunk.stop:
                raise UnreadableError(f"{address} has changed since the run was prepared", "run it again")
            reader = ChunkReader(source, path=chunk.file, start=chunk.start, stop=chunk.stop, timeout=self.timeout)
            metadata = {
                "dataset": chunk.dataset, "filename": chunk.file, "treename": file.tree, "fileuuid": file.uuid,
                "entrystart": chunk.start, "entrystop": chunk.stop, **self.conditions[chunk.dataset],
                "numbered": not set(EVENT_ID) <= set(source.names), "elsewhere": task.elsewhere,
            }  # fmt: skip
            events = read_events(reader, file.columns, metadata=metadata)
            try:
                output, selected = reconstruction.process_chunk(events)
            finally:
                if reader.failure is not None:  # even if a function caught it
                    raise reader.failure
            if self.skims:
                output["report"].skims |= {self._skim(self.skims, reader, selected, task, output["report"])}
        output["report"].warnings |= {f"dataset {chunk.dataset!r}: {note}" for note in reader.notes}
        return output

    def _skim(
        self, write: SkimWriter, reader: ChunkReader, selected: NDArray[np.bool_], task: Task, report: RunReport
    ) -> str:
        """Write the skim of a chunk; the sums and sections of a whole file go into the skim of its first chunk."""
        chunk, file = task.chunk, task.file
        sections = report.lumi_sections.get(chunk.dataset, LumiSections())
        generated: Generated | None = Generated(report.sum_of_weights[chunk.dataset], chunk.events)
        if file.kind == "data":
            generated, sections = None, sections | file.sections if chunk.start == 0 else sections
        elif file.kind == "skim":
            generated = file.generated if chunk.start == 0 else Generated(0.0, 0)
        return write(reader, selected, chunk, generated=generated, sections=sections)


def opened(file: FileOfEvents, address: str, columns: Columns, *, timeout: float) -> Source:
    """One of a file's addresses, opened within a time limit to read these columns."""
    return attempt(lambda: open_source(address, file.tree, wanted=columns.wanted), path=address, timeout=timeout)


def _found(file: FileOfEvents, address: str) -> FileOfEvents:
    """The file with its properties, read from one of its addresses."""
    known = identity.of_file(address)
    with open_source(address, file.tree, wanted=file.columns.wanted) as source:
        missing = tuple(file.columns.missing(source.names))
        return replace(
            file,
            replicas=(address, *(each for each in file.replicas if each != address)),
            identity=known if len(file.replicas) == 1 or not source.uuid else "",
            entries=source.entries,
            uuid=source.uuid,
            missing=missing,
            names=source.names if missing else (),
            generated=read_generated(address) if file.kind == "skim" else None,
            sections=read_sections(address) if file.kind == "data" else LumiSections(),
        )


def _failed(bundle: Bundle, error: BaseException) -> Output:
    failures = {Failure.from_exception(task.chunk, error) for task in bundle}
    return {"histograms": {}, "report": RunReport(failures=failures)}


def tried(function: Callable[[], Value], *, retries: int) -> Value:
    """Call a function, and again if reading fails, since a server may recover; other errors would recur."""
    for _ in range(retries):
        try:
            return function()
        except UnreadableError:
            time.sleep(PAUSE)
    return function()


@lru_cache(maxsize=2)
def _unpickled(pickled: bytes) -> ReconstructionProcessor:
    reconstruction: ReconstructionProcessor = cloudpickle.loads(pickled)
    return reconstruction
