"""Makes what the analysis reads: corrections, b-tagging efficiencies, and pseudo-data with a known cross-section.

    python analyses/ttbar_cross_section/scripts/prepare.py work

writes a copy of ``analysis.toml`` into the directory with all that it names. ``--scale 0.2`` makes a fifth of the
simulated events and of the luminosity, in a fraction of the time.
"""

import argparse
import re
import shutil
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

import awkward as ak
import numpy as np
import uproot
from corrections import DATA, write_corrections

from hepreco.cli.main import main as hepreco
from hepreco.config import AnalysisConfig, read_config
from hepreco.generation import write_sample
from hepreco.histograms import read_histograms
from hepreco_corrections import measure_efficiencies, write_efficiencies

HERE: Final = Path(__file__).parents[1]
#: By which tt̄ of the pseudo-data exceeds its cross-section in simulation.
SIGNAL_STRENGTH: Final = 1.15
#: Of the pseudo-data; simulation has seeds below 10.
SEED: Final = 1000
#: For a part of the events, less exact integrals are enough.
_QUICK: Final = "{ iterations = 2, points = 2000, last = 5000 }"


def main() -> None:
    """Prepare a directory."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("directory", type=Path)
    parser.add_argument("--scale", type=float, default=1.0, help="of simulated events and of the luminosity")
    arguments = parser.parse_args()
    prepare(arguments.directory, scale=arguments.scale)


def prepare(directory: Path, *, scale: float = 1.0) -> None:
    """Write configurations, corrections, efficiencies and pseudo-data."""
    directory.mkdir(parents=True, exist_ok=True)
    shutil.copy(HERE / "observables.py", directory)
    for name in ("analysis.toml", "efficiencies.toml"):
        (directory / name).write_text(scaled((HERE / name).read_text("utf-8"), scale), "utf-8")
    write_corrections(directory / "corrections")
    measure(directory)
    write_pseudo_data(directory / "pseudo_data.root", read_config(directory / "analysis.toml"))


def scaled(text: str, scale: float) -> str:
    """A configuration with a part of its events and luminosity; fewer events need less exact integrals, too."""
    if scale == 1.0:
        return text
    text = re.sub(r"events = (\d+)", lambda found: f"events = {max(1, round(scale * int(found[1])))}", text)
    text = re.sub(r"budget = \{[^}]*\}", f"budget = {_QUICK}", text)
    return re.sub(
        r"^luminosity = ([\d.]+)", lambda found: f"luminosity = {scale * float(found[1])!r}", text, flags=re.MULTILINE
    )


def measure(directory: Path) -> None:
    """Measure the efficiencies of b tagging in a first run."""
    output = directory / "efficiencies"
    arguments = ["run", str(directory / "efficiencies.toml"), "--output", str(output), "--no-figures"]
    hepreco(arguments, standalone_mode=False)
    counts = read_histograms(output / "histograms.zip").histograms
    efficiencies = measure_efficiencies(counts["jets"], {"M": counts["tagged"]})
    write_efficiencies(directory / "corrections" / "btag_efficiencies.json", efficiencies)


def numbers_of_events(config: AnalysisConfig) -> dict[str, int]:
    """How many events of each simulated process the pseudo-data have: drawn from Poisson distributions."""
    generator = np.random.default_rng(SEED)
    expected = {
        name: dataset.cross_section * 1000.0 * config.luminosity * (SIGNAL_STRENGTH if "ttbar" in name else 1.0)
        for name, dataset in config.datasets.items()
        if dataset.cross_section is not None
    }
    return {name: int(generator.poisson(number)) for name, number in expected.items()}


def write_pseudo_data(path: Path, config: AnalysisConfig) -> None:
    """Generate events of all processes with other seeds and another detector, as one file of data."""
    with TemporaryDirectory() as folder:
        parts = []
        for seed, (name, events) in enumerate(numbers_of_events(config).items(), start=SEED):
            simulated = config.datasets[name].sample
            detector = replace(DATA, radiation=simulated.detector.radiation)
            sample = replace(simulated, events=events, seed=seed, detector=detector)
            write_sample(sample, Path(folder, f"{name}.root"))
            parts.append(_read(Path(folder, f"{name}.root")))
        events = {name: ak.concatenate([part[name] for part in parts]) for name in parts[0]}
    events["event"] = ak.from_numpy(1 + np.arange(len(events["event"]), dtype=np.uint64))
    with uproot.recreate(path) as file:
        tree = file.mktree("Events", {name: values.type.content for name, values in events.items()})
        tree.extend(events)


def _read(path: Path) -> dict[str, ak.Array]:
    """All branches, those of a collection as its records."""
    with uproot.open(path) as file:
        branches = file["Events"].arrays()
    collections = [name[1:] for name in branches.fields if name[0] == "n" and name[1].isupper()]
    columns = {
        name: branches[name] for name in branches.fields if branches[name].ndim == 1 and name[1:] not in collections
    }
    for collection in collections:
        start = f"{collection}_"
        fields = [name for name in branches.fields if name.startswith(start) and branches[name].ndim == 2]
        columns[collection] = ak.zip({name.removeprefix(start): branches[name] for name in fields})
    return columns


if __name__ == "__main__":
    main()
