"""The JSON documents of commands whose results are files."""

import json
from collections.abc import Iterable
from pathlib import Path


def run_document(output: Path, *, histograms: Iterable[str]) -> dict[str, object]:
    """What a run has written: the account of its events, numbers of studies, and where the rest is.

    Parameters
    ----------
    output
        The directory of results.
    histograms
        The names of those in ``histograms.zip``.
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
