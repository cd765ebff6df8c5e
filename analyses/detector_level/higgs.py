"""How often all jets of tt̄H events are assigned right, with a detector that was learned from tt̄ events.

    python analyses/detector_level/higgs.py spanet_tth.h5 --detector results/detector

compares the assignment of lepton+jets events in a labelled file of SPANet with its labels. The file does not tell the
charge of leptons.
"""

import argparse
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from hepreco.events import Dataset, read_batch
from hepreco.formats import spanet_labels
from hepreco_me_assigner import MatrixElementAssigner
from hepreco_me_assigner.detector_fit import read_detector

OPTIONS: Final[Mapping[str, Any]] = {
    "process": "tth-lepton-jets",
    "solver": "marginal",
    "where": ("pt > 20", "|eta| < 5"),
    "leptons_where": ("pt > 20",),
    "lepton_charge": False,
    "b_tag": "btag",
    "at_most": 8,
    "calls": 128,
}
#: The names of the labels of each jet, in the order of the process.
LABELS: Final = ("lt/b", "ht/b", "ht/q1", "ht/q2", "h/b1", "h/b2")


def main() -> None:
    """Assign, compare and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("file", type=Path)
    parser.add_argument("--detector", type=Path, required=True)
    arguments = parser.parse_args()
    for name, assumed in {
        "resolution (0.8, 0.05)": (0.8, 0.05),
        "learned detector": read_detector(arguments.detector),
    }.items():
        right, probability = compare(arguments.file, replace(MatrixElementAssigner(**OPTIONS), resolution=assumed))
        error = np.sqrt(right.mean() * (1 - right.mean()) / len(right))
        print(f"{name:25} {right.mean():.3f} ± {error:.3f} of {len(right)} events; says {probability.mean():.3f}")


def compare(file: Path, assigner: MatrixElementAssigner) -> tuple[NDArray[np.bool_], NDArray[np.float64]]:
    """Whether all jets of complete events are assigned right, and the probability that the assigner gives."""
    batch = read_batch(Dataset("tth", (str(file),)), assigner.inputs)
    assigner.setup("cpu")
    found = assigner.reconstruct(batch)
    targets = spanet_labels(file).targets
    truth = np.stack([targets[name]["Jet"][batch.event_id[:, 2].numpy()] for name in LABELS], axis=1)
    jets = found["leg_index"].numpy()[:, [0, 3, 4, 5, 6, 7]]
    complete = (truth >= 0).all(axis=1)
    right = (unordered(jets) == unordered(truth)).all(axis=1)
    return right[complete], found["probability"].numpy()[complete]


def unordered(jets: NDArray[np.int64]) -> NDArray[np.int64]:
    """The same for both orders of the quarks of the W, and of the b quarks of the Higgs boson."""
    return np.concatenate((jets[:, :2], np.sort(jets[:, 2:4], axis=1), np.sort(jets[:, 4:], axis=1)), axis=1)


if __name__ == "__main__":
    main()
