"""Runs a processor over datasets, and reports on every chunk."""

import io
import json
import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import BrokenExecutor
from contextlib import contextmanager, nullcontext, redirect_stderr
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final, Literal, TypeVar

import cloudpickle
import numpy as np
from coffea.processor.accumulator import iadd
from coffea.processor.executor import ExecutorBase
from coffea.util import coffea_console
from numpy.typing import NDArray

from hepreco.errors import ConfigError, DatasetError, OutputError, blamed
from hepreco.events import Dataset
from hepreco.events.bookkeeping import Generated
from hepreco.events.columns import WEIGHT, is_bit, missing_column
from hepreco.events.filters import conditions
from hepreco.events.luminosity import LumiSections
from hepreco.events.objects import closest
from hepreco.events.reading import TIMEOUT
from hepreco.processing import identity
from hepreco.processing.conclusions import conclude, copies
from hepreco.processing.executors import DaskExecutor, FuturesExecutor, IterativeExecutor, Workers, interrupts_held
from hepreco.processing.overlap import Numbers, ReadNumbers, bits, find_elsewhere, involved
from hepreco.processing.processor import Output, ReconstructionProcessor
from hepreco.processing.report import Chunk, Failure, RunReport
from hepreco.processing.skims import SkimWriter
from hepreco.processing.stored_results import StoredResults
from hepreco.processing.tasks import Bundle, FileOfEvents, Preparation, Processing, Task

ExecutorName = Literal["iterative", "futures", "dask"]
Item = TypeVar("Item")
DEATH: Final = "its worker process died (out of memory, or a crash in compiled code)"
#: Largest number of bundles: more chunks are grouped, which limits the results that driver and scheduler handle.
BUNDLES: Final = 2000


@contextmanager
def make_executor(
    name: ExecutorName, *, workers: int = 1, scheduler: str | None = None, status: bool = False, file_retries: int = 2
) -> Iterator[ExecutorBase]:
    """One of coffea's executors, with the Dask client that it may need.

    Parameters
    ----------
    name
        ``iterative`` (this process), ``futures`` (processes of this machine) or ``dask``.
    workers
        Number of processes of ``futures``, or of the local Dask cluster.
    scheduler
        Address of a running Dask scheduler; by default a ``LocalCluster`` is started, and closed at the end.
    status
        Whether to show progress bars.
    file_retries
        How often to try a file again that cannot be read.
    """
    if scheduler is not None and name != "dask":
        raise ConfigError(f"a scheduler address needs the executor 'dask', not {name!r}", "add --executor dask")
    coffea_console.quiet = not status  # coffea ignores the executor's flag if output is not a terminal
    if name == "iterative":
        yield IterativeExecutor(status=status, file_retries=file_retries)
    elif name == "futures":
        with Workers() as pool:
            yield FuturesExecutor(workers=workers, status=status, file_retries=file_retries, pool=pool)
    else:
        import dask  # noqa: PLC0415
        from distributed import Client, LocalCluster  # noqa: PLC0415  slow to import, rarely needed

        if scheduler is not None:
            try:
                client = Client(scheduler, timeout="20s")
            except (OSError, ValueError, TimeoutError) as error:
                raise ConfigError(f"no Dask scheduler answers at {scheduler}: {error}", "check the address") from None
            with client:
                yield DaskExecutor(client=client, status=status, file_retries=file_retries)
        else:
            with interrupts_held():  # the cluster's thread starts the workers
                cluster = LocalCluster(n_workers=0, threads_per_worker=1, dashboard_address=":0")
            with (
                dask.config.set({"distributed.deploy.lost-worker-timeout": "2s"}),
                cluster,
                Client(cluster) as client,
            ):
                cluster.adapt(minimum=workers, maximum=workers)  # replaces workers that die, even while starting
                yield DaskExecutor(client=client, status=status, file_retries=file_retries)


