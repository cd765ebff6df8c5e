"""TOML into frozen values: read once, by the command line."""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from hepreco.conventions import check_positive
from hepreco.errors import ConfigError
from hepreco.events import Dataset, Variation
from hepreco.generation import Sample
from hepreco.histograms import HistogramSpec
from hepreco.names import check_field, safe_name
from hepreco.plugin import Reconstructor, discover
from hepreco.plugin.options import structure
from hepreco.processing import Cut, FunctionCut


@dataclass(frozen=True)
class DatasetConfig:
    """A table ``[datasets.<name>]``: files to read, or a sample to generate.

    ``cross_section`` is in pb; ``files`` are relative to the TOML file.
    """

    files: tuple[str, ...] = ()
    sample: Sample | None = None
    cross_section: float | None = None
    label: str = ""
    tree: str = "Events"

    def dataset(self, name: str, files: tuple[str, ...]) -> Dataset:
        """The dataset of these files."""
        return Dataset(name, files, cross_section=self.cross_section, label=self.label, tree=self.tree)


@dataclass(frozen=True)
class MassPeakConfig:
    """A table ``[[mass_peaks]]``: fit the peak of a histogram and state its purity in a window (GeV)."""

    histogram: str
    dataset: str
    window: tuple[float, float]
    fit_range: tuple[float, float] | None = None


@dataclass(frozen=True)
class RocConfig:
    """A table ``[[rocs]]``: separate two datasets by a score."""

    histogram: str
    signal: str
    background: str
    higher_is_signal: bool = True


@dataclass(frozen=True)
class AnalysisConfig:
    """A whole configuration file.

    ``plugins`` maps field names to options; the option ``plugin`` names the plugin where that differs from the field.
    ``luminosity`` is in fb⁻¹.
    """

    datasets: dict[str, DatasetConfig] = field(default_factory=dict)
    plugins: dict[str, dict[str, Any]] = field(default_factory=dict)
    selection: tuple[Cut | FunctionCut, ...] = ()
    histograms: tuple[HistogramSpec, ...] = ()
    variations: tuple[Variation, ...] = ()
    mass_peaks: tuple[MassPeakConfig, ...] = ()
    rocs: tuple[RocConfig, ...] = ()
    luminosity: float | None = None

    def __post_init__(self) -> None:
        for name, dataset in self.datasets.items():
            dataset.dataset(name, dataset.files)  # refuses names and cross-sections before anything is generated
        if self.luminosity is not None:
            check_positive(self.luminosity, what="luminosity", unit="fb⁻¹")
        for name in self.plugins:
            check_field(name, what="a plugin's table")

    def reconstructors(self) -> dict[str, Reconstructor]:
        """The plugins with their options, by field name (hyphens become underscores)."""
        built: dict[str, Reconstructor] = {}
        for name, table in self.plugins.items():
            options, attached = dict(table), name.replace("-", "_")
            if attached in built:
                raise ConfigError(f"two plugins' tables become events.{attached}", "rename one of them")
            plugin = discover()[options.pop("plugin", name)]
            built[attached] = plugin.build(options)
        return built


def read_config(path: Path) -> AnalysisConfig:
    """Read a configuration file.

    Raises
    ------
    ConfigError
        It is missing, not TOML, or has a key or value that is not understood.
    """
    try:
        table = tomllib.loads(path.read_text())
    except OSError as error:
        raise ConfigError(f"cannot read {path}: {error.strerror}", "give the path of a TOML file") from None
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{path} is not TOML: {error}", "mend it") from None
    config = structure(
        table, AnalysisConfig, where=str(path), remedy="the reference of the configuration lists every key"
    )
    relative = {name: _from_directory(dataset, path.parent) for name, dataset in config.datasets.items()}
    return replace(config, datasets=relative)


def override_files(datasets: Mapping[str, DatasetConfig], files: tuple[str, ...]) -> dict[str, DatasetConfig]:
    """The datasets that ``--files [NAME=]PATH …`` asks for instead of those of the configuration.

    Each argument is one dataset (quote a glob to have it so); several of one name are joined. Without a name it is
    called after the file. A dataset of the configuration keeps its label and cross-section.
    """
    chosen: dict[str, tuple[str, ...]] = {}
    for argument in files:
        name, separator, pattern = argument.partition("=")
        if not separator or "/" in name:
            pattern = argument
            name = safe_name(Path(argument).name.partition(".")[0]) or "files"
        chosen[name] = (*chosen.get(name, ()), pattern)
    return {
        name: replace(datasets.get(name, DatasetConfig()), files=patterns, sample=None)
        for name, patterns in chosen.items()
    }


def _from_directory(dataset: DatasetConfig, directory: Path) -> DatasetConfig:
    files = tuple(
        file if "://" in file or Path(file).is_absolute() else str(directory / file) for file in dataset.files
    )
    return replace(dataset, files=files)
