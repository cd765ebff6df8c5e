"""The coffea processor: select, reconstruct, fill."""

import multiprocessing
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import cached_property, lru_cache
from importlib.metadata import version
from typing import Any

import awkward as ak
import numpy as np
import torch
from coffea import processor
from numpy.typing import NDArray

from hepreco.conventions import check_positive
from hepreco.errors import ConfigError, DatasetError, HepRecoError, PluginError, what_was_raised
from hepreco.events import (
    NOMINAL,
    Columns,
    Dataset,
    EventBatch,
    ObjectSelection,
    Variation,
)
from hepreco.events.arrays import finite
from hepreco.events.bridge import Converter
from hepreco.events.columns import WEIGHT, of_inputs
from hepreco.events.filters import FILTERS, account, filters
from hepreco.events.objects import MOMENTUM, momentum_columns
from hepreco.events.paths import ColumnPath
from hepreco.events.selections import (
    bind,
    check_selections,
    collections_of,
    definitions,
    fields_asked_for,
    select_objects,
    stored_columns,
)
from hepreco.events.variations import missing_momenta
from hepreco.events.weights import generator_weights
from hepreco.histograms import HistogramSpec
from hepreco.histograms.filling import fill_all, fill_cutflow, sort_categories
from hepreco.histograms.normalisation import normalisation
from hepreco.histograms.specs import check_memory, default_histograms, overflow_warnings
from hepreco.names import check_field
from hepreco.plugin import Reason, Reconstructor
from hepreco.plugin.answers import attachable, partly_missing
from hepreco.plugin.columns import REASON
from hepreco.processing import identity
from hepreco.processing.columns_out import ColumnWriter, check_column_names
from hepreco.processing.duplicates import find_duplicates
from hepreco.processing.report import Chunk, ProcessedChunks, RunReport
from hepreco.processing.selection import Cut, FunctionCut, cut_flow, last
from hepreco.weights import read_manifest

Output = dict[str, Any]
CUTFLOW = "cutflow"


