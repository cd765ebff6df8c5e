"""Pulls of a learned detector on simulated samples of which the detector is known.

    python analyses/detector_level/pulls.py results --samples 20

fits the detector to every sample of about 1000 selected events, with one core, and writes ``results/pulls.json``.
Finished samples are kept when the command is repeated.
"""

import argparse
import json
from dataclasses import asdict
from pathlib import Path
from typing import Final

import numpy as np
import torch

from hepreco.detector import Detector
from hepreco.events import Dataset, read_batch
from hepreco.generation import Sample, write_sample
from hepreco.plugin import TrainingOptions
from hepreco_me_assigner import MatrixElementAssigner

TRUE: Final = Detector(
    radiation=1.2, radiation_slope=25.0, radiation_hard_fraction=0.3, radiation_hard_slope=70.0,
    b_response=0.94, light_response=0.97, jet_stochastic=0.9, jet_constant=0.07, jet_tail_fraction=0.1,
    b_efficiency=0.7, c_efficiency=0.15, light_efficiency=0.02, jet_pt_min=25.0, jet_eta_max=2.4,
)  # fmt: skip
ASSIGNER: Final = MatrixElementAssigner(
    process="ttbar-lepton-jets",  # of which W bosons decay to charm too
    solver="marginal",
    b_tag="btagDeepFlavB",
    where=("pt > 25", "|eta| < 2.4"),
    at_most=9,
)
EVENTS: Final = 3000


def main() -> None:
    """Fit every sample; print the mean and width of the pulls of every parameter."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("directory", type=Path)
    parser.add_argument("--samples", type=int, default=20)
    parser.add_argument("--epochs", type=int, default=60)
    arguments = parser.parse_args()
    arguments.directory.mkdir(parents=True, exist_ok=True)
    path = arguments.directory / "pulls.json"
    rows: list[dict[str, float]] = json.loads(path.read_text("utf-8")) if path.exists() else []
    for number in range(len(rows), arguments.samples):
        rows.append(pulls(arguments.directory, number, epochs=arguments.epochs))
        path.write_text(json.dumps(rows, indent=1) + "\n", "utf-8")
    for name in rows[0]:
        values = np.array([row[name] for row in rows])
        print(f"{name:25} mean {values.mean():+.2f}, width {values.std(ddof=1):.2f}")


def pulls(directory: Path, number: int, *, epochs: int) -> dict[str, float]:
    """(fitted − true)/uncertainty of every parameter on one sample."""
    file = directory / f"sample-{number}.root"
    if not file.exists():
        write_sample(Sample("ttbar-lepton-jets", EVENTS, seed=1000 + number, detector=TRUE), file)
    torch.set_num_threads(1)
    batch = read_batch(Dataset("ttbar", (str(file),)), ASSIGNER.inputs)
    options = TrainingOptions(epochs=epochs, schedule="cosine")
    found = ASSIGNER.train({"events": batch}, options, report=lambda _epoch, _losses: None)
    values, true = dict(found.network), asdict(TRUE)
    errors = {name.removesuffix("_error"): error for name, error in found.metrics.items() if name.endswith("_error")}
    return {name: (float(str(values[name])) - true[name]) / errors[name] for name in true if name in errors}


if __name__ == "__main__":
    main()
