"""The work of a worker: inspect a file, or process the chunks of a bundle. Both report failures instead of raising."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import lru_cache, partial
from typing import Final, NamedTuple, TypeVar

import cloudpickle
from coffea.processor.accumulator import iadd

from hepreco.errors import OutputError, UnreadableError
from hepreco.events import Columns
from hepreco.events.columns import WEIGHT
from hepreco.events.reading import ChunkReader, attempt, read_events
from hepreco.events.sources import open_source
from hepreco.processing import identity
from hepreco.processing.processor import Output, ReconstructionProcessor
from hepreco.processing.report import Chunk, Failure, RunReport
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
    identity
        Size and modification time, or similar properties of a remote file.
    entries, uuid
        Number of entries of the tree, and unique identifier of the file.
    missing
        The required columns that it lacks.
    names
        Names of its branches if required columns are missing, for the error.
    failure
        Why the file cannot be used.
    """

    dataset: str
    path: str
    tree: str
    columns: Columns
    identity: str = ""
    entries: int = 0
    uuid: str = ""
    missing: tuple[str, ...] = ()
    names: tuple[str, ...] = field(default=(), repr=False)
    failure: Failure | None = None


class Task(NamedTuple):
    """One chunk to process.

    ``key`` is a hash of all that determines the result, ``normalised`` tells whether the dataset has a cross-section,
    and ``period`` is its data-taking period.
    """

    chunk: Chunk
    tree: str
    uuid: str
    key: str
    normalised: bool
    period: str = ""


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
            return [_tried(partial(self._look, file), retries=self.retries)]
        except KeyboardInterrupt:
            raise
        except BaseException as error:
            failure = Failure.from_exception(Chunk(file.dataset, file.path, 0, 0), error)
            return [replace(file, failure=failure)]

    def _look(self, file: FileOfEvents) -> FileOfEvents:
        def look() -> FileOfEvents:
            known = identity.of_file(file.path)
            with open_source(file.path, file.tree, wanted=file.columns.wanted) as source:
                missing = tuple(file.columns.missing(source.names))
                return replace(
                    file,
                    identity=known,
                    entries=source.entries,
                    uuid=source.uuid,
                    missing=missing,
                    names=source.names if missing else (),
                )

        return attempt(look, path=file.path, timeout=self.timeout)


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
    """

    pickled: bytes = field(repr=False)
    retries: int
    timeout: float
    stored: StoredResults | None

    def __call__(self, bundle: Bundle) -> Output:
        """Histograms and report of the bundle."""
        total: Output = {"histograms": {}, "report": RunReport()}
        failed: set[Failure] = set()
        done: list[str] = []
        saved = time.monotonic()
        for task in bundle:
            try:
                total = iadd(total, _tried(partial(self._process, task), retries=self.retries))
            except KeyboardInterrupt:
                raise
            except BaseException as error:
                failed.add(Failure.from_exception(task.chunk, error))
            else:
                done.append(task.key)
            if self.stored and done and (task is bundle[-1] or time.monotonic() - saved > SAVE_EVERY):
                try:
                    self.stored.save([task.key for task in bundle], done, total)
                except OutputError as error:  # what is not stored counts as not done, so that nobody counts on it
                    return _failed(bundle, error)
                saved = time.monotonic()
        total["report"].failures |= failed
        return total

    def _process(self, task: Task) -> Output:
        reconstruction = _unpickled(self.pickled)
        chunk = task.chunk
        columns = reconstruction.reads(chunk.dataset) | Columns((WEIGHT,) if task.normalised else ())
        opened = attempt(
            lambda: open_source(chunk.file, task.tree, wanted=columns.wanted), path=chunk.file, timeout=self.timeout
        )
        with opened as source:
            if source.uuid != task.uuid or source.entries < chunk.stop:
                raise UnreadableError(f"{chunk.file} has changed since the run was prepared", "run it again")
            reader = ChunkReader(source, path=chunk.file, start=chunk.start, stop=chunk.stop, timeout=self.timeout)
            metadata = {
                "dataset": chunk.dataset, "filename": chunk.file, "treename": task.tree, "fileuuid": task.uuid,
                "entrystart": chunk.start, "entrystop": chunk.stop, "period": task.period,
            }  # fmt: skip
            events = read_events(reader, columns, metadata=metadata)
            try:
                output = reconstruction.process(events)
            finally:
                if reader.failure is not None:  # even if a function caught it
                    raise reader.failure
        output["report"].warnings |= {f"dataset {chunk.dataset!r}: {note}" for note in reader.notes}
        return output


def _failed(bundle: Bundle, error: BaseException) -> Output:
    failures = {Failure.from_exception(task.chunk, error) for task in bundle}
    return {"histograms": {}, "report": RunReport(failures=failures)}


def _tried(function: Callable[[], Value], *, retries: int) -> Value:
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