class ReconstructionProcessor(processor.ProcessorABC):  # type: ignore[misc]
    """Runs reconstructors over NanoAOD events and histograms what they find.

    The output is ``{"histograms": {name: hist.Hist}, "report": RunReport}``, with the weighted cut flow among the
    histograms.

    Parameters
    ----------
    reconstructors
        By the field name under which their columns are attached to the events (``events.<name>``).
    selection
        Cuts, applied in order. Events with non-finite momenta, in collections that a cut or plugin reads, are cut
        first, and counted.
    histograms
        What to fill beside the default histograms of the reconstructors' columns. One of the same name as a default
        takes its place.
    variations
        Beside the nominal one; each goes through selection and plugins.
    luminosity
        In fb⁻¹; datasets with a cross-section are normalised to it.
    luminosities
        In fb⁻¹, by data-taking period: a dataset of one of these is normalised to that.
    device
        Where the plugins compute.
    columns
        Writes every plugin's columns per event.
    objects
        Selected objects by name, for cuts, histograms and plugins. They are selected anew for every variation.
    bindings
        Which selected objects a plugin reads in place of its own choice: the name of the objects by the role that the
        plugin gives them, by the plugin's field name, such as ``{"chi2_assigner": {"jets": "jets"}}``.
    """

    def __init__(
        self,
        reconstructors: Mapping[str, Reconstructor] | None = None,
        *,
        selection: Sequence[Cut | FunctionCut] = (),
        histograms: Sequence[HistogramSpec] = (),
        variations: Sequence[Variation] = (),
        luminosity: float | None = None,
        luminosities: Mapping[str, float] | None = None,
        device: str = "cpu",
        columns: ColumnWriter | None = None,
        objects: Mapping[str, ObjectSelection] | None = None,
        bindings: Mapping[str, Mapping[str, str]] | None = None,
    ) -> None:
        self.reconstructors = dict(reconstructors or {})
        self.objects = dict(objects or {})
        check_selections(self.objects)
        self.bound = {
            name: bind(plugin.inputs, (bindings or {}).get(name, {}), self.objects, plugin=name)
            for name, plugin in self.reconstructors.items()
        }
        self.selection = tuple(selection)
        specs = {spec.name: spec for spec in (*default_histograms(self.reconstructors), *histograms)}
        self.histograms = tuple(specs.values())
        self.variations = (NOMINAL, *variations)
        for spec in self.histograms:
            self._require_columns(spec)
        check_memory(self.histograms, variations=len(self.variations))
        self.missing_momenta = missing_momenta(
            self.variations,
            inputs={name: plugin.inputs for name, plugin in self.reconstructors.items()},
            columns={f"histogram {spec.name!r}": spec.columns for spec in self.histograms}
            | {f"cut {cut.name!r}": cut.momentum_columns for cut in self.selection},
            functions=any(isinstance(cut, FunctionCut) for cut in self.selection),
        )
        for name in self.reconstructors:
            check_field(name, what="a plugin's table")
            if name in self.objects:
                raise ConfigError(f"{name!r} names selected objects and a plugin's table", "rename one of them")
        if columns:
            check_column_names(self.reconstructors)
        if luminosity is not None:
            check_positive(luminosity, what="luminosity", unit="fb⁻¹")
        for period, each in (luminosities or {}).items():
            check_positive(each, what=f"luminosity of period {period!r}", unit="fb⁻¹")
        self.luminosity = luminosity
        self.luminosities = dict(luminosities or {})
        self.device = device
        self.columns = columns
        _unique([cut.name for cut in selection] + ["all", "finite momenta", *FILTERS], "cuts")
        _unique([spec.name for spec in histograms] + [CUTFLOW], "histograms")
        _unique([variation.name for variation in self.variations], "variations")

    def _require_columns(self, spec: HistogramSpec) -> None:
        """Refuse a histogram of a column that its plugin does not have, before any event is read."""
        for path in spec.columns:
            field, _, rest = path.partition(".")
            names = (
                [*(column.name for column in self.reconstructors[field].outputs), REASON]
                if field in self.reconstructors
                else []
            )
            if names and rest.partition(".")[0] not in names:
                raise ConfigError(f"histogram {spec.name!r}: no column {path!r}", f"{field} has {', '.join(names)}")

    def setup(self) -> None:
        """Load every plugin's weights now, so that a missing file stops the run before it starts."""
        for name, reconstructor in self.reconstructors.items():
            try:
                _set_up(reconstructor, self.device)
            except (HepRecoError, KeyboardInterrupt):
                raise
            except BaseException as error:
                problem = f"plugin {name!r} cannot be set up: {what_was_raised(error)}"
            else:
                continue
            raise PluginError(problem, "run 'hepreco plugins check', tell its author")

    @cached_property
    def reads(self) -> Columns:
        """The columns of the files that cuts, plugins, histograms and variations read."""
        columns = self._named
        return replace(
            columns,
            required=stored_columns(columns.required, self.objects),
            optional=stored_columns(columns.optional, self.objects),
        )

    @cached_property
    def _named(self) -> Columns:
        """The columns that are read, of the files or of selected objects."""
        paths = [path for spec in self.histograms for path in spec.columns]
        filled = tuple(path for path in paths if ColumnPath.parse(path).names[0] not in self.reconstructors)
        columns = Columns((*filled, *definitions(self.objects)))
        columns |= Columns(optional=tuple(f"{met}.{name}" for met in self.missing_momenta for name in ("pt", "phi")))
        for name, plugin in self.reconstructors.items():
            columns |= of_inputs(plugin.inputs, bound=self.bound[name])
        for part in (*self.selection, *self.variations):
            columns |= part.reads
        return columns

    @property
    def provenance(self) -> dict[str, Any]:
        """What determines the result: code, versions, options, and the hashes of weights."""
        return {
            "hepreco": version("hepreco"),
            "code": identity.of_code(ReconstructionProcessor),
            "libraries": identity.of_libraries(),
            "plugins": {
                name: {
                    "options": identity.of_value(plugin),
                    "version": identity.distribution_version(
                        type(plugin).__module__.partition(".")[0].replace("_", "-")
                    ),
                    "code": identity.of_code(type(plugin)),
                    "weights": read_manifest(plugin.weights).sha256 if plugin.weights else None,
                }
                for name, plugin in self.reconstructors.items()
            },
            "selection": [cut.provenance for cut in self.selection],
            "histograms": [repr(spec) for spec in self.histograms],
            "variations": [
                {**identity.of_value(variation), "code": identity.of_code(type(variation))}
                for variation in self.variations
            ],
            "columns": self.columns.format if self.columns else None,
            "objects": identity.of_value(self.objects),
            "bindings": identity.of_value(self.bound),
            "device": self.device,
        }

    @property
    def fingerprint(self) -> str:
        """Hash of the provenance: results of chunks with another fingerprint must not be mixed.

        Luminosity and cross-sections are not in it: they are applied at the end of a run.
        """
        return identity.digest(self.provenance)

    def process(self, events: ak.Array) -> Output:
        """One chunk: its histograms, not yet normalised, and its report."""
        return self.process_chunk(events)[0]

    def process_chunk(self, events: ak.Array) -> tuple[Output, NDArray[np.bool_]]:
        """What :meth:`process` gives of a chunk, and which of its events pass the selection in some variation."""
        with _one_thread_of_a_worker():
            self.setup()
            return self._process(events)

    def _process(self, events: ak.Array) -> tuple[Output, NDArray[np.bool_]]:
        meta = events.metadata
        chunk = Chunk(meta["dataset"], meta["filename"], meta["entrystart"], meta["entrystop"])
        weight, usable = self._weights(events)
        before = filters(events)
        passed: dict[str, dict[str, NDArray[np.bool_]]] = {}
        selected: dict[str, ak.Array] = {}
        weights: dict[str, NDArray[np.float32]] = {}
        without_answer: dict[str, dict[str, int]] = {}
        partly: dict[str, dict[str, int]] = {}
        for variation in self.variations:
            try:
                varied = variation(events, missing_momenta=self.missing_momenta)
                varied = self._with_objects(varied, period=meta.get("period", ""))
                passed[variation.name] = cut_flow(varied, self.selection, finite=usable, filters=before)
                mask = last(passed[variation.name])
                weights[variation.name] = weight[mask]
                selected[variation.name], missing, lacking = self._reconstruct(varied[mask], weight[mask], chunk)
            except BaseException as error:
                place = f"dataset {chunk.dataset!r}, {chunk.file}, entries [{chunk.start}, {chunk.stop})"
                (error.__cause__ or error).add_note(f"{place}, variation {variation.name!r}")
                raise
            without_answer, partly = without_answer or missing, partly or lacking
        histograms, overflow = fill_all(self.histograms, selected, weights=weights, dataset=chunk.dataset)
        histograms[CUTFLOW] = fill_cutflow(passed, weights=weight, dataset=chunk.dataset)
        report = RunReport(
            processed=ProcessedChunks([chunk]),
            sum_of_weights={chunk.dataset: float(weight.sum(dtype=np.float64))},
            cross_section={chunk.dataset: meta["cross_section"]} if "cross_section" in meta else {},
            period={chunk.dataset: meta.get("period", "")},
            without_answer={chunk.dataset: without_answer},
            partly_missing={chunk.dataset: partly},
            overflow=overflow,
            columns=self._write(selected[NOMINAL.name], weights[NOMINAL.name], chunk),
            **account(events, before, selected=last(passed[NOMINAL.name])),
        )
        return {"histograms": histograms, "report": report}, np.any([last(flow) for flow in passed.values()], axis=0)

    def selected(self, events: ak.Array, plugin: str) -> EventBatch:
        """What a plugin is given of these events: of those that pass the selection, in the nominal variation."""
        weight, usable = self._weights(events)
        events = self._with_objects(events, period=events.metadata.get("period", ""))
        mask = last(cut_flow(events, self.selection, finite=usable, filters=filters(events)))
        inputs = self.reconstructors[plugin].inputs
        return Converter(events[mask], weight[mask])(inputs, bound=self.bound[plugin])[0]

    def _with_objects(self, events: ak.Array, *, period: str) -> ak.Array:
        return select_objects(events, self.objects, fields=self._fields_of_objects, period=period)

    @cached_property
    def _fields_of_objects(self) -> dict[str, tuple[str, ...]]:
        return fields_asked_for(self._named.required, self.objects)

    def postprocess(self, accumulator: Output) -> Output:
        """Order the categories and normalise to luminosity, once all chunks are added."""
        report: RunReport = accumulator["report"]
        report.warnings |= set(find_duplicates(report))
        histograms = {name: sort_categories(histogram) for name, histogram in accumulator["histograms"].items()}
        report.scale, warnings = self._scales(report, histograms)
        report.warnings |= {*warnings, *overflow_warnings(self.histograms, report.overflow)}
        for histogram in histograms.values():
            for row, dataset in enumerate(histogram.axes["dataset"]):
                view = histogram.view(flow=True)[row]
                view["value"] *= report.scale[dataset]
                view["variance"] *= report.scale[dataset] ** 2
        return {"histograms": histograms, "report": report}

    def check_dataset(self, dataset: Dataset) -> None:
        """Refuse a cross-section where there is no luminosity, and a period for which a tag has no working point."""
        if dataset.period and self.luminosities and dataset.period not in self.luminosities:
            raise ConfigError(
                f"dataset {dataset.name!r} is of the period {dataset.period!r}, which has no luminosity",
                f"the periods are {', '.join(self.luminosities)}",
            )
        if dataset.cross_section is not None and self.luminosity_of(dataset.period) is None:
            raise ConfigError(
                f"dataset {dataset.name!r} has a cross-section, but there is no luminosity", "give luminosity in fb⁻¹"
            )
        for selection in self.objects.values():
            for tag in selection.tags.values():
                tag.threshold(dataset.period)

    def luminosity_of(self, period: str) -> float | None:
        """To which a dataset of this data-taking period is normalised, in fb⁻¹."""
        return self.luminosities.get(period, self.luminosity)

    def _scales(self, report: RunReport, histograms: Mapping[str, Any]) -> tuple[dict[str, float], list[str]]:
        """What each dataset is multiplied by, and warnings."""
        found = {}
        for name, total in report.sum_of_weights.items():
            every = histograms[CUTFLOW][{"dataset": name, "variation": NOMINAL.name, "cut": "all"}]
            found[name] = normalisation(
                name,
                cross_section=report.cross_section.get(name),
                luminosity=self.luminosity_of(report.period.get(name, "")),
                sum_of_weights=total,
                sum_of_squares=every.variance,
            )
        return {name: scale for name, (scale, _) in found.items()}, [said for _, said in found.values() if said]

    def _weights(self, events: ak.Array) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
        """Generator weights, and whether they and all momenta in use are finite; a non-finite weight becomes 0."""
        if WEIGHT in events.fields and not events.metadata.get("data"):
            weight = generator_weights(events)
        elif events.metadata.get("cross_section") is None:
            weight = np.ones(len(events), dtype=np.float32)
        else:
            raise DatasetError(
                f"{events.metadata['filename']}: no branch 'genWeight', which a dataset with a cross-section needs",
                "take cross_section out of the dataset if it is data",
            )
        read = [path for plugin in self.reconstructors.values() for path in momentum_columns(plugin.inputs)]
        selected = [f"{name}.{coordinate}" for name in self.objects for coordinate in MOMENTUM]
        cut = [name for cut in self.selection for name in cut.momentum_columns]
        momenta = stored_columns((*cut, *read, *selected), self.objects)
        usable = np.isfinite(weight)
        return np.where(usable, weight, np.float32(0)), usable & finite(events, momenta)

    def _reconstruct(
        self, events: ak.Array, weight: NDArray[np.float32], chunk: Chunk
    ) -> tuple[ak.Array, dict[str, dict[str, int]], dict[str, dict[str, int]]]:
        """The events with every plugin's columns; how many each plugin had no answer for, by reason; by column."""
        missing, lacking = {}, {}
        convert = Converter(events, weight)
        for name, plugin in self.reconstructors.items():
            if name in events.fields:
                raise ConfigError(
                    f"{name!r} names a plugin's columns and a branch of {chunk.file}", "rename the plugin's table"
                )
            batch, enough = convert(plugin.inputs, bound=self.bound[name])
            columns = _guarded(plugin, batch.to(self.device), name=name, chunk=chunk)
            stored = {key: collections_of(value, self.objects)[0] for key, value in self.bound[name].items()}
            record = attachable(
                columns, columns=plugin.outputs, batch=batch, enough=enough, events=events, plugin=name, stored=stored
            )
            events = ak.with_field(events, record, name)
            lacking[name] = partly_missing(columns, columns=plugin.outputs, batch=batch)
            counts = np.bincount(ak.to_numpy(record[REASON]), minlength=len(Reason)).tolist()
            missing[name] = {reason.name.lower(): counts[reason] for reason in Reason if reason}
        return events, missing, lacking

    def _write(self, events: ak.Array, weight: NDArray[np.float32], chunk: Chunk) -> set[str]:
        if self.columns is None:
            return set()
        return {self.columns(events, plugins=self.reconstructors, weight=weight, chunk=chunk)}


