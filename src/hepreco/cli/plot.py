"""``hepreco plot``: draw the results of a run again."""

from pathlib import Path

import click

from hepreco.cli import results
from hepreco.cli.console import say
from hepreco.cli.output import claim
from hepreco.config import AnalysisConfig, read_config
from hepreco.histograms import read_histograms


@click.command()
@click.argument("output", type=click.Path(path_type=Path))
@click.option(
    "--config",
    type=click.Path(path_type=Path),
    help="TOML file with mass peaks and ROC curves to measure, and [figures].",
)
def plot(output: Path, config: Path | None) -> None:
    """Draw the figures of the run in directory OUTPUT again, from its histograms.zip."""
    stored = read_histograms(output / "histograms.zip")
    analysis = read_config(config) if config else AnalysisConfig()
    analysis.check_studies(stored.histograms)
    with claim(output) as directory:
        results.draw(directory, stored.histograms, analysis, provenance=stored.provenance)
    say(f"figures: {output / 'figures'}")
