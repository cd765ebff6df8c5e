"""Reads coffea's filesets from JSON: datasets and their files."""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from coffea.processor.executor import DEFAULT_METADATA_CACHE

from hepreco.errors import DatasetError
from hepreco.events.datasets import Dataset
from hepreco.events.filters import conditions
from hepreco.names import safe_name


def to_fileset(datasets: Iterable[Dataset]) -> dict[str, dict[str, Any]]:
    """The fileset of datasets for ``coffea.processor.Runner``.

    coffea remembers cross-sections and numbers of entries for as long as the process lives, even if they have changed
    since. This function makes it forget those of the given datasets, so make the fileset anew for every run, or give
    the runner ``metadata_cache={}``. Of several replicas of a file coffea reads the first.

    Raises
    ------
    DatasetError
        A dataset is a skim: coffea's runner does not read sums of weights from the trees ``Runs``.
    """
    datasets = tuple(datasets)
    names = {dataset.name for dataset in datasets}
    for known in [known for known in DEFAULT_METADATA_CACHE if known.dataset in names]:
        del DEFAULT_METADATA_CACHE[known]
    for dataset in datasets:
        if dataset.skim:
            raise DatasetError(
                f"dataset {dataset.name!r} is a skim, which coffea's runner would not normalise",
                "use hepreco.processing.run",
            )
    of_events = conditions(datasets)
    return {
        dataset.name: {
            "files": dict.fromkeys(dataset.paths(), dataset.tree),
            "metadata": {"cross_section": dataset.cross_section, **of_events[dataset.name]},
        }
        for dataset in datasets
    }


def read_fileset(path: Path) -> tuple[Dataset, ...]:
    """Read the datasets of a fileset, as coffea's dataset tools write it.

    The format is ``{dataset: {"files": {path: tree}}}``. The tree may be replaced by the table that preprocessing
    writes, with its ``object_path``, and the table of files by a list of paths, or of lists with the replicas of each
    file, as coffea gets them from Rucio. Only ``cross_section`` is read from the metadata. A name such as
    ``/TTTo2L2Nu/Run3/NANOAODSIM`` loses its first slash; ``_`` replaces the others.

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
    datasets = tuple(_dataset(path, name, entry) for name, entry in table.items())
    if len({dataset.name for dataset in datasets}) < len(datasets):
        raise DatasetError(f"{path}: two of its datasets get the same name", "rename them in the fileset")
    return datasets


def _dataset(path: Path, name: str, entry: Any) -> Dataset:
    files = entry.get("files") if isinstance(entry, dict) else entry
    if isinstance(files, list):
        addresses = [tuple(each) if isinstance(each, list) else each for each in files]
        files = dict.fromkeys(addresses, entry.get("treename", "Events") if isinstance(entry, dict) else "Events")
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
    name = safe_name(name.strip("/").replace("/", "_")) if name.startswith("/") else name
    return Dataset(name, tuple(files), cross_section=cross_section, tree=trees.pop())


def _no_fileset(path: Path, why: str) -> DatasetError:
    return DatasetError(f"{path} is not a fileset: {why}", 'write {"dataset": {"files": {"path": "tree"}}}')