@dataclass(frozen=True)
class Plan:
    """The plan of a run that has not started yet.

    Parameters
    ----------
    tasks
        The chunks to process.
    failures
        Files that cannot be used and are skipped.
    datasets, files
        All datasets and their files.
    conditions
        The conditions that events of each dataset must meet; see :func:`hepreco.events.filters.conditions`.
    skims
        Writes the selected events, if any.
    warnings
        Warnings about missing branches that are substituted, and about files that are copies of others.
    """

    reconstruction: ReconstructionProcessor
    tasks: tuple[Task, ...]
    failures: tuple[Failure, ...]
    datasets: tuple[Dataset, ...]
    files: tuple[FileOfEvents, ...]
    conditions: dict[str, dict[str, Any]]
    skims: SkimWriter | None = None
    warnings: tuple[str, ...] = ()

    @property
    def writes(self) -> dict[str, list[str]]:
        """The files of ``columns`` and ``skims`` that the run may write, relative to their directories."""
        writers = {"columns": self.reconstruction.columns, "skims": self.skims}
        return {
            kind: [writer.name(task.chunk) for task in self.tasks] if writer else [] for kind, writer in writers.items()
        }


def run(
    reconstruction: ReconstructionProcessor,
    datasets: Sequence[Dataset],
    *,
    executor: ExecutorBase,
    chunksize: int = 100_000,
    skip_bad_files: bool = False,
    checkpoints: Path | None = None,
    timeout: float = TIMEOUT,
) -> Output:
    """Process all chunks of all datasets; the report names every chunk that failed, and why.

    Parameters
    ----------
    reconstruction
        The processor.
    datasets
        The datasets to process.
    executor
        An executor from :func:`make_executor`.
    chunksize
        Approximate number of events of a chunk; the histograms do not depend on it.
    skip_bad_files
        Report files that cannot be opened and continue, instead of stopping before any chunk is processed.
    checkpoints
        Directory for the results of finished chunks; chunks found there are not processed again.
    timeout
        Time limit in seconds for opening a file or reading a chunk of it.

    Returns
    -------
    dict
        ``{"histograms": …, "report": RunReport}``; check ``report.complete``.

    Raises
    ------
    DatasetError
        A file cannot be opened and bad files are not skipped, a column is in no file, or there is no chunk to process.
    WeightsError
        A plugin's weights cannot be loaded.
    """
    plan = prepare(
        reconstruction,
        datasets,
        executor=executor,
        chunksize=chunksize,
        skip_bad_files=skip_bad_files,
        timeout=timeout,
    )
    return process(plan, executor=executor, checkpoints=checkpoints, timeout=timeout)


def prepare(
    reconstruction: ReconstructionProcessor,
    datasets: Sequence[Dataset],
    *,
    executor: ExecutorBase,
    chunksize: int = 100_000,
    skip_bad_files: bool = False,
    timeout: float = TIMEOUT,
    memory: Path | None = None,
    skims: SkimWriter | None = None,
) -> Plan:
    """Load weights, open every file, and divide the events into chunks.

    ``memory`` is a JSON file that stores the properties of each file until the file changes. ``skims`` writes the
    selected events. The other parameters and errors are those of :func:`run`.
    """
    reconstruction.setup()
    for dataset in datasets:
        reconstruction.check_dataset(dataset)
    of_events = conditions(datasets)
    files = _found(_files(reconstruction, datasets), executor=executor, timeout=timeout, memory=memory)
    _refuse_unknown_columns(files, datasets)
    bad = [file.failure for file in files if file.failure]
    refused = [failure for failure in bad if failure.kind == "error" or not skip_bad_files]
    if refused:
        listed = "\n".join(f"  - {failure.reason}" for failure in refused[:20])
        remedies = sorted({failure.remedy for failure in refused})
        raise DatasetError(f"{len(refused)} of the files cannot be opened:\n{listed}", "; ".join(remedies[:3]))
    elsewhere = _overlap(files, datasets, executor=executor, timeout=timeout, conditions=of_events)
    golden = {name: each["certified"] for name, each in of_events.items()}
    files = [replace(file, names=(), sections=file.sections.certified(golden[file.dataset])) for file in files]
    fingerprint = identity.digest([reconstruction.fingerprint, skims is not None])
    tasks = tuple(
        _task(
            chunk,
            file,
            fingerprint=fingerprint,
            conditions=of_events[file.dataset],
            elsewhere=bits(elsewhere.get((file.dataset, file.path)), chunk),
        )
        for file in files
        if not file.failure
        for chunk in _chunks(file, chunksize)
    )
    warnings = (*_missing_bits(files), *copies(files))
    return Plan(reconstruction, tasks, tuple(bad), tuple(datasets), tuple(files), of_events, skims, warnings)


