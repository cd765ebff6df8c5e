"""Stores the results of finished chunks, so that a run can be resumed."""

import os
import re
import shutil
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from hepreco.errors import OutputError
from hepreco.histograms import read_histograms, write_histograms
from hepreco.histograms.storage import read_provenance
from hepreco.processing.identity import digest
from hepreco.processing.report import RunReport

_NAME: Final = re.compile(r"[0-9a-f]{32}\.zip")


@dataclass(frozen=True)
class StoredResults:
    """Stores the merged histograms and report of some chunks in one file, with the keys of these chunks.

    A key is a hash of everything that determines a chunk's result, so a stored result is used only if nothing of this
    has changed. All workers must see the directory, otherwise chunks are processed again.

    Parameters
    ----------
    directory
        The directory of the stored results.
    columns, skims
        The directories of the column files and skims that the chunks wrote. If one of these is missing or its size has
        changed, its chunk counts as not processed.
    """

    directory: Path
    columns: Path | None = None
    skims: Path | None = None

    def save(self, bundle: Sequence[str], done: Sequence[str], output: dict[str, Any]) -> None:
        """Store the output of the finished chunks of a bundle, replacing what was stored for this bundle.

        Raises
        ------
        OutputError
            The file cannot be written.
        """
        path = self.directory / f"{digest(list(bundle))}.zip"
        partial = path.with_name(f"{path.stem}-{os.getpid()}")
        try:
            provenance = {
                "keys": list(done),
                "report": output["report"].as_json(),
                "columns": _sizes(self.columns, output["report"].columns),
                "skims": _sizes(self.skims, output["report"].skims),
            }
            self.directory.mkdir(parents=True, exist_ok=True)
            write_histograms(partial, output["histograms"], provenance=provenance)
            partial.replace(path)
        except OSError as error:
            raise OutputError(
                f"cannot write {path}: {error.strerror or error}", "make room, or choose another directory for --output"
            ) from None

    def load(self, keys: Collection[str]) -> Iterator[tuple[list[str], dict[str, Any]]]:
        """The stored results of chunks with these keys, each chunk once, as pairs of keys and output."""
        wanted = set(keys)
        for path in self._files():
            try:
                provenance = read_provenance(path)
                stored = list(provenance["keys"])
                report = RunReport.from_json(provenance["report"])
                if not stored or not wanted.issuperset(stored):
                    continue
                if any(
                    _sizes(directory, provenance[kind]) != provenance[kind]
                    for kind, directory in (("columns", self.columns), ("skims", self.skims))
                ):
                    continue
                histograms = dict(read_histograms(path).histograms)
            except (OutputError, KeyError, TypeError, ValueError):
                continue  # the file is incomplete: its chunks are processed again
            wanted.difference_update(stored)
            yield stored, {"histograms": histograms, "report": report}

    def clear(self) -> None:
        """Remove the stored results, and nothing else."""
        for path in self._files():
            path.unlink(missing_ok=True)
        if self.directory.is_dir() and not any(self.directory.iterdir()):
            shutil.rmtree(self.directory, ignore_errors=True)

    def _files(self) -> list[Path]:
        if not self.directory.is_dir():
            return []
        return sorted(path for path in self.directory.iterdir() if _NAME.fullmatch(path.name))


def _sizes(directory: Path | None, names: Iterable[str]) -> dict[str, int | None]:
    """Sizes of files in a directory; ``None`` for files that do not exist."""
    paths = {name: directory / name if directory else None for name in names}
    return {name: path.stat().st_size if path and path.is_file() else None for name, path in paths.items()}
