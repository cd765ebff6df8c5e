"""Results of a run: tables on the terminal, and files of figures and studies."""

import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

import hist
import numpy as np
from rich.table import Table

from hepreco import plotting, studies
from hepreco.cli.console import console, say
from hepreco.cli.figures import figures, is_cutflow
from hepreco.cli.output import OutputDirectory
from hepreco.config import AnalysisConfig, MassPeakConfig
from hepreco.errors import StudyError
from hepreco.inference.grouping import grouping
from hepreco.processing import RunReport

#: Suffixes of the files of a figure.
SUFFIXES: Final = (".png", ".pdf")


def show_report(report: RunReport, histograms: Mapping[str, hist.Hist]) -> None:
    """Print the report of the run and the cut flow."""
    table = Table("dataset", "events", "Σw", "scale", "chunks not processed", title="Run report")
    for dataset in report.datasets:
        failed = [failure for failure in report.failures if failure.chunk.dataset == dataset]
        table.add_row(
            dataset,
            str(report.events(dataset)),
            f"{report.sum_of_weights.get(dataset, 0.0):.6g}",
            f"{report.scale.get(dataset, 1.0):.4g}",
            str(len(failed)),
        )
    console.print(table)
    for failure in sorted(report.failures, key=lambda failure: failure.chunk)[:20]:
        chunk = failure.chunk
        say(f"  not processed: {chunk.file} [{chunk.start}, {chunk.stop}): {failure.reason}")
    _show_data(report)
    for dataset, counts in sorted(report.without_answer.items()):
        for plugin, reasons in counts.items():
            why = ", ".join(f"{count} {reason.replace('_', ' ')}" for reason, count in reasons.items() if count)
            if why:
                events = f"{sum(reasons.values())} selected events"
                say(f"  {dataset}: {plugin} has no answer for {events} ({why})")
    for dataset, columns in sorted(report.partly_missing.items()):
        for plugin, lacking in columns.items():
            if lacking:
                which = ", ".join(f"{name} in {count}" for name, count in lacking.items())
                say(f"  {dataset}: {plugin} lacks values in selected events that it answers ({which})")
    for warning in sorted(report.warnings):
        say(f"  warning: {warning}")
    for name, histogram in histograms.items():
        if is_cutflow(histogram):
            _show_cutflow(histogram, region=name.partition(".")[2])


def _show_data(report: RunReport) -> None:
    for dataset, removed in sorted(report.removed.items()):
        for name, count in removed.items():
            if count:
                say(f"  {dataset}: {count} of {report.events(dataset)} events removed before the cuts ({name})")
    for dataset, luminosity in sorted(report.luminosity.items()):
        sections = len(report.lumi_sections[dataset])
        say(f"  {dataset}: {luminosity:.6g} fb⁻¹ in the {sections} luminosity sections that were processed")


def draw(
    output: OutputDirectory,
    histograms: Mapping[str, hist.Hist],
    analysis: AnalysisConfig,
    *,
    provenance: Mapping[str, Any],
) -> None:
    """Write figures (PNG and PDF) of all histograms, mass peaks and ROC curves, and the results of studies as JSON."""
    labels, groups = provenance.get("labels", {}), grouping(provenance)
    directory = output.path / "figures"
    directory.mkdir(exist_ok=True)
    peaks = [_peak_name(peak) for peak in analysis.mass_peaks]
    stems = [*peaks, *(["roc"] if analysis.rocs else [])]
    output.making("studies.json", *_files(*stems))
    for name, histogram in histograms.items():
        for stem, figure in figures(name, histogram, analysis=analysis, grouping=groups, labels=labels):
            output.making(*_files(stem))
            plotting.save_figure(figure, directory / stem)
    table = Table("study", "result", title="Studies")
    numbers = {
        "mass_peaks": [_mass_peak(peak, histograms, directory, table) for peak in analysis.mass_peaks],
        "rocs": _rocs(analysis, histograms, directory, table),
    }
    (output.path / "studies.json").write_text(json.dumps(numbers, indent=2, default=_plain))
    if table.row_count:
        console.print(table)