def process(plan: Plan, *, executor: ExecutorBase, checkpoints: Path | None = None, timeout: float = TIMEOUT) -> Output:
    """Process the chunks of a plan; parameters and result are those of :func:`run`."""
    writer = plan.reconstruction.columns
    directories = [each.directory if each else None for each in (writer, plan.skims)]
    stored = StoredResults(checkpoints, *directories) if checkpoints else None
    remedy = "leave out what cannot be pickled, or install the modules on the workers"
    with blamed("sending plugins and functions to workers raised", kind=ConfigError, remedy=remedy):
        pickled = cloudpickle.dumps(plan.reconstruction)
    work = Processing(pickled, executor.file_retries, timeout, stored, plan.conditions, plan.skims)
    output: Output = {"histograms": {}, "report": RunReport(failures=set(plan.failures))}
    waiting = {task.key: task for task in plan.tasks}

    def recall() -> None:
        """Add stored results, from an earlier run or from workers that died since."""
        for keys, result in stored.load(waiting) if stored else ():
            iadd(output, result)
            for key in keys:
                del waiting[key]

    def divide(bundles: list[Bundle]) -> list[list[Bundle]]:
        recall()
        left = [tuple(task for task in bundle if task.key in waiting) for bundle in bundles]
        return _halves([bundle for bundle in left if bundle])

    recall()
    for bundles, result in _surviving(
        lambda bundles: _executed(executor, bundles, work, desc="Processing", unit="chunks"),
        _bundled(list(waiting.values())),
        divide=divide,
        lost=lambda bundles: _lost(bundles[0][0].chunk),
    ):
        iadd(output, result)
        for task in (task for bundle in bundles for task in bundle):
            del waiting[task.key]
    report: RunReport = output["report"]
    failed = {failure.chunk for failure in report.failures}
    report.failures |= {
        Failure(task.chunk, "lost", "no result came back", "resume the run")
        for task in plan.tasks
        if task.chunk not in report.processed and task.chunk not in failed
    }
    report.cross_section = {dataset.name: dataset.cross_section for dataset in plan.datasets}
    report.warnings |= set(plan.warnings)
    conclude(report, plan.files, plan.datasets, configured=plan.reconstruction.luminosity_of)
    return plan.reconstruction.postprocess(output)


def _files(reconstruction: ReconstructionProcessor, datasets: Sequence[Dataset]) -> list[FileOfEvents]:
    files = []
    for dataset in datasets:
        columns = reconstruction.reads(dataset.name, is_data=dataset.data) | dataset.columns
        files += [
            FileOfEvents(dataset.name, replicas[0], dataset.tree, columns, dataset.kind, replicas)
            for replicas in dataset.replicas()
        ]
    return files


def _found(
    files: list[FileOfEvents], *, executor: ExecutorBase, timeout: float, memory: Path | None
) -> list[FileOfEvents]:
    """The files with their properties, which are remembered for unchanged files and read from the others."""
    remembered = _remembered(files, memory)
    unknown = [file for file in files if file not in remembered]
    look = Preparation(executor.file_retries, timeout)
    found = dict(remembered)
    if unknown:
        results = _surviving(
            lambda part: _executed(executor, part, look, desc="Preparing", unit="files"),
            unknown,
            divide=_halves,
            lost=lambda part: [_unprepared(part[0])],
        )
        looked = {(file.dataset, file.path, file.tree): file for _, result in results for file in result}
        found |= {file: looked[file.dataset, file.path, file.tree] for file in unknown}
    _remember(found.values(), memory)
    return [found[file] for file in files]


