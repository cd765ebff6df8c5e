"""Configuration files: the command line reads TOML once into frozen values."""

import json
import re
import tomllib
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path
from typing import Any, Final

from hepreco.conventions import check_positive
from hepreco.errors import ConfigError, HepRecoError, one_line
from hepreco.events import Dataset, ObjectSelection, Variation, read_fileset
from hepreco.events.datasets import Replicas
from hepreco.generation import Sample
from hepreco.histograms import HistogramSpec
from hepreco.histograms.specs import default_histograms
from hepreco.inference.tables import FitConfig
from hepreco.names import check_field, safe_name
from hepreco.plotting.options import FiguresConfig
from hepreco.plugin import Reconstructor, discover
from hepreco.plugin.manifest import ManifestEntry
from hepreco.plugin.modules import import_beside
from hepreco.plugin.options import closest, structure
from hepreco.plugin.schemas import schema_of
from hepreco.processing import AppliedCorrection, Observable, Region
from hepreco.processing.selection import AnyCut

__all__ = [
    "AnalysisConfig",
    "DatasetConfig",
    "MassPeakConfig",
    "PeriodConfig",
    "ProcessConfig",
    "RocConfig",
    "configuration_schema",
    "read_config",
]

#: The page that explains every key.
PAGE: Final = "docs/reference/configuration.md"
#: Deepest nesting that is accepted; configurations need only a few levels.
_DEEPEST: Final = 50
_PLUGIN_KEYS: Final = {
    "plugin": {"type": "string", "description": "Name of the plugin, if the table has another name."},
    "objects": {
        "type": "object",
        "additionalProperties": {"type": "string"},
        "description": "Selected objects for the roles of the plugin, such as { jets = 'jets' }.",
    },
}
_CORRECTION_KEYS: Final = {
    "plugin": _PLUGIN_KEYS["plugin"],
    "data": {"type": "boolean", "description": "Whether data are corrected as well; by default simulation alone."},
    "datasets": {
        "type": "array",
        "items": {"type": "string"},
        "description": "Names of the datasets that are corrected; by default all of them.",
    },
}


@dataclass(frozen=True)
class DatasetConfig:
    """A table ``[datasets.<name>]``: files to read, or a sample to generate.

    Parameters
    ----------
    files
        Paths relative to the TOML file, globs, or addresses that uproot opens (``root://``, ``https://``). A list in
        place of an entry holds several addresses of one file; the next is tried if one cannot be read.
    sample
        A table that describes a sample to generate instead.
    cross_section
        Cross-section in pb; leave it out for data.
    label
        Label in legends, with LaTeX between dollar signs; by default the name.
    tree
        Name of the tree.
    period
        Data-taking period, for its luminosity and the working points of tags.
    process
        Name of the process, which figures and fits group datasets by; by default the name of the dataset.
    data
        Whether the events are data: they have the weight 1, and ``genWeight`` is not read.
    certified
        Path of a golden JSON; events of data outside of it are removed first.
    luminosity_table
        Path of a table of brilcalc by luminosity section, to sum the luminosity of the processed sections.
    triggers
        Trigger bits such as ``HLT.IsoMu24``; an event needs at least one. A bit that a file lacks is false there.
    veto_triggers
        Trigger bits that an event must not have, because it is in the dataset of these triggers already.
    veto_datasets
        Names of datasets of data whose events are removed from this one, by run, luminosity section and event number.
        Events that pass the golden JSON and the triggers of those datasets count.
    skim
        Whether the files hold only a part of the generated events; Σw is then read from their ``Runs`` trees.
    """

    files: tuple[str | tuple[str, ...], ...] = ()
    sample: Sample | None = None
    cross_section: float | None = None
    label: str = ""
    tree: str = "Events"
    period: str = ""
    process: str = ""
    data: bool = False
    certified: str = ""
    luminosity_table: str = ""
    triggers: tuple[str, ...] = ()
    veto_triggers: tuple[str, ...] = ()
    veto_datasets: tuple[str, ...] = ()
    skim: bool = False

    def dataset(self, name: str, files: tuple[str | Replicas, ...]) -> Dataset:
        """The dataset of these files."""
        shared = {each.name: getattr(self, each.name) for each in fields(Dataset) if each.name not in ("name", "files")}
        return Dataset(name, files, **shared)


