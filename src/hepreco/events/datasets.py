"""Datasets: their files and their normalisation."""

from collections.abc import Iterable
from dataclasses import dataclass
from glob import glob
from pathlib import Path
from typing import Any

import fsspec
from coffea.processor.executor import DEFAULT_METADATA_CACHE

from hepreco.conventions import check_positive
from hepreco.errors import DatasetError
from hepreco.names import check_name


@dataclass(frozen=True)
class Dataset:
    """Files of one process or data-taking period.

    Parameters
    ----------
    name
        Name on the ``dataset`` axis of every histogram, and of the directory for its columns.
    files
        Paths, globs, or addresses that uproot opens (``root://``, ``https://``).
    cross_section
        Cross-section in pb. Histograms are scaled by σ·L / Σw with the luminosity L of the run and the sum of weights
        Σw of the processed events. ``None``, as for data, means no scaling.
    label
        Label in legends; by default the name.
    tree
        Name of the tree in the files.
    period
        The data-taking period, for the working points of tags.

    Raises
    ------
    ConfigError
        The name cannot be that of a directory, or the cross-section is not a positive number.
    """

    name: str
    files: tuple[str, ...]
    cross_section: float | None = None
    label: str = ""
    tree: str = "Events"
    period: str = ""

    def __post_init__(self) -> None:
        check_name(self.name, what="a dataset")
        if self.cross_section is not None:
            check_positive(self.cross_section, what=f"cross_section of dataset {self.name!r}", unit="pb")

    def paths(self) -> tuple[str, ...]:
        """All files, each once, with globs expanded in sorted order.

        Raises
        ------
        DatasetError
            There are no files, a pattern matches none, or a local file does not exist.
        """
        paths = dict.fromkeys(path for pattern in self.files for path in self._expand(pattern))
        if not paths:
            raise DatasetError(f"dataset {self.name!r} names no files", 'give it files = ["..."] or use --files')
        return tuple(paths)

    def _expand(self, pattern: str) -> list[str]:
        if pattern.startswith("file://"):
            pattern = pattern.removeprefix("file://").removeprefix("localhost")
        if "://" in pattern:
            _require_protocol(pattern)
            return [pattern]
        matches = [pattern] if Path(pattern).is_file() else glob(pattern, recursive=True)  # noqa: PTH207  patterns may be absolute
        if not matches:
            raise DatasetError(
                f"dataset {self.name!r}: no such file: {pattern}",
                "check the path (relative paths start at the working directory of the command, or at the TOML file)",
            )
        return sorted(str(Path(match).resolve()) for match in matches)


def _require_protocol(address: str) -> None:
    """Refuse an address that needs a package which is not installed."""
    protocol = address.partition("://")[0]
    try:
        fsspec.get_filesystem_class(protocol)
    except (ImportError, ValueError) as error:
        package = (
            '"hepreco[xrootd]", for fsspec-xrootd' if protocol == "root" else f"what {protocol}:// needs ({error})"
        )
        raise DatasetError(f"cannot read {address}: no package for {protocol}://", f"pip install {package}") from None


def to_fileset(datasets: Iterable[Dataset]) -> dict[str, dict[str, Any]]:
    """The fileset for ``coffea.processor.Runner``.

    coffea caches cross-sections and numbers of entries until the process ends, even if they change. This function
    removes the given datasets from that cache, so call it again for every run, or give the runner
    ``metadata_cache={}``.
    """
    datasets = tuple(datasets)
    names = {dataset.name for dataset in datasets}
    for known in [known for known in DEFAULT_METADATA_CACHE if known.dataset in names]:
        del DEFAULT_METADATA_CACHE[known]
    return {
        dataset.name: {
            "files": dict.fromkeys(dataset.paths(), dataset.tree),
            "metadata": {"cross_section": dataset.cross_section, "period": dataset.period},
        }
        for dataset in datasets
    }