def _surviving(
    execute: Callable[[list[Item]], Any],
    items: list[Item],
    *,
    divide: Callable[[list[Item]], list[list[Item]]],
    lost: Callable[[list[Item]], Any],
) -> Iterator[tuple[list[Item], Any]]:
    """Items and results of an executor, even if workers die.

    When a worker dies, its items are divided into halves that are tried separately, until a single item is left; this
    is tried once more before it counts as lost.
    """
    groups = [items] if items else []
    alone: list[list[Item]] = []
    while groups:
        group = groups.pop()
        try:
            result = execute(group)
        except (BrokenExecutor, RuntimeError) as error:
            if not isinstance(error, BrokenExecutor) and "KilledWorker" not in str(error):
                raise
        else:
            yield group, result
            continue
        parts = divide(group)
        if parts != [group]:
            groups += parts
        elif group in alone:
            yield group, lost(group)
        else:
            alone.append(group)
            groups.append(group)


def _executed(executor: ExecutorBase, items: list[Any], function: Callable[[Any], Any], **texts: str) -> Any:
    with redirect_stderr(io.StringIO()) if isinstance(executor, FuturesExecutor) else nullcontext():
        return executor.copy(**texts)(items, function, None)[0]


def _halves(items: list[Any]) -> list[list[Any]]:
    """Divide items into two halves, or a single bundle into two; an indivisible list is returned whole.

    Example
    -------
    >>> _halves([1, 2, 3]), _halves([(4, 5)]), _halves([(6,)])
    ([[1], [2, 3]], [[(4,)], [(5,)]], [[(6,)]])
    """
    if len(items) == 1 and isinstance(items[0], tuple):
        middle = len(items[0]) // 2
        return [[items[0][:middle]], [items[0][middle:]]] if middle else [items]
    middle = len(items) // 2
    return [items[:middle], items[middle:]] if middle else [items] if items else []


def _bundled(tasks: list[Task]) -> list[Bundle]:
    size = math.ceil(len(tasks) / BUNDLES) or 1
    return [tuple(tasks[start : start + size]) for start in range(0, len(tasks), size)]


def _chunks(file: FileOfEvents, chunksize: int) -> Iterator[Chunk]:
    """Chunks of about equal size; a file without events has one empty chunk."""
    number = max(round(file.entries / chunksize), 1)
    size = max(math.ceil(file.entries / number), 1)
    for start in range(0, max(file.entries, 1), size):
        yield Chunk(file.dataset, file.path, start, min(start + size, file.entries))


def _overlap(
    files: Sequence[FileOfEvents],
    datasets: Sequence[Dataset],
    *,
    executor: ExecutorBase,
    timeout: float,
    conditions: Mapping[str, Mapping[str, Any]],
) -> dict[tuple[str, str], NDArray[np.bool_]]:
    """For each file of a dataset that is to lack events of others: which of its events the others have."""
    read = ReadNumbers(executor.file_retries, timeout, conditions)
    results = _surviving(
        lambda part: _executed(executor, part, read, desc="Comparing", unit="files"),
        involved(files, datasets),
        divide=_halves,
        lost=lambda part: [Numbers(part[0], failure=f"cannot read {part[0].path}: {DEATH}")],
    )
    return find_elsewhere([numbers for _, result in results for numbers in result], datasets)


def _task(
    chunk: Chunk, file: FileOfEvents, *, fingerprint: str, conditions: dict[str, Any], elsewhere: bytes | None
) -> Task:
    """The task of a chunk; its key is a hash of all that determines the result."""
    content = [file.identity, file.uuid, file.tree, file.columns.required, file.kind, file.generated]
    content += [] if elsewhere is None else [elsewhere.hex()]
    return Task(chunk, identity.digest([fingerprint, *content, conditions, *chunk]), file, elsewhere)