def _guarded(plugin: Reconstructor, batch: Any, *, name: str, chunk: Chunk) -> Mapping[str, torch.Tensor]:
    """Run a plugin; whatever it raises becomes a PluginError.

    An OSError is not its cause, because coffea drops a chunk in silence when one stands anywhere in the chain and bad
    files are skipped.
    """
    try:
        with torch.no_grad():
            return plugin.reconstruct(batch)
    except (HepRecoError, KeyboardInterrupt):
        raise
    except BaseException as error:
        problem = f"plugin {name!r} raised {what_was_raised(error)}"
        cause = None if isinstance(error, OSError) else error
    raise PluginError(
        f"{problem} on {chunk.file} [{chunk.start}, {chunk.stop})", "run 'hepreco plugins check', tell its author"
    ) from cause


@contextmanager
def _one_thread_of_a_worker() -> Iterator[None]:
    """One thread of torch in a worker process, so that processes do not fight for cores; then as many as before."""
    before = torch.get_num_threads()
    if multiprocessing.parent_process() is not None:
        torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


@lru_cache(maxsize=256)
def _set_up(reconstructor: Reconstructor, device: str) -> None:
    """Once per process and plugin."""
    if torch.device(device).type == "cuda" and not torch.cuda.is_available():
        raise ConfigError(
            f"device {device!r} was asked for, and there is none", "use --device cpu, or a machine with a GPU"
        )
    reconstructor.setup(device)


def _unique(names: list[str], what: str) -> None:
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise ConfigError(f"two {what} are named {twice[0]!r}", "give each its own name")
