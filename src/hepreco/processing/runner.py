"""Running a processor over datasets, with an account of every chunk."""

import io
import json
import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import BrokenExecutor
from contextlib import contextmanager, nullcontext, redirect_stderr
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final, Literal, TypeVar

import cloudpickle
from coffea.processor.accumulator import iadd
from coffea.processor.executor import ExecutorBase
from coffea.util import coffea_console

from hepreco.errors import ConfigError, DatasetError, OutputError
from hepreco.events import Dataset
from hepreco.events.bookkeeping import Generated
from hepreco.events.columns import WEIGHT, is_bit, missing_column
from hepreco.events.filters import conditions
from hepreco.events.luminosity import LumiSections
from hepreco.events.objects import closest
from hepreco.events.reading import TIMEOUT
from hepreco.processing import identity
from hepreco.processing.checkpoints import Checkpoints
from hepreco.processing.conclusions import conclude, copies
from hepreco.processing.executors import DaskExecutor, FuturesExecutor, IterativeExecutor, Workers, interrupts_held
from hepreco.processing.processor import Output, ReconstructionProcessor
from hepreco.processing.report import Chunk, Failure, RunReport
from hepreco.processing.skims import SkimWriter
from hepreco.processing.tasks import Bundle, FileOfEvents, Preparation, Processing, Task

ExecutorName = Literal["iterative", "futures", "dask"]
Item = TypeVar("Item")
DEATH: Final = "its worker process died (out of memory, or a crash in compiled code)"
#: More chunks than that are handed out in bundles, so that driver and scheduler have as many results at most to handle.
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
        Number of processes, of ``futures`` and of the embedded Dask cluster.
    scheduler
        Address of a running Dask scheduler; by default a ``LocalCluster`` is started, and closed again.
    status
        Whether to show progress bars.
    file_retries
        How often to try again a file that cannot be read.
    """
    if scheduler is not None and name != "dask":
        raise ConfigError(f"a scheduler address needs the executor 'dask', not {name!r}", "add --executor dask")
    coffea_console.quiet = not status  # its bars ignore the executor's own flag where output is not a terminal
    if name == "iterative":
        yield IterativeExecutor(status=status, file_retries=file_retries)
    elif name == "futures":
        with Workers() as pool:
            yield FuturesExecutor(workers=workers, status=status, file_retries=file_retries, pool=pool)
    else:
        import dask  # noqa: PLC0415
        from distributed import Client, LocalCluster  # noqa: PLC0415  slow to import, and seldom needed

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
                cluster.adapt(minimum=workers, maximum=workers)  # replaces workers that die, also while they start
                yield DaskExecutor(client=client, status=status, file_retries=file_retries)


@dataclass(frozen=True)
class Plan:
    """What a run will do: nothing of it has started yet.

    Parameters
    ----------
    tasks
        The chunks to process.
    failures
        Files that cannot be used, where that is tolerated.
    datasets, files
        Of which the chunks are.
    conditions
        What decides which events of each dataset count.
    skims
        Writes the selected events, if anything does.
    warnings
        What some files lack and is made up for, and files that are copies of others.
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
        """The files of ``columns`` and ``skims`` that it may write, relative to their directories."""
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
    """Process every chunk of every dataset, or say which ones were not and why.

    Parameters
    ----------
    reconstruction
        What to do with a chunk.
    datasets
        Which files.
    executor
        From :func:`make_executor`.
    chunksize
        About how many events a chunk has; the histograms do not depend on it.
    skip_bad_files
        Count files that cannot be opened and go on, instead of stopping before any work is done.
    checkpoints
        Directory in which finished chunks are kept; those found there are not processed again.
    timeout
        Seconds that opening a file, or reading a chunk of it, may take.

    Returns
    -------
    dict
        ``{"histograms": …, "report": RunReport}``; look at ``report.complete``.

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

    ``memory`` is a JSON file that remembers what was found of each file, for as long as the file stays the same;
    ``skims`` writes the selected events. The other parameters and errors are those of :func:`run`.
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
    golden = {name: each["certified"] for name, each in of_events.items()}
    files = [replace(file, names=(), sections=file.sections.certified(golden[file.dataset])) for file in files]
    fingerprint = identity.digest([reconstruction.fingerprint, skims is not None])
    tasks = tuple(
        _task(chunk, file, fingerprint=fingerprint, conditions=of_events[file.dataset])
        for file in files
        if not file.failure
        for chunk in _chunks(file, chunksize)
    )
    warnings = (*_missing_bits(files), *copies(files))
    return Plan(reconstruction, tasks, tuple(bad), tuple(datasets), tuple(files), of_events, skims, warnings)


def process(plan: Plan, *, executor: ExecutorBase, checkpoints: Path | None = None, timeout: float = TIMEOUT) -> Output:
    """Process what is planned; parameters and result are those of :func:`run`."""
    writer = plan.reconstruction.columns
    directories = [each.directory if each else None for each in (writer, plan.skims)]
    stored = Checkpoints(checkpoints, *directories) if checkpoints else None
    pickled = cloudpickle.dumps(plan.reconstruction)
    work = Processing(pickled, executor.file_retries, timeout, stored, plan.conditions, plan.skims)
    output: Output = {"histograms": {}, "report": RunReport(failures=set(plan.failures))}
    waiting = {task.key: task for task in plan.tasks}

    def recall() -> None:
        """Count in what is stored, of an earlier run or of workers that died since."""
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
        columns = reconstruction.reads | dataset.columns
        files += [
            FileOfEvents(dataset.name, replicas[0], dataset.tree, columns, dataset.kind, replicas)
            for replicas in dataset.replicas()
        ]
    return files


def _found(
    files: list[FileOfEvents], *, executor: ExecutorBase, timeout: float, memory: Path | None
) -> list[FileOfEvents]:
    """The files with what is in them: opened, or remembered where they are the same as before."""
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
    """Items and results of an executor, in as many calls as the deaths of workers ask for.

    Where one dies, the halves of what it was given are tried on their own, until the culprit stands alone; it is tried
    once more before it is lost.
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
    """Two halves, also of a single bundle of several chunks; what cannot be divided is given back whole."""
    if len(items) == 1 and isinstance(items[0], tuple):
        middle = len(items[0]) // 2
        return [[items[0][:middle]], [items[0][middle:]]] if middle else [items]
    middle = len(items) // 2
    return [items[:middle], items[middle:]] if middle else [items] if items else []