def _refuse_unknown_columns(files: Sequence[FileOfEvents], datasets: Iterable[Dataset]) -> None:
    """Raise if a required column is in no file: it is misspelt, or belongs to another version of NanoAOD."""
    usable = [file for file in files if not file.failure]
    for path in sorted({path for file in usable for path in file.missing} - {WEIGHT}):
        asked = [file for file in usable if path in file.columns.required]
        if all(path in file.missing for file in asked):
            error = missing_column(path, file=asked[0].path, names=asked[0].names)
            others = f", nor in any of {len(asked) - 1} other files" if len(asked) > 1 else ""
            raise DatasetError(f"{error.problem}{others}", error.remedy)
    for dataset in datasets:
        own = [file for file in usable if file.dataset == dataset.name]
        if dataset.triggers and own and all(set(dataset.triggers) <= set(file.missing) for file in own):
            branch = dataset.triggers[0].replace(".", "_")
            raise DatasetError(
                f"dataset {dataset.name!r}: none of its files has one of the triggers {', '.join(dataset.triggers)}",
                f"name the triggers of its data-taking period: {closest(branch, list(own[0].names))}",
            )


def _missing_bits(files: Sequence[FileOfEvents]) -> Iterator[str]:
    """Warnings about trigger bits that some files lack, with the names of the first few files."""
    for path in sorted({path for file in files for path in file.missing if is_bit(path)}):
        lacking = [file.path for file in files if path in file.missing]
        named = ", ".join(lacking[:3]) + (f" and {len(lacking) - 3} more" if len(lacking) > 3 else "")
        yield f"{path.replace('.', '_')} counts as false in {len(lacking)} of {len(files)} files that lack it: {named}"


def _lost(chunk: Chunk) -> Output:
    remedy = "use smaller chunks (--chunksize), then --resume"
    return {"histograms": {}, "report": RunReport(failures={Failure(chunk, "lost", DEATH, remedy)})}


def _unprepared(file: FileOfEvents) -> FileOfEvents:
    chunk = Chunk(file.dataset, file.path, 0, 0)
    return replace(file, failure=Failure(chunk, "unreadable", f"cannot open {file.path}: {DEATH}", "replace the file"))


def _remembered(files: list[FileOfEvents], memory: Path | None) -> dict[FileOfEvents, FileOfEvents]:
    found = {}
    known = _kept(memory) if memory else {}
    for file in files:
        try:
            kept = known[_name(file)]
            if kept["identity"] == identity.of_file(file.path):
                generated = Generated(*kept.pop("generated")) if file.kind == "skim" else None
                sections = LumiSections.from_json(kept.pop("sections"))
                found[file] = replace(file, **{**kept, "generated": generated}, sections=sections)
        except (OSError, TypeError, KeyError):
            continue  # a new or missing file, or an entry of another version: open it
    return found


def _kept(memory: Path) -> dict[str, Any]:
    try:
        kept = json.loads(memory.read_text("utf-8"))
    except (OSError, ValueError):
        return {}
    return kept if isinstance(kept, dict) else {}


def _remember(files: Iterable[FileOfEvents], memory: Path | None) -> None:
    """Store the properties of sound files with an identity, in place of those of the run before if all are sound."""
    if memory is None:
        return
    files = list(files)
    before = _kept(memory)
    known = before if any(file.failure for file in files) else {}
    known = known | {
        _name(file): {
            "identity": file.identity,
            "entries": file.entries,
            "uuid": file.uuid,
            "generated": file.generated,
            "sections": file.sections.as_json(),
        }
        for file in files
        if file.identity and not file.failure and not file.missing
    }
    if known != before:
        try:
            memory.write_text(json.dumps(known), "utf-8")
        except OSError as error:
            raise OutputError(
                f"cannot write {memory}: {error.strerror or error}",
                "make room, or choose another directory for --output",
            ) from None


def _name(file: FileOfEvents) -> str:
    columns = file.columns
    return identity.digest([file.path, file.tree, columns.required, columns.optional, columns.anything, file.kind])