@dataclass(frozen=True)
class ProcessConfig:
    """A table ``[processes.<name>]``: how figures and fits show the datasets of a process.

    Parameters
    ----------
    label
        Label in legends, with LaTeX between dollar signs; by default the name.
    colour
        A colour of matplotlib, such as `tab:blue` or `#5790fc`; by default the next colour of the style.
    order
        Position in stacks and lists: processes are sorted by this number, then by name.
    """

    label: str = ""
    colour: str = ""
    order: int = 0


@dataclass(frozen=True)
class PeriodConfig:
    """A table ``[periods.<name>]``: a data-taking period.

    Parameters
    ----------
    luminosity
        Integrated luminosity in fb⁻¹, to which datasets of this period with a cross-section are normalised.
    """

    luminosity: float


@dataclass(frozen=True)
class MassPeakConfig:
    """A table ``[[mass_peaks]]``: fit the peak of a histogram and state its purity in a window.

    Parameters
    ----------
    histogram
        Name of the histogram.
    dataset
        Name of the dataset.
    window
        Lower and upper end, in GeV, of the range in which the peak is searched and the purity counted.
    fit_range
        Lower and upper end of the fit, in GeV; by default the window, widened by half its width on either side.
    region
        Name of the region, where there are regions.
    """

    histogram: str
    dataset: str
    window: tuple[float, float]
    fit_range: tuple[float, float] | None = None
    region: str = ""


@dataclass(frozen=True)
class RocConfig:
    """A table ``[[rocs]]``: the ROC curve of a score that separates two datasets.

    Parameters
    ----------
    histogram
        Name of the score's histogram, which needs fine bins: about a thousand.
    signal, background
        Names of the datasets.
    higher_is_signal
        Whether signal has the higher scores.
    region
        Name of the region, where there are regions.
    """

    histogram: str
    signal: str
    background: str
    higher_is_signal: bool = True
    region: str = ""