def _bundled(tasks: list[Task]) -> list[Bundle]:
    size = math.ceil(len(tasks) / BUNDLES) or 1
    return [tuple(tasks[start : start + size]) for start in range(0, len(tasks), size)]


def _chunks(file: FileOfEvents, chunksize: int) -> Iterator[Chunk]:
    """Chunks of about equal size; one without events for a file without."""
    number = max(round(file.entries / chunksize), 1)
    size = max(math.ceil(file.entries / number), 1)
    for start in range(0, max(file.entries, 1), size):
        yield Chunk(file.dataset, file.path, start, min(start + size, file.entries))


def _task(chunk: Chunk, file: FileOfEvents, *, fingerprint: str, conditions: dict[str, Any]) -> Task:
    """The task of a chunk, with a hash of all that determines its result."""
    content = [file.identity, file.uuid, file.tree, file.columns.required, file.kind, file.generated]
    return Task(chunk, identity.digest([fingerprint, *content, conditions, *chunk]), file)


def _refuse_unknown_columns(files: Sequence[FileOfEvents], datasets: Iterable[Dataset]) -> None:
    """Raise where a column that the run needs is in no file: it is misspelt, or of another version of NanoAOD."""
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
    """What to say of trigger bits that some files lack, with the names of the first few."""
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
            continue  # new, gone, or kept by another version: it is opened
    return found


def _kept(memory: Path) -> dict[str, Any]:
    try:
        kept = json.loads(memory.read_text("utf-8"))
    except (OSError, ValueError):
        return {}
    return kept if isinstance(kept, dict) else {}


def _remember(files: Iterable[FileOfEvents], memory: Path | None) -> None:
    """Keep what was found of sound files of which a change would show, beside what is kept already."""
    if memory is None:
        return
    before = _kept(memory)
    known = before | {
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
