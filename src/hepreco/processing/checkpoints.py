"""Results of single chunks on disk, so that a run can be resumed."""

import os
from hashlib import sha256
from pathlib import Path
from typing import Any

from coffea.processor.checkpointer import CheckpointerABC

from hepreco.errors import OutputError
from hepreco.histograms import read_histograms, write_histograms
from hepreco.processing.report import RunReport


class Checkpoints(CheckpointerABC):  # type: ignore[misc]
    """Stores each chunk's histograms and report under a directory named by the processor's fingerprint.

    A result is read back only for the same file (by its UUID), the same entries, and the same fingerprint: change the
    configuration, a plugin or its weights, and the chunk is processed again. The directory must be one that all workers
    see; where it is not, chunks are processed again.
    """

    def __init__(self, directory: Path, fingerprint: str) -> None:
        self.directory = directory / fingerprint

    def path(self, metadata: dict[str, Any]) -> Path:
        """Where the result of a chunk is."""
        file = sha256(f"{metadata['fileuuid']}:{metadata['filename']}".encode()).hexdigest()[:16]
        return self.directory / metadata["dataset"] / f"{file}-{metadata['entrystart']}-{metadata['entrystop']}.zip"

    def load(self, metadata: dict[str, Any], processor_instance: object) -> dict[str, Any] | None:  # noqa: ARG002  coffea's
        """The chunk's output as coffea wraps it, or ``None`` where there is none."""
        path = self.path(metadata)
        if not path.is_file():
            return None
        try:
            stored = read_histograms(path)
        except OutputError:
            return None
        report = RunReport.from_json(dict(stored.provenance))
        return {"out": {"histograms": dict(stored.histograms), "report": report}, "processed": set()}

    def save(self, output: dict[str, Any], metadata: dict[str, Any], processor_instance: object) -> None:  # noqa: ARG002
        """Store a chunk's output."""
        path = self.path(metadata)
        path.parent.mkdir(parents=True, exist_ok=True)
        result = output["out"]
        temporary = path.with_name(f"{path.name}.{os.getpid()}")
        write_histograms(temporary, result["histograms"], provenance=result["report"].as_json())
        temporary.replace(path)
