"""``hepreco export`` and ``hepreco fit``: from the histograms of a run to a fit."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

import click
from rich.table import Table

from hepreco import inference, plotting
from hepreco.cli.console import answer, console, format_option, say
from hepreco.cli.output import OutputDirectory, claim, writing
from hepreco.config import AnalysisConfig, read_config
from hepreco.errors import ConfigError
from hepreco.histograms import read_histograms
from hepreco.inference.findings import MEANING
from hepreco.inference.fitting import as_json
from hepreco.inference.grouping import grouping

#: Places that the terminal shows for each kind of note; the JSON file has all.
SHOWN: Final = 4
_config = click.option(
    "--config", type=click.Path(path_type=Path), required=True, help="TOML file with the table [fit]."
)
_asimov = click.option("--asimov", is_flag=True, help="Use the sum of all processes instead of data.")


@dataclass(frozen=True)
class _Prepared:
    """The inputs of both commands."""

    config: inference.FitConfig
    analysis: AnalysisConfig
    grouping: inference.Grouping
    channels: tuple[inference.Channel, ...]
    notes: tuple[inference.Note, ...]
    workspace: dict[str, Any]


def _prepare(output: Path, config: Path, *, asimov: bool) -> _Prepared:
    analysis = read_config(config)
    if analysis.fit is None:
        raise ConfigError(f"{config} has no table [fit]", "add it; docs/how-to/fit.md shows how")
    stored = read_histograms(output / "histograms.zip")
    groups = grouping(stored.provenance)
    channels = inference.channels(stored.histograms, analysis.fit, groups)
    workspace = inference.workspace(channels, analysis.fit, asimov=asimov)
    return _Prepared(analysis.fit, analysis, groups, channels, inference.notes(channels), workspace)


@click.command()
@click.argument("output", type=click.Path(path_type=Path))
@_config
@_asimov
@format_option
def export(output: Path, config: Path, asimov: bool, output_format: str) -> None:
    """Write the templates of the run in directory OUTPUT for fitting programs.

    Writes workspace.json (for pyhf and cabinetry), templates.root and datacard.txt (for Combine), and notes.json into
    the directory fit of OUTPUT.
    """
    prepared = _prepare(output, config, asimov=asimov)
    names = ("workspace.json", "templates.root", "datacard.txt", "notes.json")
    card = inference.datacard(prepared.channels, prepared.config, file=names[1], asimov=asimov)
    with claim(output) as directory:
        place = _directory(directory, names)
        inference.write_root(
            place / names[1], inference.root_histograms(prepared.channels, prepared.config, asimov=asimov)
        )
        _write(place, {names[0]: prepared.workspace, names[2]: card, names[3]: _as_json(prepared.notes)})
    _show(prepared.notes)
    say(f"for pyhf, cabinetry and Combine: {place}")
    if output_format == "json":
        answer({"output": str(place), "files": names, "notes": _as_json(prepared.notes)})


@click.command()
@click.argument("output", type=click.Path(path_type=Path))
@_config
@_asimov
@click.option("--refit", is_flag=True, help="Compute impacts by fits, four for each parameter; this takes long.")
@click.option("--no-figures", is_flag=True, help="Skip figures.")
@format_option
def fit(output: Path, config: Path, asimov: bool, refit: bool, no_figures: bool, output_format: str) -> None:
    """Fit the histograms of the run in directory OUTPUT.

    Writes workspace.json, fit.json and figures into the directory fit of OUTPUT. It needs the extra "hepreco[fit]".
    """
    prepared = _prepare(output, config, asimov=asimov)
    result = inference.fit(prepared.workspace, refit=refit)
    document = {"asimov": asimov, **as_json(result), "notes": _as_json(prepared.notes)}
    with claim(output) as directory:
        place = _directory(directory, ("workspace.json", "fit.json"))
        _write(place, {"workspace.json": prepared.workspace, "fit.json": document})
        if not no_figures:
            _draw(directory, place, prepared, result, asimov=asimov)
    _show(prepared.notes)
    _show_result(result)
    say(f"results: {place}")
    if output_format == "json":
        answer(document)


def _directory(directory: OutputDirectory, names: Sequence[str]) -> Path:
    place = directory.path / "fit"
    directory.making(*(f"fit/{name}" for name in names))
    with writing(place):
        place.mkdir(exist_ok=True)
    return place


def _write(place: Path, contents: dict[str, Any]) -> None:
    with writing(place):
        for name, content in contents.items():
            text = content if isinstance(content, str) else json.dumps(content, indent=2)
            (place / name).write_text(text, "utf-8")


def _as_json(notes: Sequence[inference.Note]) -> list[dict[str, Any]]:
    return [{**asdict(note), "meaning": MEANING[note.kind]} for note in notes]


def _draw(directory: OutputDirectory, place: Path, prepared: _Prepared, result: inference.Fit, *, asimov: bool) -> None:
    options = prepared.analysis.figures
    drawn = plotting.fit_figures(result, options=options)
    for name, predictions in (("prefit", result.prefit), ("postfit", result.postfit)):
        for one, source in zip(prepared.channels, prepared.config.channels, strict=True):
            stack = plotting.stack_of_fit(
                one, predictions[one.name], data=one.values if asimov else one.data, uncertainty=f"{name} uncertainty"
            )
            drawn[f"{name}-{one.name}"] = plotting.stack_figure(
                stack, histogram=source.histogram, grouping=prepared.grouping, options=options
            )
    for name, figure in drawn.items():
        directory.making(*(f"fit/figures/{name}{suffix}" for suffix in (".png", ".pdf")))
        plotting.save_figure(figure, place / "figures" / name)


def _show(notes: Sequence[inference.Note]) -> None:
    """Print the notes on templates, by kind."""
    for kind in dict.fromkeys(note.kind for note in notes):
        places = [note.place for note in notes if note.kind == kind]
        more = f", and {len(places) - SHOWN} more" if len(places) > SHOWN else ""
        say(f"  {kind}: {', '.join(places[:SHOWN])}{more}")
        say(f"    {MEANING[kind]}")


def _show_result(result: inference.Fit) -> None:
    table = Table("parameter", "value", title="Fit")
    table.add_row(result.parameter, str(result.best))
    for name, value in result.values.items():
        if name != result.parameter and not name.startswith("staterror_"):
            table.add_row(name, str(value))
    console.print(table)
    good = "no degree of freedom is left" if result.goodness_of_fit is None else f"p = {result.goodness_of_fit:.3g}"
    say(f"goodness of fit: {good}")
