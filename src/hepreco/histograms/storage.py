"""Stores histograms as UHI in a zip archive, with the provenance of the run that filled them."""

import json
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import hist
import uhi.io.zip

from hepreco.errors import OutputError
from hepreco.names import check_name

PROVENANCE: Final = "provenance.json"
INDEX: Final = "index.json"
FORMAT: Final = 1
#: Names that would collide with the archive's own entries.
OWN: Final = frozenset(entry.removesuffix(".json") for entry in (PROVENANCE, INDEX))


@dataclass(frozen=True)
class StoredHistograms:
    """Histograms by name, and their provenance."""

    histograms: Mapping[str, hist.Hist]
    provenance: Mapping[str, object]


def write_histograms(path: Path, histograms: Mapping[str, hist.Hist], *, provenance: Mapping[str, object]) -> None:
    """Write a zip archive of UHI histograms, which replaces an earlier one only when it is complete.

    ``provenance`` is stored in it as JSON.

    Raises
    ------
    ConfigError
        The name of a histogram cannot be that of an entry.
    """
    for name in histograms:
        check_name(name, what="a histogram", reserved=OWN)
    partial = path.with_name(path.name + ".partial")
    with zipfile.ZipFile(partial, "w", compression=zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(INDEX, json.dumps({"format": FORMAT, "histograms": list(histograms)}))
        archive.writestr(PROVENANCE, json.dumps(provenance, indent=2))
        for name, histogram in histograms.items():
            uhi.io.zip.write(archive, name, histogram)
    partial.replace(path)


def read_provenance(path: Path) -> dict[str, Any]:
    """Read only the provenance; :class:`~hepreco.errors.OutputError` if the file is not such an archive."""
    try:
        with zipfile.ZipFile(path) as archive:
            provenance: dict[str, Any] = json.loads(archive.read(PROVENANCE))
    except (OSError, zipfile.BadZipFile, KeyError, ValueError) as error:
        raise OutputError(f"cannot read {path}: {error}", "point to a file that 'hepreco run' wrote") from None
    return provenance


def read_histograms(path: Path) -> StoredHistograms:
    """Read a file of :func:`write_histograms`; :class:`~hepreco.errors.OutputError` if it is not such an archive."""
    try:
        with zipfile.ZipFile(path) as archive:
            index = json.loads(archive.read(INDEX))
            if index["format"] != FORMAT:
                raise OutputError(f"{path} has format {index['format']}, this hepreco reads {FORMAT}", "run it again")
            return StoredHistograms(
                {name: hist.Hist(uhi.io.zip.read(archive, name)) for name in index["histograms"]},
                json.loads(archive.read(PROVENANCE)),
            )
    except (OSError, zipfile.BadZipFile, KeyError, ValueError) as error:
        raise OutputError(
            f"cannot read histograms from {path}: {error}", "point to a file that 'hepreco run' wrote"
        ) from None
