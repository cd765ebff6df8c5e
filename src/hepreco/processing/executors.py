"""coffea's executors for functions that report their own failures, so that coffea does not retry."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from multiprocessing import resource_tracker
from types import TracebackType
from typing import Any

import loky
from coffea import processor


class Workers:
    """Processes that serve all calls of an executor; after a failed call, the next call starts new processes.

    They ignore interrupts, which their parent handles. An executor calls this object like the class of a pool.
    """

    def __init__(self) -> None:
        self._pool: loky.ProcessPoolExecutor | None = None

    def __enter__(self) -> "Workers":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        pool, self._pool = self._pool, None
        if pool:
            pool.shutdown(wait=True, kill_workers=kind is not None)

    @contextmanager
    def __call__(self, max_workers: int) -> Iterator[Any]:
        """The pool of one call."""
        if self._pool is None:
            self._pool = loky.ProcessPoolExecutor(max_workers=max_workers, initializer=_ignore_interrupts)
        try:
            yield self._pool
        except BaseException as error:
            self.__exit__(type(error), error, error.__traceback__)
            raise


def _ignore_interrupts() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)


@contextmanager
def interrupts_held() -> Iterator[None]:
    """Threads started in this context, and the processes that they start later, receive no interrupts.

    An interrupt during the context reaches the main thread afterwards. The parent has to end its workers.
    """
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    resource_tracker.ensure_running()  # if started later, it would unblock interrupts
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


@dataclass
class IterativeExecutor(processor.IterativeExecutor):  # type: ignore[misc]
    """Runs in this process; a file that cannot be read is tried again ``file_retries`` times."""

    retries: int = 0
    file_retries: int = 2


@dataclass
class FuturesExecutor(processor.FuturesExecutor):  # type: ignore[misc]
    """Runs in several processes of this machine."""

    retries: int = 0
    file_retries: int = 2
    pool: Any = field(default_factory=Workers)
    merging: Any = (5, 4, 100)


@dataclass
class DaskExecutor(processor.DaskExecutor):  # type: ignore[misc]
    """Runs on a dask.distributed cluster."""

    retries: int = 0
    file_retries: int = 2
