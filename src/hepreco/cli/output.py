"""The output directory of a run: used by one run at a time, which removes only files made by runs."""

import json
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from filelock import FileLock, Timeout

from hepreco.errors import OutputError
from hepreco.processing.stored_results import StoredResults

#: Lists the files that runs make, relative to the directory; it is written before these files.
RECORD: Final = ".hepreco.json"
LOCK: Final = ".hepreco.lock"


@dataclass(frozen=True)
class OutputDirectory:
    """The output directory of a run, and the files that the run made there; see :func:`claim`."""

    path: Path
    made: set[str] = field(default_factory=set)

    @property
    def checkpoints(self) -> Path:
        """Directory of the results of finished chunks."""
        return self.path / "checkpoints"

    @property
    def columns(self) -> Path:
        """Directory of columns per event."""
        return self.path / "columns"

    @property
    def skims(self) -> Path:
        """Directory of skims."""
        return self.path / "skims"

    @property
    def memory(self) -> Path:
        """File with the properties of the input files."""
        return self.path / "prepared.json"

    def begin(self, writes: Mapping[str, Iterable[str]], *, resume: bool) -> None:
        """Record the files that the run may write; without ``resume``, remove the checkpoints of earlier runs."""
        if not resume:
            with writing(self.path):
                StoredResults(self.checkpoints).clear()
        self._record(self._recorded() | _within(writes))

    def making(self, *names: str) -> None:
        """Record files before they are made."""
        self.made.update(names)
        self._record(self._recorded() | self.made)

    def finish(self, written: Mapping[str, Iterable[str]]) -> None:
        """Remove files of earlier runs that this run did not make, such as columns of chunks not in the result."""
        self.made.update(_within(written))
        with writing(self.path):
            self._remove(self._recorded() - self.made)
        self._record(self.made)

    def _recorded(self) -> set[str]:
        try:
            return set(json.loads((self.path / RECORD).read_text("utf-8"))["files"])
        except (OSError, ValueError, KeyError, TypeError):
            return set()

    def _record(self, names: Iterable[str]) -> None:
        with writing(self.path):
            (self.path / RECORD).write_text(json.dumps({"files": sorted(names)}), "utf-8")

    def _remove(self, names: Iterable[str]) -> None:
        """Remove these files, and directories that become empty; paths outside the directory are ignored."""
        for name in names:
            path = self.path / name
            if not path.resolve().is_relative_to(self.path) or not path.is_file():
                continue
            path.unlink()
            for parent in path.parents:
                if parent == self.path or any(parent.iterdir()):
                    break
                parent.rmdir()


def _within(files: Mapping[str, Iterable[str]]) -> set[str]:
    """Names of files by their directory, as paths."""
    return {f"{directory}/{name}" for directory, names in files.items() for name in names}


@contextmanager
def claim(path: Path) -> Iterator[OutputDirectory]:
    """Create the directory, and keep other runs out of it.

    Raises
    ------
    OutputError
        The directory cannot be written to, or another run is using it.
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
    """Turn an ``OSError`` in the context into an error about writing to the path."""
    try:
        yield
    except OSError as error:
        raise OutputError(
            f"cannot write to {path}: {error.strerror or error}", "choose another directory for --output, or make room"
        ) from error
