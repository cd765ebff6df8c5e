"""Reads coffea's filesets from JSON: datasets and their files."""

import json
from pathlib import Path
from typing import Any

from hepreco.errors import DatasetError
from hepreco.events.datasets import Dataset


def read_fileset(path: Path) -> tuple[Dataset, ...]:
    """Read the datasets of a fileset, as coffea's dataset tools write it.

    The format is ``{dataset: {"files": {path: tree}}}``. The tree may be replaced by the table that preprocessing
    writes, with its ``object_path``, and the table of files by a list of paths. Only ``cross_section`` is read from the
    metadata.

    Raises
    ------
    DatasetError
        The file cannot be read, is not a fileset, or a dataset has several trees.
    """
    try:
        table = json.loads(path.read_text("utf-8"))
    except OSError as error:
        raise DatasetError(f"cannot read {path}: {error.strerror}", "give the path of a fileset") from None
    except (ValueError, RecursionError) as error:
        raise DatasetError(
            f"{path} is not JSON: {error}", "give a fileset, as coffea's dataset tools write it"
        ) from None
    if not isinstance(table, dict) or not table:
        raise _no_fileset(path, "it is not a table of datasets")
    return tuple(_dataset(path, name, entry) for name, entry in table.items())


def _dataset(path: Path, name: str, entry: Any) -> Dataset:
    files = entry.get("files") if isinstance(entry, dict) else entry
    if isinstance(files, list):
        files = dict.fromkeys(files, entry.get("treename", "Events") if isinstance(entry, dict) else "Events")
    if not isinstance(files, dict) or not files:
        raise _no_fileset(path, f"dataset {name!r} has no files")
    named = [tree.get("object_path") if isinstance(tree, dict) else tree for tree in files.values()]
    trees = {tree for tree in named if isinstance(tree, str)}
    if not all(isinstance(tree, str) for tree in named):
        raise _no_fileset(path, f"dataset {name!r} has a file without the name of a tree")
    if len(trees) > 1:
        raise DatasetError(f"{path}: dataset {name!r} has the trees {', '.join(sorted(trees))}", "make it one for each")
    metadata = entry.get("metadata") if isinstance(entry, dict) else None
    cross_section = metadata.get("cross_section") if isinstance(metadata, dict) else None
    return Dataset(name, tuple(files), cross_section=cross_section, tree=trees.pop())


def _no_fileset(path: Path, why: str) -> DatasetError:
    return DatasetError(f"{path} is not a fileset: {why}", 'write {"dataset": {"files": {"path": "tree"}}}')