@dataclass(frozen=True)
class AnalysisConfig:
    """A whole configuration file.

    Parameters
    ----------
    datasets
        Datasets by name, for example one table per process or data-taking period.
    plugins
        Options of each plugin to run, by the name of the plugin or a name of your own. Columns are attached under that
        name, with hyphens replaced by underscores. The key ``plugin`` names the plugin if the table has another name,
        and ``objects`` gives the selected objects for its roles: ``{ jets = "jets" }``.
    objects
        Selected objects by name: jets, leptons and so on, for cuts, histograms and plugins.
    selection
        Cuts, applied in order.
    corrections
        Corrections of weights and of objects, in order: a table of options for each, with the keys ``plugin``, where
        the table has another name than the plugin, ``data`` and ``datasets``.
    cuts
        Cuts that regions combine. They may read the answers of plugins and observables.
    regions
        Regions by name. With them, histograms have an axis ``region``.
    observables
        Functions of yours, whose values are ``observables.<name>``.
    histograms
        Further histograms; one with the name of a default histogram replaces it.
    variations
        Systematic variations in addition to the nominal one.
    mass_peaks, rocs
        Mass peaks and ROC curves, measured from histograms after the run.
    fit
        Channels, signal and systematic uncertainties of ``hepreco export`` and ``hepreco fit``.
    figures
        Style, labels and blinding of figures.
    luminosity
        Integrated luminosity in fb⁻¹, required if a dataset has a cross-section and no period with a luminosity.
    periods
        Data-taking periods by name.
    processes
        Labels, colours and order of processes by name.
    """

    datasets: dict[str, DatasetConfig] = field(default_factory=dict)
    plugins: dict[str, dict[str, Any]] = field(default_factory=dict)
    objects: dict[str, ObjectSelection] = field(default_factory=dict)
    selection: tuple[AnyCut, ...] = ()
    corrections: dict[str, dict[str, Any]] = field(default_factory=dict)
    cuts: tuple[AnyCut, ...] = ()
    regions: dict[str, Region] = field(default_factory=dict)
    observables: tuple[Observable, ...] = ()
    histograms: tuple[HistogramSpec, ...] = ()
    variations: tuple[Variation, ...] = ()
    mass_peaks: tuple[MassPeakConfig, ...] = ()
    rocs: tuple[RocConfig, ...] = ()
    fit: FitConfig | None = None
    figures: FiguresConfig = field(default_factory=FiguresConfig)
    luminosity: float | None = None
    periods: dict[str, PeriodConfig] = field(default_factory=dict)
    processes: dict[str, ProcessConfig] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for name, dataset in self.datasets.items():
            dataset.dataset(name, dataset.files)  # refuses names and cross-sections before anything is generated
        if self.luminosity is not None:
            check_positive(self.luminosity, what="luminosity", unit="fb⁻¹")
        for name, period in self.periods.items():
            check_positive(period.luminosity, what=f"luminosity of period {name!r}", unit="fb⁻¹")
        for name in self.plugins:
            check_field(name, what="a plugin's table")
        used = {dataset.process or name for name, dataset in self.datasets.items()}
        for name in self.processes:
            if used and name not in used:
                raise ConfigError(
                    f"[processes.{name}] is the table of no dataset's process",
                    f"{closest(name, used)} Write process = {name!r} into a dataset, or take the table out",
                )

    @property
    def luminosities(self) -> dict[str, float]:
        """In fb⁻¹, by data-taking period."""
        return {name: period.luminosity for name, period in self.periods.items()}

    def processes_of(self, datasets: Iterable[str]) -> dict[str, dict[str, Any]]:
        """Name, label, colour and order of the process of each dataset."""
        found = {}
        for dataset in datasets:
            name = self.datasets.get(dataset, DatasetConfig()).process or dataset
            found[dataset] = {"name": name, **asdict(self.processes.get(name, ProcessConfig()))}
        return found

    def reconstructors(self) -> dict[str, Reconstructor]:
        """The plugins with their options, by field name (hyphens become underscores).

        Raises
        ------
        ConfigError
            Two tables would fill the same field, or an option is invalid.
        PluginError
            A plugin does not exist or is broken.
        """
        built: dict[str, Reconstructor] = {}
        for name, table in self.plugins.items():
            options, column = dict(table), name.replace("-", "_")
            if column in built:
                raise ConfigError(
                    f"two tables of plugins would fill events.{column}; the second is [plugins.{name}]",
                    "rename one of them; hyphens and underscores are equivalent here",
                )
            plugin = options.pop("plugin", name)
            if not isinstance(plugin, str):
                raise ConfigError(f"[plugins.{name}] names the plugin {plugin!r}", 'write plugin = "its-name"')
            binding = _binding(name, options.pop("objects", {}))
            built[column] = discover()[plugin].build(options)
            _refuse_second_choice(name, built[column], options, binding, build=discover()[plugin].build)
        return built

    def applied_corrections(self) -> dict[str, AppliedCorrection]:
        """The corrections with their options, by the names of their tables.

        Raises
        ------
        ConfigError
            An option is invalid, or a dataset is not defined.
        PluginError
            A correction does not exist or is broken.
        """
        built = {}
        for name, table in self.corrections.items():
            keys = {"plugin": name} | {key: table[key] for key in _CORRECTION_KEYS if key in table}
            where = structure(keys, _CorrectionTable, where=f"[corrections.{name}]", remedy=f"see {PAGE}")
            options = {key: value for key, value in table.items() if key not in keys}
            if unknown := [each for each in where.datasets if each not in self.datasets]:
                raise ConfigError(
                    f"[corrections.{name}] names the dataset {unknown[0]!r}", closest(unknown[0], self.datasets)
                )
            built[name] = AppliedCorrection(
                discover()[where.plugin].build_correction(options), data=where.data, datasets=where.datasets
            )
        return built

    def bindings(self) -> dict[str, dict[str, str]]:
        """The names of the selected objects that each plugin reads, by the plugin's field name and by role."""
        return {
            name.replace("-", "_"): _binding(name, table["objects"])
            for name, table in self.plugins.items()
            if "objects" in table
        }

    def check_studies(self, histograms: Iterable[str] | None = None) -> None:
        """Refuse a mass peak, ROC curve or channel of a histogram that the run does not fill.

        Parameters
        ----------
        histograms
            Names of the filled histograms. By default the plugins are built, to learn what the run will fill.

        Raises
        ------
        ConfigError
            A mass peak, ROC curve or channel uses another histogram; or as for :meth:`reconstructors`.
        """
        if histograms is None:
            specs = (*default_histograms(self.reconstructors()), *self.histograms)
            histograms = [spec.name for spec in specs]
        known = sorted(set(histograms) - {"cutflow"})
        channels = self.fit.channels if self.fit else ()
        for title, studies in (("mass_peaks", self.mass_peaks), ("rocs", self.rocs), ("fit.channels", channels)):
            for study in studies:
                if study.histogram not in known:
                    raise ConfigError(
                        f"[[{title}]] names the histogram {study.histogram!r}, which is not filled",
                        f"{closest(study.histogram, known)} See 'Histograms' in {PAGE}",
                    )


