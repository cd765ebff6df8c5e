"""The output directory of a run: used by one run at a time, which removes nothing that no run has made."""

import json
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from filelock import FileLock, Timeout

from hepreco.errors import OutputError
from hepreco.processing.checkpoints import Checkpoints

#: Lists the files that runs have made, relative to the directory: written before the files are.
RECORD: Final = ".hepreco.json"
LOCK: Final = ".hepreco.lock"


@dataclass(frozen=True)
class OutputDirectory:
    """Where a run writes; made by :func:`claim`."""

    path: Path

    @property
    def checkpoints(self) -> Path:
        """Of finished chunks."""
        return self.path / "checkpoints"

    @property
    def columns(self) -> Path:
        """Of columns per event."""
        return self.path / "columns"

    @property
    def memory(self) -> Path:
        """What was found in the input files."""
        return self.path / "prepared.json"

    def begin(self, columns: Iterable[str], *, resume: bool) -> None:
        """Remove what earlier runs made, and record the columns that this one may write."""
        planned = {f"columns/{name}" for name in columns}
        recorded = self._recorded()
        with writing(self.path):
            self._remove(recorded - planned if resume else recorded)
            if not resume:
                Checkpoints(self.checkpoints).clear()
            self._record(planned)

    def making(self, *names: str) -> None:
        """Record files before they are made."""
        with writing(self.path):
            self._record(self._recorded() | set(names))

    def finish(self, columns: Iterable[str]) -> None:
        """Remove columns of chunks that are not in the result, of an interrupted run with other chunks."""
        written = {f"columns/{name}" for name in columns}
        strays = {name for name in self._recorded() if name.startswith("columns/")} - written
        with writing(self.path):
            self._remove(strays)
            self._record(self._recorded() - strays)

    def _recorded(self) -> set[str]:
        try:
            return set(json.loads((self.path / RECORD).read_text("utf-8"))["files"])
        except (OSError, ValueError, KeyError, TypeError):
            return set()

    def _record(self, names: Iterable[str]) -> None:
        (self.path / RECORD).write_text(json.dumps({"files": sorted(names)}), "utf-8")

    def _remove(self, names: Iterable[str]) -> None:
        """Files of these names, and directories that are empty then; names that lead elsewhere are left alone."""
        for name in names:
            path = self.path / name
            if not path.resolve().is_relative_to(self.path) or not path.is_file():
                continue
            path.unlink()
            for parent in path.parents:
                if parent == self.path or any(parent.iterdir()):
                    break
                parent.rmdir()


@contextmanager
def claim(path: Path) -> Iterator[OutputDirectory]:
    """Make the directory, and keep other runs out of it.

    Raises
    ------
    OutputError
        It cannot be written, or another run is using it.
    """
    path = path.resolve()
    lock = FileLock(path / LOCK, blocking=False)
    with writing(path):
        path.mkdir(parents=True, exist_ok=True)
        try:
            lock.acquire()
        except Timeout:
            raise OutputError(
                f"another run is writing to {path}", "wait for it, or choose another directory for --output"
            ) from None
    with lock:
        yield OutputDirectory(path)


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """An ``OSError`` in here is one of writing to the path."""
    try:
        yield
    except OSError as error:
        raise OutputError(
            f"cannot write to {path}: {error.strerror or error}", "choose another directory for --output, or make room"
        ) from error
