"""``hepreco run``: runs an analysis."""

import json
import signal
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from threading import current_thread, main_thread
from typing import Any, Final, cast, get_args

import click
from coffea.processor.executor import ExecutorBase

from hepreco.cli import results
from hepreco.cli.answers import run_document
from hepreco.cli.console import answer, fail, format_option, on_terminal, say
from hepreco.cli.output import OutputDirectory, claim, writing
from hepreco.cli.samples import datasets_of
from hepreco.config import AnalysisConfig, override_files, read_config
from hepreco.errors import ConfigError, IncompleteRunError
from hepreco.events import Dataset
from hepreco.events.reading import TIMEOUT
from hepreco.histograms import write_histograms
from hepreco.processing import ColumnWriter, ReconstructionProcessor, RunReport, make_executor, prepare, process
from hepreco.processing.functions import send_by_value
from hepreco.processing.runner import ExecutorName
from hepreco.processing.skims import SkimWriter
from hepreco.processing.stored_results import StoredResults

#: Largest --timeout, in seconds.
LONGEST_WAIT: Final = 1e6
#: Number of reasons of failures that are printed; the report has all.
SHOWN: Final = 20


def _positive(_: click.Context, __: click.Parameter, seconds: float) -> float:
    if not 0 < seconds <= LONGEST_WAIT:  # also false for NaN
        raise click.BadParameter(f"{seconds} is not a number of seconds between 0 and {LONGEST_WAIT:g}")
    return seconds


@click.command()
@click.argument("config", type=click.Path(path_type=Path))
@click.option("--output", type=click.Path(path_type=Path), required=True, help="Directory for all results.")
@click.option(
    "--files",
    multiple=True,
    metavar="[NAME=]PATH",
    help="A path, quoted glob or address to read instead of the configured datasets; may be repeated.",
)
@click.option(
    "--executor",
    type=click.Choice(get_args(ExecutorName)),
    default="iterative",
    show_default=True,
    help="How to run: in this process, in several processes, or on a Dask cluster.",
)
@click.option(
    "--workers",
    type=click.IntRange(min=1),
    default=2,
    show_default=True,
    help="Number of processes of futures and dask.",
)
@click.option(
    "--scheduler", metavar="ADDRESS", help="Address of a running Dask scheduler; by default a local cluster is started."
)
@click.option("--chunksize", type=click.IntRange(min=1), default=100_000, show_default=True, help="Events per chunk.")
@click.option("--skip-bad-files", is_flag=True, help="Report files that cannot be read, and continue.")
@click.option(
    "--timeout",
    type=float,
    callback=_positive,
    default=TIMEOUT,
    show_default=True,
    help="Time limit in seconds for opening a file or reading a chunk of it.",
)
@click.option("--resume", is_flag=True, help="Continue an interrupted run.")
@click.option(
    "--write-columns", type=click.Choice(["parquet", "root"]), help="Write the outputs of all plugins per event."
)
@click.option("--write-skim", is_flag=True, help="Write the selected events as NanoAOD, with their sums of weights.")
@click.option("--no-figures", is_flag=True, help="Skip figures and studies; 'hepreco plot' makes them later.")
@click.option("--device", default="cpu", show_default=True, help="Device of the plugins: cpu or cuda.")
@format_option
def run(config: Path, output: Path, files: tuple[str, ...], **options: Any) -> None:
    """Run the analysis described in the TOML file CONFIG.

    Writes histograms.zip (UHI), figures, report.json and studies.json into the output directory. The exit status is 0
    when every chunk was processed (or skipped on request), 1 when some are missing, 2 on an error, 130 when it was
    interrupted.
    """
    analysis = read_config(config)
    analysis.check_studies()
    if options["scheduler"]:
        send_by_value(config.parent)
    tables = override_files(analysis.datasets, files) if files else analysis.datasets
    if not tables:
        raise ConfigError(f"{config} names no datasets", "add a table [datasets.<name>], or use --files")
    with claim(output) as directory, _interruptible():
        with _executor(options) as executor:
            datasets = datasets_of(tables, directory.path, executor=executor)
            processor = _processor(analysis, directory, columns=options["write_columns"], device=options["device"])
            result = _processed(processor, datasets, directory, executor, options)
        report: RunReport = result["report"]
        labels = {dataset.name: dataset.label or dataset.name for dataset in datasets}
        provenance = {
            **processor.provenance,
            "luminosity": analysis.luminosity,
            "luminosities": analysis.luminosities,
            "config": config.name,
            "labels": labels,
            "processes": analysis.processes_of(labels),
            "data": [dataset.name for dataset in datasets if dataset.data],
            "periods": {dataset.name: dataset.period for dataset in datasets if dataset.period},
        }
        _write(directory, result, provenance)
        results.show_report(report, result["histograms"])
        if report.processed and not options["no_figures"]:
            results.draw(directory, result["histograms"], analysis, provenance=provenance)
        directory.finish({"columns": report.columns, "skims": report.skims})
        say(f"results: {directory.path}")
        _finish(report, directory, skip_bad_files=options["skip_bad_files"])
    if options["output_format"] == "json":
        answer(run_document(directory.path, histograms=result["histograms"]))