@dataclass(frozen=True)
class _CorrectionTable:
    plugin: str
    data: bool = False
    datasets: tuple[str, ...] = ()


def _binding(name: str, table: object) -> dict[str, str]:
    if not isinstance(table, dict) or not all(isinstance(value, str) for value in table.values()):
        raise ConfigError(f"[plugins.{name}] has objects = {table!r}", 'write objects = { jets = "jets" }')
    return table


def _refuse_second_choice(
    name: str,
    plugin: Reconstructor,
    options: Mapping[str, Any],
    binding: Mapping[str, str],
    *,
    build: Callable[[Mapping[str, Any]], Reconstructor],
) -> None:
    """Refuse an option that selects objects for a role with bound objects, where it would have no effect."""
    for option in options if binding else ():
        try:
            without = build({key: value for key, value in options.items() if key != option})
            cuts = [{spec.role: spec.where for spec in each.inputs.objects} for each in (plugin, without)]
        except HepRecoError:
            continue  # the plugin needs this option
        for role, objects in binding.items():
            if len({each[role] for each in cuts if role in each}) > 1:
                raise ConfigError(
                    f"[plugins.{name}]: the option {option} selects {role}, and so does [objects.{objects}]",
                    "leave one of them out",
                )


def read_config(path: Path) -> AnalysisConfig:
    """Read a configuration file; functions of its cuts may be defined in a module beside it.

    Raises
    ------
    ConfigError
        The file is missing, is not TOML, or has an unknown key or an invalid value; or the function of a cut cannot
        be imported.
    """
    table = _read_table(path)
    for key, word in (("selection", "cut"), ("cuts", "cut"), ("observables", "observable")):
        for name, function in _functions(table.get(key)):
            import_beside(function.partition(":")[0], path.parent, where=f"{path}: {word} {name!r}")
    for key in ("plugins", "corrections"):
        if isinstance(table.get(key), dict):
            table[key] = _beside(table[key], path.parent)
    remedy = f"{PAGE} explains every key, and 'hepreco schema' lets editors complete them"
    config = structure(table, AnalysisConfig, where=str(path), remedy=remedy)
    relative = {name: _from_directory(dataset, path.parent) for name, dataset in config.datasets.items()}
    return replace(config, datasets=relative)


def _read_table(path: Path) -> dict[str, Any]:
    """A TOML file as a table; a byte-order mark is ignored."""
    try:
        table = tomllib.loads(path.read_bytes().decode("utf-8-sig"))
    except (OSError, ValueError) as error:
        match error:
            case tomllib.TOMLDecodeError():
                raise ConfigError(f"{path} is not TOML: {one_line(str(error))}", "correct it there") from None
            case UnicodeDecodeError():
                raise ConfigError(
                    f"{path} is not TOML: byte {error.start + 1} is not UTF-8", "save the file as UTF-8"
                ) from None
            case _:
                reason = getattr(error, "strerror", None) or error
                raise ConfigError(f"cannot read {path}: {reason}", "give the path of a TOML file") from None
    except RecursionError:
        table = None
    if table is None or _is_deep(table):
        raise ConfigError(f"{path} nests tables or lists more than {_DEEPEST} deep", f"{PAGE} shows their structure")
    return table


