"""Events for commands: from the datasets and samples of a configuration, or from files."""

from collections.abc import Mapping, Sequence
from concurrent.futures import BrokenExecutor
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

from coffea.processor.executor import ExecutorBase

from hepreco.cli.console import console, progress_bar
from hepreco.cli.generate import make_sample
from hepreco.config import AnalysisConfig, DatasetConfig
from hepreco.errors import ConfigError
from hepreco.events import Dataset, EventBatch, read_batch
from hepreco.generation import is_written
from hepreco.plugin import Reconstructor
from hepreco.processing import ReconstructionProcessor, read_selected
from hepreco.processing.attachment import one_thread_of_a_worker
from hepreco.processing.executors import FuturesExecutor


def datasets_of(tables: Mapping[str, DatasetConfig], output: Path, *, executor: ExecutorBase) -> list[Dataset]:
    """The datasets of a configuration. The processes of ``futures`` generate several samples at a time."""
    missing = [
        (name, table)
        for name, table in tables.items()
        if table.sample and not table.files and not is_written(table.sample, _path(name, output))
    ]
    if isinstance(executor, FuturesExecutor) and len(missing) > 1:
        with (
            suppress(BrokenExecutor),  # what is then missing is generated in this process
            executor.pool(executor.workers) as pool,
            progress_bar("Generating samples", total=len(missing)) as advance,
        ):
            for _ in pool.map(partial(_generate, output=output), missing):
                advance(1)
    return [dataset_of(name, table, output) for name, table in tables.items()]


def _generate(dataset: tuple[str, DatasetConfig], *, output: Path) -> None:
    """In a worker, which does not write on the terminal."""
    console.quiet = True
    with one_thread_of_a_worker():
        dataset_of(*dataset, output)


def _path(name: str, output: Path) -> Path:
    return output / "samples" / f"{name}.root"


def dataset_of(name: str, table: DatasetConfig, output: Path) -> Dataset:
    """A dataset of a configuration; its sample is generated into ``samples`` of the output directory."""
    if table.sample is None:
        return table.dataset(name, table.files)
    if table.files:
        raise ConfigError(f"dataset {name!r} has both files and a sample", "keep one of them")
    path = _path(name, output)
    if not is_written(table.sample, path):
        make_sample(table.sample, path, overwrite=True)
    return table.dataset(name, (str(path),))


def table_of(analysis: AnalysisConfig, plugin: str) -> tuple[str, dict[str, Any]]:
    """The name of the only table of a plugin in a configuration, and its options."""
    tables = {name: table for name, table in analysis.plugins.items() if table.get("plugin", name) == plugin}
    if len(tables) != 1:
        raise ConfigError(
            f"the configuration has {len(tables)} tables of the plugin {plugin!r}, expected one",
            f"write [plugins.{plugin}] into a configuration of your training",
        )
    ((name, table),) = tables.items()
    return name, {key: value for key, value in table.items() if key not in ("plugin", "objects")}


def from_configuration(
    analysis: AnalysisConfig, table: str, plugin: Reconstructor, *, datasets: Sequence[str], output: Path
) -> dict[str, EventBatch]:
    """The events that a run would give a plugin, by dataset: of these datasets, or by default of all."""
    unknown = [name for name in datasets if name not in analysis.datasets]
    if unknown:
        known = ", ".join(analysis.datasets) or "none"
        raise ConfigError(f"the configuration has no dataset {unknown[0]!r}", f"its datasets are {known}")
    field = table.replace("-", "_")
    bindings = {name: binding for name, binding in analysis.bindings().items() if name == field}
    run = ReconstructionProcessor(
        {field: plugin},
        selection=analysis.selection,
        luminosity=analysis.luminosity,
        luminosities=analysis.luminosities,
        objects=analysis.objects,
        bindings=bindings,
        corrections=analysis.applied_corrections(),
    )
    chosen = {name: analysis.datasets[name] for name in datasets or analysis.datasets}
    return {name: read_selected(run, dataset_of(name, table, output), field) for name, table in chosen.items()}


def from_files(plugin: Reconstructor, files: Mapping[str, tuple[str, ...]]) -> dict[str, EventBatch]:
    """All events with the objects that a plugin requires, by the names of ``files``."""
    return {name: read_batch(Dataset(name, paths), plugin.inputs) for name, paths in files.items()}
