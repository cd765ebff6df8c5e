"""The output directory of a run: used by one run at a time, which removes nothing that no run has made."""

import json
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
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
    """Where a run writes, and the files that it made there; from :func:`claim`."""

    path: Path
    made: set[str] = field(default_factory=set)

    @property
    def checkpoints(self) -> Path:
        """Of finished chunks."""
        return self.path / "checkpoints"

    @property
    def columns(self) -> Path:
        """Of columns per event."""
        return self.path / "columns"

    @property
    def skims(self) -> Path:
        """Of selected events."""
        return self.path / "skims"

    @property
    def memory(self) -> Path:
        """What was found in the input files."""
        return self.path / "prepared.json"

    def begin(self, writes: Mapping[str, Iterable[str]], *, resume: bool) -> None:
        """Record the files that the run may write; without ``resume``, forget what another run has finished."""
        if not resume:
            with writing(self.path):
                Checkpoints(self.checkpoints).clear()
        self._record(self._recorded() | _within(writes))

    def making(self, *names: str) -> None:
        """Record files before they are made."""
        self.made.update(names)
        self._record(self._recorded() | self.made)

    def finish(self, written: Mapping[str, Iterable[str]]) -> None:
        """Remove what earlier runs made and this one did not, such as columns of chunks that are not in the result."""
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


def _within(files: Mapping[str, Iterable[str]]) -> set[str]:
    """Names of files by their directory, as paths."""
    return {f"{directory}/{name}" for directory, names in files.items() for name in names}


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
