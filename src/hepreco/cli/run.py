"""``hepreco run``: the main job."""

import json
import shutil
from pathlib import Path
from typing import Any, cast, get_args

import click

from hepreco.cli import results
from hepreco.cli.answers import run_document
from hepreco.cli.console import answer, console, format_option, on_terminal
from hepreco.cli.generate import make_sample
from hepreco.config import AnalysisConfig, DatasetConfig, override_files, read_config
from hepreco.errors import ConfigError, IncompleteRunError, OutputError
from hepreco.events import Dataset
from hepreco.generation import is_written
from hepreco.histograms import write_histograms
from hepreco.processing import ColumnWriter, ReconstructionProcessor, RunReport, make_executor
from hepreco.processing import run as run_processor
from hepreco.processing.runner import ExecutorName


@click.command()
@click.argument("config", type=click.Path(path_type=Path))
@click.option("--output", type=click.Path(path_type=Path), required=True, help="Directory for all results.")
@click.option(
    "--files",
    multiple=True,
    metavar="[NAME=]PATH",
    help="Read these instead of the configured datasets: a path, quoted glob or address each; may be repeated.",
)
@click.option(
    "--executor",
    type=click.Choice(get_args(ExecutorName)),
    default="iterative",
    show_default=True,
    help="Where to run.",
)
@click.option(
    "--workers", type=click.IntRange(min=1), default=2, show_default=True, help="Processes of futures and dask."
)
@click.option("--scheduler", metavar="ADDRESS", help="A running Dask scheduler; by default one is embedded.")
@click.option("--chunksize", type=click.IntRange(min=1), default=100_000, show_default=True, help="Events per chunk.")
@click.option("--skip-bad-files", is_flag=True, help="Count files that cannot be read, and go on.")
@click.option("--resume", is_flag=True, help="Keep what an interrupted run has finished.")
@click.option("--write-columns", type=click.Choice(["parquet", "root"]), help="Write every plugin's outputs per event.")
@click.option("--no-figures", is_flag=True, help="Leave drawing and studies to a later 'hepreco plot'.")
@click.option("--device", default="cpu", show_default=True, help="Where plugins compute: cpu or cuda.")
@format_option
def run(config: Path, output: Path, files: tuple[str, ...], **options: Any) -> None:
    """Run the analysis described in the TOML file CONFIG.

    Writes histograms.zip (UHI), figures, report.json and studies.json into the output directory. The exit status is 0
    when every chunk was processed (or skipped on request), 1 when some are missing, 2 on an error.
    """
    output = output.resolve()
    analysis = read_config(config)
    analysis.check_studies()
    _prepare(output, resume=options["resume"])
    tables = override_files(analysis.datasets, files) if files else analysis.datasets
    datasets = [_dataset(name, table, output) for name, table in tables.items()]
    if not datasets:
        raise ConfigError(f"{config} names no datasets", "add a table [datasets.<name>], or use --files")
    processor = _processor(analysis, output, columns=options["write_columns"], device=options["device"])
    with make_executor(
        cast(ExecutorName, options["executor"]),
        workers=options["workers"],
        scheduler=options["scheduler"],
        status=on_terminal(),
    ) as executor:
        result = run_processor(
            processor,
            datasets,
            executor=executor,
            chunksize=options["chunksize"],
            skip_bad_files=options["skip_bad_files"],
            checkpoints=output / "checkpoints",
        )
    report: RunReport = result["report"]
    labels = {dataset.name: dataset.label or dataset.name for dataset in datasets}
    _write(output, result, {**processor.provenance, "config": config.name, "labels": labels})
    _remove_strays(output / "columns", report)
    results.show_report(report, result["histograms"])
    if report.processed and not options["no_figures"]:
        results.draw(output, result["histograms"], analysis, labels=labels)
    console.print(f"results: {output}", highlight=False)
    _finish(report, output, skip_bad_files=options["skip_bad_files"])
    if options["output_format"] == "json":
        answer(run_document(output, histograms=result["histograms"]))


def _prepare(output: Path, *, resume: bool) -> None:
    try:
        output.mkdir(parents=True, exist_ok=True)
        probe = output / ".writable"
        probe.touch()
        probe.unlink()
        (output / "studies.json").unlink(missing_ok=True)
        for stale in ("figures",) if resume else ("figures", "checkpoints", "columns"):
            shutil.rmtree(output / stale, ignore_errors=True)
    except OSError as error:
        raise OutputError(
            f"cannot write to {output}: {error.strerror}", "choose another directory for --output"
        ) from None


def _dataset(name: str, table: DatasetConfig, output: Path) -> Dataset:
    if table.sample is None:
        return table.dataset(name, table.files)
    if table.files:
        raise ConfigError(f"dataset {name!r} has both files and a sample", "keep one of them")
    path = output / "samples" / f"{name}.root"
    if not is_written(table.sample, path):
        make_sample(table.sample, path, overwrite=True)
    return table.dataset(name, (str(path),))


def _processor(analysis: AnalysisConfig, output: Path, *, columns: str | None, device: str) -> ReconstructionProcessor:
    return ReconstructionProcessor(
        analysis.reconstructors(),
        selection=analysis.selection,
        histograms=analysis.histograms,
        variations=analysis.variations,
        luminosity=analysis.luminosity,
        device=device,
        columns=ColumnWriter(output / "columns", columns) if columns else None,  # type: ignore[arg-type]
    )


def _write(output: Path, result: dict[str, Any], provenance: dict[str, Any]) -> None:
    write_histograms(output / "histograms.zip", result["histograms"], provenance=provenance)
    (output / "report.json").write_text(json.dumps({**result["report"].as_json(), "provenance": provenance}, indent=2))


def _remove_strays(columns: Path, report: RunReport) -> None:
    """Columns of chunks that are not in the result, from an interrupted run with other chunks."""
    for path in columns.rglob("*.*"):
        if path.is_file() and str(path.relative_to(columns)) not in report.columns:
            path.unlink()


def _finish(report: RunReport, output: Path, *, skip_bad_files: bool) -> None:
    tolerated = {"unreadable"} if skip_bad_files else set()
    serious = [failure for failure in report.failures if failure.kind not in tolerated]
    if not serious:
        shutil.rmtree(output / "checkpoints", ignore_errors=True)
        return
    reasons = sorted({f"{failure.reason}\n    what to do: {failure.remedy}" for failure in serious})
    listed = "\n".join(f"  - {reason}" for reason in reasons)
    raise IncompleteRunError(
        f"{len(serious)} chunks are missing from the histograms (report.json lists them):\n{listed}",
        "mend the cause, then run the same command with --resume",
    )
