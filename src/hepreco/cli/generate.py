"""``hepreco generate`` and ``hepreco import``: simulated events in NanoAOD format or as Les Houches event files."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import click

from hepreco.cli.console import progress_bar, say
from hepreco.generation import PRESETS, Detector, Production, Sample, find_preset, import_lhe, write_sample


def _list_presets(context: click.Context, _: click.Parameter, asked: bool) -> None:
    if asked:
        for name, preset in PRESETS.items():
            say(f"{name:20} {preset.title}")
        context.exit()


@click.command()
@click.argument("process")
@click.option(
    "--list", is_flag=True, is_eager=True, expose_value=False, callback=_list_presets, help="List the samples."
)
@click.option("--events", type=click.IntRange(min=0), default=10_000, show_default=True, help="Number of events.")
@click.option("--seed", type=click.IntRange(min=0), default=1, show_default=True, help="Seed of random numbers.")
@click.option(
    "--output", type=click.Path(path_type=Path), help="A .root, .lhe or .lhe.gz file; PROCESS.root by default."
)
@click.option("--energy", default=13_000.0, show_default=True, help="Centre-of-mass energy of the beams in GeV.")
@click.option(
    "--densities",
    default="simple",
    show_default=True,
    help="Parton densities: simple, the name of a set or the path of a member in LHAPDF's format, or none.",
)
@click.option(
    "--cutoff", default=15.0, show_default=True, help="Largest distance of resonances from their poles, in widths."
)
@click.option("--pt-min", type=float, help="Smallest pt of final particles in GeV.")
@click.option("--eta-max", type=float, help="Largest absolute pseudorapidity of final particles.")
@click.option("--delta-r-min", type=float, help="Smallest ΔR of any two final particles.")
@click.option(
    "--mass-window", type=(float, float), help="Smallest and largest invariant mass of all final particles in GeV."
)
@click.option("--radiation", default=1.0, show_default=True, help="Mean number of jets of initial-state radiation.")
@click.option("--workers", type=click.IntRange(min=1), default=1, show_default=True, help="Number of processes.")
@click.option("--overwrite", is_flag=True, help="Replace a file that exists.")
def generate(
    process: str, events: int, seed: int, output: Path | None, workers: int, overwrite: bool, **options: Any
) -> None:
    """Generate events of PROCESS: the name of a sample, or a process in MadGraph's syntax.

    An interrupted command continues when it is repeated.
    """
    preset = find_preset(process)
    asked = {
        name: options[name] for name in ("pt_min", "eta_max", "delta_r_min", "mass_window") if options[name] is not None
    }
    sample = Sample(
        process,
        events,
        seed,
        energy=options["energy"],
        densities=options["densities"],
        cutoff=options["cutoff"],
        cuts=replace(preset.cuts, **asked) if asked else None,
        detector=Detector(radiation=options["radiation"]),
    )
    path = output or Path(f"{process if process in PRESETS else 'events'}.root")
    report(make_sample(sample, path, workers=workers, overwrite=overwrite), path)


@click.command("import")
@click.argument("source", type=click.Path(path_type=Path))
@click.option("--output", type=click.Path(path_type=Path), required=True, help="A .root file.")
@click.option("--seed", type=click.IntRange(min=0), default=1, show_default=True, help="Seed of the simulation.")
@click.option("--radiation", default=1.0, show_default=True, help="Mean number of jets of initial-state radiation.")
@click.option("--shower", is_flag=True, help="Parton shower by Pythia 8 with anti-kT jets, instead of --radiation.")
@click.option("--overwrite", is_flag=True, help="Replace a file that exists.")
def import_events(source: Path, output: Path, seed: int, radiation: float, shower: bool, overwrite: bool) -> None:
    """Convert the Les Houches event file SOURCE, of any program, to NanoAOD format."""
    detector = Detector(radiation=radiation)
    events = import_lhe(source, output, detector=detector, seed=seed, parton_shower=shower, overwrite=overwrite)
    say(f"{events} events of {source}: {output}")


def make_sample(sample: Sample, path: Path, *, workers: int = 1, overwrite: bool = False) -> Production:
    """Write a sample with a progress bar."""
    with progress_bar(f"Generating {path.stem}", total=sample.events) as advance:
        return write_sample(sample, path, workers=workers, overwrite=overwrite, progress=advance)


def report(production: Production, path: Path) -> None:
    """Print the properties of a sample."""
    say(f"{production.events} events: {path}")
    say(f"cross-section {production.cross_section}")
    say(
        f"unweighting efficiency {production.efficiency:.3g}, "
        f"{production.overweight:.2%} of the cross-section in weights above 1"
    )