def _is_deep(table: object) -> bool:
    """Whether tables and lists are nested deeper than any configuration; computed without recursion."""
    level: list[object] = [table]
    for _ in range(_DEEPEST):
        level = [
            each
            for outer in level
            if isinstance(outer, dict | list)
            for each in (outer.values() if isinstance(outer, dict) else outer)
        ]
    return bool(level)


def _beside(value: Any, directory: Path) -> Any:
    """Options, in which the name of a file beside the configuration is its path."""
    match value:
        case str() if value and "\n" not in value and len(value) < 256 and (directory / value).is_file():
            return str(directory / value)
        case dict():
            return {key: _beside(each, directory) for key, each in value.items()}
        case list():
            return [_beside(each, directory) for each in value]
        case _:
            return value


def _functions(selection: object) -> Iterator[tuple[str, str]]:
    """The name and the function of each cut that has a well-formed one."""
    for cut in selection if isinstance(selection, list) else ():
        function = cut.get("function") if isinstance(cut, dict) else None
        if isinstance(function, str) and re.fullmatch(r"\w+(\.\w+)*:.*", function):
            yield str(cut.get("name", "")), function


def configuration_schema(plugins: Iterable[ManifestEntry] = ()) -> dict[str, Any]:
    """The JSON Schema of a configuration file, written from the dataclasses of this module.

    Parameters
    ----------
    plugins
        Plugins whose options editors complete and check.
    """
    schema = schema_of(AnalysisConfig)
    tables: dict[str, dict[str, Any]] = {"reconstructor": {}, "correction": {}}
    for plugin in plugins:
        # Definitions of a plugin move to the top of the document, under its name.
        options = json.loads(json.dumps(plugin.options).replace('"#/$defs/', f'"#/$defs/{plugin.name}.'))
        schema["$defs"] |= {f"{plugin.name}.{name}": each for name, each in options.pop("$defs", {}).items()}
        keys = _PLUGIN_KEYS if plugin.kind == "reconstructor" else _CORRECTION_KEYS
        tables[plugin.kind][plugin.name] = {**options, "properties": {**options.get("properties", {}), **keys}}
    for kind, key in (("reconstructor", "plugins"), ("correction", "corrections")):
        schema["properties"][key]["properties"] = tables[kind]
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": "hepreco analysis", **schema}


def override_files(datasets: Mapping[str, DatasetConfig], files: tuple[str, ...]) -> dict[str, DatasetConfig]:
    """The datasets given as ``--files [NAME=]PATH …``, which replace those of the configuration.

    Each argument is one dataset (quote a glob, so that the shell does not expand it); arguments with the same name are
    joined. A dataset without a name is called after its file. A dataset of the configuration keeps its label and
    cross-section. A JSON file is a coffea fileset, which names its own datasets.
    """
    chosen: dict[str, tuple[str, ...]] = {}
    of_filesets: dict[str, DatasetConfig] = {}
    for argument in files:
        if argument.endswith(".json"):
            for dataset in read_fileset(Path(argument)):
                known = datasets.get(dataset.name, DatasetConfig())
                cross_section = known.cross_section if dataset.cross_section is None else dataset.cross_section
                of_filesets[dataset.name] = replace(
                    known, files=dataset.files, sample=None, tree=dataset.tree, cross_section=cross_section
                )
            continue
        name, separator, pattern = argument.partition("=")
        if not separator or "/" in name:
            pattern = argument
            name = safe_name(Path(argument).name.partition(".")[0]) or "files"
        chosen[name] = (*chosen.get(name, ()), pattern)
    return of_filesets | {
        name: replace(datasets.get(name, DatasetConfig()), files=patterns, sample=None)
        for name, patterns in chosen.items()
    }


def _from_directory(dataset: DatasetConfig, directory: Path) -> DatasetConfig:
    def beside(file: str) -> str:
        return file if not file or "://" in file or Path(file).is_absolute() else str(directory / file)

    files = tuple(beside(each) if isinstance(each, str) else tuple(map(beside, each)) for each in dataset.files)
    certified, luminosity_table = beside(dataset.certified), beside(dataset.luminosity_table)
    return replace(dataset, files=files, certified=certified, luminosity_table=luminosity_table)