def _files(*stems: str) -> list[str]:
    return [f"figures/{stem}{suffix}" for stem in stems for suffix in SUFFIXES]


def _plain(value: object) -> object:
    return value.tolist() if isinstance(value, np.ndarray | np.generic) else str(value)


def _show_cutflow(cutflow: hist.Hist, *, region: str) -> None:
    datasets = list(cutflow.axes["dataset"])
    table = Table("cut", *datasets, title=f"Cut flow (nominal), region {region}" if region else "Cut flow (nominal)")
    nominal = cutflow[{"variation": "nominal"}]
    for cut in cutflow.axes["cut"]:
        cells = [nominal[{"dataset": dataset, "cut": cut}] for dataset in datasets]
        table.add_row(cut, *(f"{cell.value:.6g} ± {cell.variance**0.5:.2g}" for cell in cells))
    console.print(table)


def _mass_peak(
    config: MassPeakConfig, histograms: Mapping[str, hist.Hist], directory: Path, table: Table
) -> dict[str, object]:
    """Fit, draw and print one peak, or report that it cannot be fitted."""
    try:
        histogram = _nominal(histograms, config.histogram, config.dataset, config.region)
        peak = studies.mass_peak(histogram, window=config.window, fit_range=config.fit_range)
    except StudyError as error:
        table.add_row(f"{config.histogram}, {config.dataset}", f"not measured: {error.problem}")
        return {"histogram": config.histogram, "dataset": config.dataset, "not_measured": error.problem}
    plotting.save_figure(plotting.mass_peak_figure(histogram, peak), directory / _peak_name(config))
    table.add_row(
        f"{config.histogram}, {config.dataset}",
        f"position {peak.position} GeV, width {peak.width} GeV, "
        f"purity {peak.purity} in {config.window[0]:g}-{config.window[1]:g} GeV, χ²/ndof {peak.chi2:.1f}/{peak.ndof}",
    )
    return {"histogram": config.histogram, "dataset": config.dataset, **asdict(peak)}


def _peak_name(config: MassPeakConfig) -> str:
    return f"{config.histogram}-{config.dataset}-peak"


def _rocs(
    analysis: AnalysisConfig, histograms: Mapping[str, hist.Hist], directory: Path, table: Table
) -> list[dict[str, object]]:
    curves, numbers = {}, []
    for config in analysis.rocs:
        title = f"{config.histogram}, {config.signal} against {config.background}"
        try:
            curve = studies.roc(
                _nominal(histograms, config.histogram, config.signal, config.region),
                _nominal(histograms, config.histogram, config.background, config.region),
                higher_is_signal=config.higher_is_signal,
            )
            rejection = {str(eff): asdict(curve.background_rejection(eff)) for eff in (0.3, 0.5, 0.7)}
        except StudyError as error:
            table.add_row(title, f"not measured: {error.problem}")
            continue
        curves[title if config.histogram in curves else config.histogram] = curve
        table.add_row(title, f"AUC {studies.Value(curve.auc, curve.auc_uncertainty)}")
        numbers.append(
            {**asdict(config), "auc": curve.auc, "auc_uncertainty": curve.auc_uncertainty, "rejection": rejection}
        )
    if curves:
        plotting.save_figure(plotting.roc_figure(curves), directory / "roc")
    return numbers


def _nominal(histograms: Mapping[str, hist.Hist], name: str, dataset: str, region: str) -> hist.Hist:
    if name not in histograms:
        raise StudyError(f"there is no histogram {name!r}", f"choose one of {', '.join(histograms)}")
    chosen = {"dataset": dataset, "variation": "nominal"} | ({"region": region} if region else {})
    for axis, value in chosen.items():
        if axis not in histograms[name].axes.name or value not in histograms[name].axes[axis]:
            raise StudyError(f"histogram {name!r} has no {axis} {value!r}", f"choose a {axis} that was run")
    histogram = histograms[name][chosen]
    if histogram.ndim > 1:
        what = "regions" if "region" in histogram.axes.name else f"{histogram.ndim} axes"
        raise StudyError(f"histogram {name!r} has {what}", "name a region, and a histogram of one axis")
    return histogram
