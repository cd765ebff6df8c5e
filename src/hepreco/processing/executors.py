"""coffea's executors, taught to report a failing item instead of losing all others."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from coffea import processor
from coffea.processor.accumulator import set_accumulator
from coffea.processor.executor import FileMeta, WorkItem

from hepreco.processing.report import Chunk, Failure, RunReport

#: Key in a file's metadata under which its failure to open travels.
FAILURE = "hepreco_failure"


@dataclass(frozen=True)
class Reporting:
    """A function of work items whose exceptions become reports.

    An ``OSError`` is tried again ``retries`` times, since a network may recover; anything else is deterministic.
    """

    function: Callable[..., Any]
    retries: int

    def __call__(self, item: Any) -> Any:
        """What the function returns, or a report that it failed."""
        work = item[0] if isinstance(item, tuple) else item
        for attempt in range(self.retries + 1):
            try:
                return self.function(item)
            except Exception as error:
                failure = Failure.from_exception(_chunk(work), error)
                if failure.kind != "unreadable" or attempt == self.retries:
                    break
        if isinstance(work, WorkItem):
            return {"out": {"histograms": {}, "report": RunReport(failures=frozenset([failure]))}, "processed": set()}
        metadata = {**(work.metadata or {}), "numentries": 0, "uuid": b"", FAILURE: failure}
        return set_accumulator([FileMeta(work.dataset, work.filename, work.treename, metadata)])


class _Reporting:
    """Mixed into coffea's executors."""

    def __call__(self, items: Iterable[Any], function: Callable[..., Any], accumulator: Any) -> Any:
        return super().__call__(items, Reporting(function, self.file_retries), accumulator)  # type: ignore[misc, attr-defined]


@dataclass
class IterativeExecutor(_Reporting, processor.IterativeExecutor):  # type: ignore[misc]
    """One process."""

    retries: int = 0
    file_retries: int = 0


@dataclass
class FuturesExecutor(_Reporting, processor.FuturesExecutor):  # type: ignore[misc]
    """Processes of this machine."""

    retries: int = 0
    file_retries: int = 0


@dataclass
class DaskExecutor(_Reporting, processor.DaskExecutor):  # type: ignore[misc]
    """A dask.distributed cluster."""

    retries: int = 0
    file_retries: int = 0


def _chunk(work: WorkItem | FileMeta) -> Chunk:
    if isinstance(work, WorkItem):
        return Chunk(work.dataset, work.filename, work.entrystart, work.entrystop)
    return Chunk(work.dataset, work.filename, 0, 0)
