"""The coffea processor: select, reconstruct, fill."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from importlib.metadata import version
from itertools import chain
from typing import Any, Final

import awkward as ak
import numpy as np
from coffea import processor
from numpy.typing import NDArray

from hepreco.conventions import check_positive
from hepreco.errors import ConfigError, DatasetError
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
from hepreco.events.paths import ColumnPath
from hepreco.events.selections import (
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
from hepreco.plugin import Correction, Reconstructor
from hepreco.plugin.columns import REASON
from hepreco.plugin.options import closest
from hepreco.processing import identity
from hepreco.processing.attachment import momenta_of, one_thread_of_a_worker, set_up, with_columns
from hepreco.processing.columns_out import ColumnWriter, check_column_names
from hepreco.processing.corrections import AppliedCorrection, Corrections
from hepreco.processing.duplicates import find_duplicates
from hepreco.processing.functions import Observable
from hepreco.processing.order import in_order
from hepreco.processing.report import Chunk, ProcessedChunks, RunReport
from hepreco.processing.selection import AnyCut, Cut, Flow, Region, check_regions, cut_flow
from hepreco.weights import read_card

Output = dict[str, Any]
CUTFLOW: Final = "cutflow"
OBSERVABLES: Final = "observables"


@dataclass(frozen=True)
class Answered:
    """Selected events of one variation of objects, with the columns of plugins.

    Parameters
    ----------
    events
        Events with the columns of plugins and with observables.
    weights
        Weights by variation: for this variation of objects, and for the variations of weights alone.
    regions
        Whether each event is in each region.
    flows
        For each region and each of its cuts, which of all events pass it and all earlier ones.
    without_answer, partly_missing
        Counts of missing answers, as in :class:`~hepreco.processing.RunReport`.
    """

    events: ak.Array
    weights: dict[str, NDArray[np.float32]]
    regions: dict[str, NDArray[np.bool_]]
    flows: dict[str, Flow]
    without_answer: dict[str, dict[str, int]]
    partly_missing: dict[str, dict[str, int]]


class ReconstructionProcessor(processor.ProcessorABC):  # type: ignore[misc]
    """Selects NanoAOD events, runs reconstructors on them, and fills histograms.

    The output is ``{"histograms": {name: hist.Hist}, "report": RunReport}``, with the weighted cut flow among the
    histograms.

    Parameters
    ----------
    reconstructors
        Plugins by the field name under which their columns are attached to the events (``events.<name>``).
    selection
        Cuts, applied in order. Events with non-finite momenta in collections that a cut or plugin reads are cut first,
        and counted.
    histograms
        Histograms in addition to the default ones of the reconstructors' columns. One with the name of a default
        histogram replaces it.
    variations
        Variations in addition to the nominal one; each is carried through selection and plugins.
    luminosity
        Integrated luminosity in fb⁻¹, to which datasets with a cross-section are normalised.
    luminosities
        Integrated luminosity in fb⁻¹ of each data-taking period, for datasets of these periods.
    device
        The device on which plugins compute.
    columns
        Writes every plugin's columns per event.
    objects
        Selected objects by name, for cuts, histograms and plugins. They are selected again for every variation.
    bindings
        Selected objects that a plugin reads instead of its own selection: by the plugin's field name, the name of the
        objects for each of its roles, such as ``{"chi2_assigner": {"jets": "jets"}}``. A column of four-vectors of
        another plugin, such as ``chi2_assigner.top``, may be read like objects.
    corrections
        Corrections by the names of their tables, in order. Object corrections run before objects are selected, weight
        corrections on selected events.
    regions
        Combinations of ``cuts`` by name; histograms then have an axis ``region``.
    cuts
        The cuts that regions combine. They may read columns of plugins.
    observables
        Your own functions, computed from selected events after the plugins.
    """

    def __init__(
        self,
        reconstructors: Mapping[str, Reconstructor] | None = None,
        *,
        selection: Sequence[AnyCut] = (),
        histograms: Sequence[HistogramSpec] = (),
        variations: Sequence[Variation] = (),
        luminosity: float | None = None,
        luminosities: Mapping[str, float] | None = None,
        device: str = "cpu",
        columns: ColumnWriter | None = None,
        objects: Mapping[str, ObjectSelection] | None = None,
        bindings: Mapping[str, Mapping[str, str]] | None = None,
        corrections: Mapping[str, Correction | AppliedCorrection] | None = None,
        regions: Mapping[str, Region] | None = None,
        cuts: Sequence[AnyCut] = (),
        observables: Sequence[Observable] = (),
    ) -> None:
        self.objects = dict(objects or {})
        self.reconstructors, self.bound = in_order(reconstructors or {}, self.objects, bindings or {})
        self.selection, self.cuts = tuple(selection), tuple(cuts)
        self.observables = tuple(observables)
        self.regions = dict(regions or {})
        check_regions(self.regions, self.cuts)
        self.corrections = Corrections(corrections or {})
        specs = {spec.name: spec for spec in (*default_histograms(self.reconstructors), *histograms)}
        self.histograms = tuple(specs.values())
        self.variations = (NOMINAL, *variations)
        for spec in self.histograms:
            self._require_columns(spec)
        names = [each.name for each in self.variations]
        names += [*self.corrections.object_variations, *self.corrections.weight_variations]
        check_memory(self.histograms, variations=len(names), regions=len(self.regions) or 1)
        self.missing_momenta = missing_momenta(
            self.variations,
            inputs={name: plugin.inputs for name, plugin in self.reconstructors.items()},
            columns={f"histogram {spec.name!r}": spec.reads for spec in self.histograms}
            | {f"cut {cut.name!r}": cut.momentum_columns for cut in (*self.selection, *self.cuts)},
            functions=any(not isinstance(part, Cut) for part in (*self.selection, *self.cuts, *self.observables)),
        )
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
        _unique([cut.name for cut in (*selection, *cuts)] + ["all", "finite momenta", *FILTERS], "cuts")
        flows = [CUTFLOW, *map(_cutflow_of, self.regions)]
        _unique([spec.name for spec in histograms] + flows, "histograms")
        for cut in selection:
            if isinstance(cut, Cut) and self._is_made(cut.collection):
                raise ConfigError(
                    f"cut {cut.name!r} of the selection reads {cut.collection!r}, which is computed after it",
                    "move the cut to [[cuts]], and name it in a region",
                )
        _unique(names, "variations")
        _unique([each.name for each in self.observables], "observables")

    def _require_columns(self, spec: HistogramSpec) -> None:
        """Refuse a histogram of a column that its plugin does not have, before any event is read."""
        if unknown := [name for name in spec.regions if name not in self.regions]:
            raise ConfigError(
                f"histogram {spec.name!r} names the region {unknown[0]!r}", closest(unknown[0], self.regions)
            )
        for path in spec.reads:
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
        self.corrections.setup()
        set_up(self.reconstructors, self.device)

    def reads(self, dataset: str = "", *, is_data: bool = False) -> Columns:
        """The columns that are read from the files of a dataset; by default of any simulated one."""
        corrections = tuple(self.corrections.reads(dataset, is_data=is_data))
        columns = self._named | Columns(tuple(path for path in corrections if not self._is_made(path)))
        return replace(
            columns,
            required=stored_columns(columns.required, self.objects),
            optional=stored_columns(columns.optional, self.objects),
        )

    def _is_made(self, path: str) -> bool:
        """Whether a column is made by a plugin or is an observable, and is not in the files."""
        name = ColumnPath.parse(path).names[0]
        return name in self.reconstructors or name == OBSERVABLES

    @cached_property
    def _named(self) -> Columns:
        """The columns of files and of selected objects that are read, without those of corrections."""
        paths = [path for spec in self.histograms for path in spec.reads]
        columns = Columns((*paths, *definitions(self.objects)))
        columns |= Columns(optional=tuple(f"{met}.{name}" for met in self.missing_momenta for name in ("pt", "phi")))
        for name, plugin in self.reconstructors.items():
            columns |= of_inputs(plugin.inputs, bound=self.bound[name])
        for part in (*self.selection, *self.cuts, *self.observables, *self.variations):
            columns |= part.reads
        return replace(columns, required=tuple(path for path in columns.required if not self._is_made(path)))

    @property
    def provenance(self) -> dict[str, Any]:
        """All that determines the result: code, versions, options, and hashes of weights."""
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
                    "weights": read_card(plugin.weights).sha256 if plugin.weights else None,
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
            "corrections": {name: each.provenance for name, each in self.corrections.applied.items()},
            "regions": identity.of_value(self.regions),
            "cuts": [cut.provenance for cut in self.cuts],
            "observables": [each.provenance for each in self.observables],
            "objects": identity.of_value(self.objects),
            "bindings": identity.of_value(self.bound),
            "device": self.device,
        }

    @property
    def fingerprint(self) -> str:
        """Hash of the provenance; results with different fingerprints must not be combined.

        It does not contain luminosity and cross-sections, which are applied at the end of a run.
        """
        return identity.digest(self.provenance)

    def process(self, events: ak.Array) -> Output:
        """One chunk: its histograms, not yet normalised, and its report."""
        return self.process_chunk(events)[0]

    def process_chunk(self, events: ak.Array) -> tuple[Output, NDArray[np.bool_]]:
        """The output of :meth:`process`, and which events pass the selection in some variation."""
        with one_thread_of_a_worker():
            self.setup()
            return self._process(events)

    def _process(self, events: ak.Array) -> tuple[Output, NDArray[np.bool_]]:
        meta = events.metadata
        chunk = Chunk(meta["dataset"], meta["filename"], meta["entrystart"], meta["entrystop"])
        weight, usable = self._weights(events)
        before = filters(events)
        passed: dict[str, Flow] = {}
        in_regions: dict[str, dict[str, Flow]] = {name: {} for name in self.regions}
        filled: dict[str, Answered] = {}
        name = NOMINAL.name
        try:
            for name, varied in self._varied(events):
                passed[name] = cut_flow(varied, self.selection, finite=usable, filters=before)
                answered = self._answered(varied, list(passed[name].values())[-1], weight, name)
                for region, flow in answered.flows.items():
                    in_regions[region][name] = passed[name] | flow
                filled |= dict.fromkeys(answered.weights, answered)
        except BaseException as error:
            place = f"dataset {chunk.dataset!r}, {chunk.file}, entries [{chunk.start}, {chunk.stop})"
            (error.__cause__ or error).add_note(f"{place}, variation {name!r}")
            raise
        nominal = filled[NOMINAL.name]
        for name in self.corrections.object_variations:
            if name in passed:
                continue
            filled[name] = replace(nominal, weights={name: nominal.weights[NOMINAL.name]})
            for flows in (passed, *in_regions.values()):
                flows[name] = flows[NOMINAL.name]
        histograms, overflow = fill_all(
            self.histograms,
            {name: each.events for name, each in filled.items()},
            weights={name: each.weights[name] for name, each in filled.items()},
            regions={name: each.regions for name, each in filled.items()} if self.regions else {},
            dataset=chunk.dataset,
        )
        histograms[CUTFLOW] = fill_cutflow(passed, weights=weight, dataset=chunk.dataset)
        for region, flows in in_regions.items():
            histograms[_cutflow_of(region)] = fill_cutflow(flows, weights=weight, dataset=chunk.dataset)
        applied = self.corrections.names(chunk.dataset, is_data=meta.get("data", False))
        report = RunReport(
            processed=ProcessedChunks([chunk]),
            sum_of_weights={chunk.dataset: float(weight.sum(dtype=np.float64))},
            cross_section={chunk.dataset: meta["cross_section"]} if "cross_section" in meta else {},
            period={chunk.dataset: meta.get("period", "")},
            without_answer={chunk.dataset: nominal.without_answer},
            partly_missing={chunk.dataset: nominal.partly_missing},
            corrections={chunk.dataset: applied} if self.corrections.applied else {},
            overflow=overflow,
            columns=self._write(nominal.events, nominal.weights[NOMINAL.name], chunk),
            **account(events, before, selected=list(passed[NOMINAL.name].values())[-1]),
        )
        return {"histograms": histograms, "report": report}, np.any(
            [list(flow.values())[-1] for flow in passed.values()], axis=0
        )

    def _varied(self, events: ak.Array) -> Iterator[tuple[str, ak.Array]]:
        """The events of each variation that changes objects, with corrected and selected objects; nominal first."""
        corrected = self.corrections.with_objects(events)
        _, nominal = next(corrected)
        shifted = ((each.name, each(nominal, missing_momenta=self.missing_momenta)) for each in self.variations)
        for name, varied in chain(shifted, corrected):
            yield name, self._with_objects(varied, period=events.metadata.get("period", ""))

    def _answered(
        self, events: ak.Array, selected: NDArray[np.bool_], weight: NDArray[np.float32], variation: str
    ) -> Answered:
        """Selected events of one variation with the columns of plugins, their weights and their regions.

        In each region the cuts that read no columns of plugins come first. Plugins run on events that pass these cuts
        of at least one region.
        """
        early = {cut.name: cut(events) for cut in self.cuts if self._is_early(cut)}
        flows = {name: region.flow(early, selected=selected) for name, region in self.regions.items()}
        ends = {name: [selected, *flow.values()][-1] for name, flow in flows.items()}
        wanted = np.logical_or.reduce(list(ends.values())) if ends else selected
        chosen, missing, lacking = with_columns(
            events[wanted],
            self.reconstructors,
            weight=weight[wanted],
            bound=self.bound,
            objects=self.objects,
            device=self.device,
        )
        if self.observables:
            found = {each.name: each(chosen) for each in self.observables}
            chosen = ak.with_field(chosen, ak.zip(found, depth_limit=1), OBSERVABLES)
        late = {cut.name: cut(chosen) for cut in self.cuts if cut.name not in early}
        inside = {}
        for name, region in self.regions.items():
            flow = region.flow(late, selected=ends[name][wanted])
            inside[name] = [ends[name][wanted], *flow.values()][-1]
            flows[name] |= {cut: _spread(mask, wanted) for cut, mask in flow.items()}
        weights = self.corrections.weights(chosen, weight[wanted], varied=variation == NOMINAL.name)
        weights = {name if name != NOMINAL.name else variation: each for name, each in weights.items()}
        return Answered(chosen, weights, inside, flows, missing, lacking)

    def _is_early(self, cut: AnyCut) -> bool:
        return isinstance(cut, Cut) and not self._is_made(cut.collection)

    def selected(self, events: ak.Array, plugin: str) -> EventBatch:
        """The input of a plugin for events that pass the selection, in the nominal variation."""
        weight, usable = self._weights(events)
        before, (_, events) = filters(events), next(self._varied(events))
        mask = list(cut_flow(events, self.selection, finite=usable, filters=before).values())[-1]
        inputs = self.reconstructors[plugin].inputs
        return Converter(events[mask], weight[mask])(inputs, bound=self.bound[plugin])[0]

    def _with_objects(self, events: ak.Array, *, period: str) -> ak.Array:
        return select_objects(events, self.objects, fields=self._fields_of_objects, period=period)

    @cached_property
    def _fields_of_objects(self) -> dict[str, tuple[str, ...]]:
        return fields_asked_for(self._named.required, self.objects)

    def postprocess(self, accumulator: Output) -> Output:
        """Sort the categories and normalise to the luminosity, after all chunks are added."""
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
        """Refuse a cross-section or period without a luminosity, and a period for which a tag has no working point."""
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
        """The integrated luminosity for datasets of a data-taking period, in fb⁻¹."""
        return self.luminosities.get(period, self.luminosity)

    def _scales(self, report: RunReport, histograms: Mapping[str, Any]) -> tuple[dict[str, float], list[str]]:
        """The factor that normalises each dataset, and warnings."""
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
        cut = [name for part in (*self.selection, *self.cuts, *self.observables) for name in part.momentum_columns]
        read = stored_columns((path for path in cut if not self._is_made(path)), self.objects)
        momenta = (*read, *momenta_of(self.reconstructors, self.objects))
        usable = np.isfinite(weight)
        return np.where(usable, weight, np.float32(0)), usable & finite(events, momenta)

    def _write(self, events: ak.Array, weight: NDArray[np.float32], chunk: Chunk) -> set[str]:
        if self.columns is None:
            return set()
        return {self.columns(events, plugins=self.reconstructors, weight=weight, chunk=chunk)}


def _cutflow_of(region: str) -> str:
    """Name of the histogram with the cut flow of a region."""
    return f"{CUTFLOW}.{region}"


def _spread(mask: NDArray[np.bool_], wanted: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """A mask of all events from one of the wanted events."""
    found = np.zeros(len(wanted), bool)
    found[wanted] = mask
    return found


def _unique(names: list[str], what: str) -> None:
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise ConfigError(f"two {what} are named {twice[0]!r}", "give each its own name")
