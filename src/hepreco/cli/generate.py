"""``hepreco generate``: toy samples in NanoAOD format."""

from pathlib import Path

import click

from hepreco.cli.console import console, progress_bar
from hepreco.generation import PROCESSES, Process, ToySample, write_toy


@click.command()
@click.argument("process", type=click.Choice(PROCESSES))
@click.option("--events", type=click.IntRange(min=0), default=10_000, show_default=True, help="How many.")
@click.option("--seed", type=int, default=1, show_default=True, help="One seed, one sample.")
@click.option("--output", type=click.Path(path_type=Path), help="ROOT file to write; PROCESS.root by default.")
def generate(process: Process, events: int, seed: int, output: Path | None) -> None:
    """Write a toy sample of PROCESS as a NanoAOD-format ROOT file."""
    path = output or Path(f"{process}.root")
    make_sample(ToySample(process, events, seed), path)
    console.print(f"{events} events of {process} (seed {seed}): {path}", highlight=False)


def make_sample(sample: ToySample, path: Path) -> Path:
    """Write a toy sample with a progress bar."""
    with progress_bar(f"Generating {path.stem}", total=sample.events) as advance:
        return write_toy(sample, path, progress=advance)
