"""Running a processor over datasets, with an account of every chunk."""

import io
from collections.abc import Iterator, Sequence
from concurrent.futures import BrokenExecutor
from contextlib import contextmanager, nullcontext, redirect_stderr
from pathlib import Path
from typing import Literal, cast

from coffea import processor
from coffea.processor.accumulator import accumulate
from coffea.processor.executor import ExecutorBase, WorkItem
from coffea.util import coffea_console

from hepreco.errors import ConfigError, DatasetError
from hepreco.events import Dataset, NanoAODSchema, to_fileset
from hepreco.processing.checkpoints import Checkpoints
from hepreco.processing.executors import FAILURE, DaskExecutor, FuturesExecutor, IterativeExecutor
from hepreco.processing.processor import Output, ReconstructionProcessor
from hepreco.processing.report import Chunk, Failure, RunReport

ExecutorName = Literal["iterative", "futures", "dask"]
DEATH = "its worker process died (out of memory, or a crash in compiled code)"


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
        yield FuturesExecutor(workers=workers, status=status, file_retries=file_retries)
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
            with (
                dask.config.set({"distributed.deploy.lost-worker-timeout": "2s"}),
                LocalCluster(n_workers=workers, threads_per_worker=1, dashboard_address=":0") as cluster,
                Client(cluster) as client,
            ):
                cluster.adapt(minimum=workers, maximum=workers)  # replaces workers that died while they started
                yield DaskExecutor(client=client, status=status, file_retries=file_retries)


def run(
    reconstruction: ReconstructionProcessor,
    datasets: Sequence[Dataset],
    *,
    executor: ExecutorBase,
    chunksize: int = 100_000,
    skip_bad_files: bool = False,
    checkpoints: Path | None = None,
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

    Returns
    -------
    dict
        ``{"histograms": …, "report": RunReport}``; look at ``report.complete``.

    Raises
    ------
    DatasetError
        A file cannot be opened and bad files are not skipped, or there is no chunk to process.
    WeightsError
        A plugin's weights cannot be loaded.
    """
    reconstruction.setup()
    runner = processor.Runner(
        executor=executor,
        schema=NanoAODSchema,
        chunksize=chunksize,
        metadata_cache={},
        checkpointer=Checkpoints(checkpoints, f"{reconstruction.fingerprint}-{chunksize}") if checkpoints else None,
    )
    planned = list(runner.preprocess(to_fileset(datasets)))
    bad = [cast(Failure, item.usermeta[FAILURE]) for item in planned if FAILURE in item.usermeta]
    if bad and not skip_bad_files:
        listed = "\n".join(f"  - {failure.reason}" for failure in bad)
        raise DatasetError(f"{len(bad)} of the files cannot be opened:\n{listed}", "mend them, or use --skip-bad-files")
    chunks = [item for item in planned if FAILURE not in item.usermeta]
    results = [{"histograms": {}, "report": RunReport(failures=frozenset(bad))}]
    if chunks:
        results += _process(runner, chunks, reconstruction)
    output: Output = accumulate(results)
    report: RunReport = output["report"]
    unaccounted = (
        {_as_chunk(item) for item in planned} - report.processed - {failure.chunk for failure in report.failures}
    )
    report.failures |= {Failure(chunk, "lost", "no result came back", "resume the run") for chunk in unaccounted}
    return reconstruction.postprocess(output)


def _process(runner: processor.Runner, chunks: list[WorkItem], reconstruction: ReconstructionProcessor) -> list[Output]:
    """Results of the chunks. Where a worker dies, halves are run on their own until the culprit stands alone."""
    try:
        with redirect_stderr(io.StringIO()) if isinstance(runner.executor, FuturesExecutor) else nullcontext():
            return [runner.run(chunks, reconstruction.process)["out"]]
    except (BrokenExecutor, RuntimeError) as error:
        if not isinstance(error, BrokenExecutor) and "KilledWorker" not in str(error):
            raise
        if len(chunks) == 1:
            failure = Failure(_as_chunk(chunks[0]), "lost", DEATH, "use smaller chunks (--chunksize), then --resume")
            return [{"histograms": {}, "report": RunReport(failures=frozenset([failure]))}]
        middle = len(chunks) // 2
        return _process(runner, chunks[:middle], reconstruction) + _process(runner, chunks[middle:], reconstruction)


def _as_chunk(item: WorkItem) -> Chunk:
    return Chunk(item.dataset, item.filename, item.entrystart, item.entrystop)
