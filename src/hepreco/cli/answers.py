"""JSON documents of commands that write files."""

import json
from collections.abc import Iterable
from pathlib import Path


def run_document(output: Path, *, histograms: Iterable[str]) -> dict[str, object]:
    """The output of a run: its report, the results of studies, and the names of all files.

    Parameters
    ----------
    output
        The output directory.
    histograms
        Names of the histograms in ``histograms.zip``.
    """
    return {
        "output": str(output),
        "histograms": list(histograms),
        "report": _read(output / "report.json"),
        "studies": _read(output / "studies.json"),
        "files": sorted(
            str(path.relative_to(output))
            for path in output.rglob("*")
            if path.is_file() and "checkpoints" not in path.relative_to(output).parts
        ),
    }


def _read(path: Path) -> object:
    return json.loads(path.read_text("utf-8")) if path.is_file() else None