def _executor(options: Mapping[str, Any]) -> AbstractContextManager[ExecutorBase]:
    return make_executor(
        cast(ExecutorName, options["executor"]),
        workers=options["workers"],
        scheduler=options["scheduler"],
        status=on_terminal(),
    )


def _processed(
    processor: ReconstructionProcessor,
    datasets: list[Dataset],
    directory: OutputDirectory,
    executor: ExecutorBase,
    options: Mapping[str, Any],
) -> dict[str, Any]:
    """Prepare the run, then remove results of earlier runs, and process the chunks."""
    plan = prepare(
        processor,
        datasets,
        executor=executor,
        chunksize=options["chunksize"],
        skip_bad_files=options["skip_bad_files"],
        timeout=options["timeout"],
        memory=directory.memory,
        skims=SkimWriter(directory.skims) if options["write_skim"] else None,
    )
    directory.begin(plan.writes, resume=options["resume"])
    return process(plan, executor=executor, checkpoints=directory.checkpoints, timeout=options["timeout"])


@contextmanager
def _interruptible() -> Iterator[None]:
    """On an interrupt or SIGTERM, for example of a batch system, print how to continue, and exit with its status."""
    received = [signal.SIGINT]

    def interrupt(number: int, _: object) -> None:
        received.append(signal.Signals(number))
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, interrupt) if current_thread() is main_thread() else None
    try:
        yield
    except KeyboardInterrupt:
        problem, remedy = "interrupted: what is finished is kept", "run the same command with --resume"
        fail(problem, remedy, kind="Interrupted", status=128 + received[-1], prefix="")
    finally:
        if before is not None:
            signal.signal(signal.SIGTERM, before)


def _processor(
    analysis: AnalysisConfig, directory: OutputDirectory, *, columns: str | None, device: str
) -> ReconstructionProcessor:
    return ReconstructionProcessor(
        analysis.reconstructors(),
        selection=analysis.selection,
        histograms=analysis.histograms,
        variations=analysis.variations,
        luminosity=analysis.luminosity,
        luminosities=analysis.luminosities,
        device=device,
        columns=ColumnWriter(directory.columns, columns) if columns else None,  # type: ignore[arg-type]
        objects=analysis.objects,
        bindings=analysis.bindings(),
        corrections=analysis.applied_corrections(),
        regions=analysis.regions,
        cuts=analysis.cuts,
        observables=analysis.observables,
    )


def _write(directory: OutputDirectory, result: dict[str, Any], provenance: dict[str, Any]) -> None:
    directory.making("histograms.zip", "report.json")
    report = {**result["report"].as_json(), "provenance": provenance}
    with writing(directory.path):
        write_histograms(directory.path / "histograms.zip", result["histograms"], provenance=provenance)
        (directory.path / "report.json").write_text(json.dumps(report, indent=2))


def _finish(report: RunReport, directory: OutputDirectory, *, skip_bad_files: bool) -> None:
    tolerated = {"unreadable"} if skip_bad_files else set()
    serious = [failure for failure in report.failures if failure.kind not in tolerated]
    if not serious:
        StoredResults(directory.checkpoints).clear()
        return
    reasons = sorted({f"{failure.reason}\n    what to do: {failure.remedy}" for failure in serious})
    listed = "\n".join(f"  - {reason}" for reason in reasons[:SHOWN])
    more = f"\n  and {len(reasons) - SHOWN} other reasons" if len(reasons) > SHOWN else ""
    raise IncompleteRunError(
        f"{len(serious)} chunks are missing from the histograms (report.json lists them):\n{listed}{more}",
        "remove the cause, then run the same command with --resume",
    )
