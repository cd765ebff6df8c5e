"""Which topology is right at detector level: χ², |M|² as it is, with wide resonances, and with transfer functions.

    hepreco generate ttbar-hadronic --events 20000 --seed 301 --output ttbar-test.root
    python analyses/theory_informed/detector.py ttbar-test.root

Events in which each of the six quarks has a jet; truth is read here, for scores.
"""

import argparse
import time
from dataclasses import replace
from math import sqrt
from pathlib import Path

import torch
from torch import Tensor

from hepreco.events import Dataset, EventBatch, InputSpec, read_batch
from hepreco_chi2_assigner import Chi2Assigner
from hepreco_me_assigner import MatrixElementAssigner
from hepreco_me_assigner.solvers import topologies

CUTS = ("pt > 20", "|eta| < 4.7")
NOT_A_QUARK = 40
METHODS = {
    "natural widths": {},
    "wide resonances (15 and 10 GeV)": {"top_width": 15.0, "w_width": 10.0},
    "transfer functions": {"resolution": (0.8, 0.05)},
}


def main() -> None:
    """Print a table in Markdown."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("sample", type=Path)
    parser.add_argument("--events", type=int, default=20_000)
    options = parser.parse_args()
    torch.set_num_threads(1)
    assigner = MatrixElementAssigner(solver="marginal", where=CUTS)
    jets = replace(assigner.inputs.objects[0], features=("truthParton", "btagDeepFlavB"))
    batch = read_batch(Dataset("detector", (str(options.sample),)), InputSpec((jets,)))[: options.events]
    parton = torch.where(batch.mask, batch.features["truthParton"], -1.0)
    batch = batch[torch.stack([(parton == leg).any(dim=1) for leg in range(6)]).all(dim=0)]
    print(f"{len(batch)} events with all six quarks among at most eight jets\n")
    print("| method | b tags | right topology | says of itself | ms/event |\n|---|---|---|---|---|")
    for b_tag in (None, "btagDeepFlavB"):
        tags = "yes" if b_tag else "no"
        start = time.perf_counter()
        found = Chi2Assigner(where=CUTS, at_most=8, b_tag=b_tag).reconstruct(batch)
        b, q = found["b_index"], found["q_index"]
        index = torch.cat((b[:, :1], q[:, :2], b[:, 1:], q[:, 2:]), dim=1)
        print(f"| χ² | {tags} | {_efficiency(batch, index)} | | {_milliseconds(start, batch)} |")
        for name, settings in METHODS.items():
            start = time.perf_counter()
            found = replace(assigner, b_tag=b_tag, **settings).reconstruct(batch)
            cells = [_efficiency(batch, found["leg_index"]), f"{found['probability'].mean():.3f}"]
            print(f"| {name} | {tags} | {' | '.join(cells)} | {_milliseconds(start, batch)} |", flush=True)


def _efficiency(batch: EventBatch, index: Tensor) -> str:
    slot = (index[:, :, None] == batch.index[:, None, :]).int().argmax(dim=2)
    parton = batch.features["truthParton"].long().gather(1, slot)
    hypothesis = MatrixElementAssigner().hypothesis
    found = topologies(hypothesis, torch.where(parton < 0, NOT_A_QUARK, parton))
    right = float((found == topologies(hypothesis, torch.arange(6))).double().mean())
    return f"{right:.4f} ± {sqrt(right * (1 - right) / len(batch)):.4f}"


def _milliseconds(start: float, batch: EventBatch) -> str:
    return f"{1000 * (time.perf_counter() - start) / len(batch):.2f}"


if __name__ == "__main__":
    main()
