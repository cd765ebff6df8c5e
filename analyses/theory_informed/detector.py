"""Which topology is right at detector level: χ², |M|² as it is, with wide resonances, and with transfer functions.

    hepreco generate ttbar-hadronic --events 20000 --seed 301 --output ttbar-test.root
    python analyses/theory_informed/detector.py ttbar-test.root
    hepreco generate ttbar-lepton-jets --events 20000 --seed 401 --output lepton-jets-test.root
    python analyses/theory_informed/detector.py lepton-jets-test.root --process ttbar-lepton-jets

Events in which each of the quarks has a jet, and the lepton is found; truth is read here, for scores.
"""

import argparse
import time
from collections.abc import Mapping
from dataclasses import replace
from math import sqrt
from pathlib import Path

import torch
from torch import Tensor

from hepreco.events import Dataset, EventBatch, read_batch
from hepreco_chi2_assigner import Chi2Assigner
from hepreco_me_assigner import MatrixElementAssigner
from hepreco_me_assigner.solvers import topologies

CUTS = ("pt > 20", "|eta| < 4.7")
NOT_A_QUARK = 40
#: By process: what χ² calls it, and the place in the generator's event of every leg, where the lepton is positive.
CHANNELS = {"ttbar": ("all-hadronic", (0, 1, 2, 3, 4, 5)), "ttbar-lepton-jets": ("lepton+jets", (0, 2, 1, 3, 4, 5))}
METHODS = {
    "natural widths": {},
    "wide resonances (15 and 10 GeV)": {"top_width": 15.0, "w_width": 10.0},
    "transfer functions": {"resolution": (0.8, 0.05)},
}


def main() -> None:
    """Print a table in Markdown."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("sample", type=Path)
    parser.add_argument("--process", choices=CHANNELS, default="ttbar")
    parser.add_argument("--events", type=int, default=20_000)
    options = parser.parse_args()
    torch.set_num_threads(1)
    assigner = MatrixElementAssigner(process=options.process, solver="marginal", where=CUTS)
    channel, _ = CHANNELS[options.process]
    batch = _measured(options.sample, assigner)[: options.events]
    print(f"{len(batch)} events with all {assigner.hypothesis.jets} quarks among at most eight jets\n")
    print("| method | b tags | right topology | mean probability | ms/event |\n|---|---|---|---|---|")
    for b_tag in (None, "btagDeepFlavB"):
        tags = "yes" if b_tag else "no"
        start = time.perf_counter()
        found = Chi2Assigner(channel=channel, where=CUTS, at_most=8, b_tag=b_tag).reconstruct(batch)
        efficiency = _efficiency(assigner, batch, _in_order_of_legs(found, channel))
        print(f"| χ² | {tags} | {efficiency} | | {_milliseconds(start, batch)} |")
        for name, settings in METHODS.items():
            start = time.perf_counter()
            found = replace(assigner, b_tag=b_tag, **settings).reconstruct(batch)
            cells = [_efficiency(assigner, batch, found["leg_index"]), f"{found['probability'].nanmean():.3f}"]
            print(f"| {name} | {tags} | {' | '.join(cells)} | {_milliseconds(start, batch)} |", flush=True)


def _measured(sample: Path, assigner: MatrixElementAssigner) -> EventBatch:
    """Events with all quarks and the lepton; partons of t and t̄ exchange places where the lepton is negative."""
    jets, *leptons = assigner.inputs.objects
    jets = replace(jets, features=("truthParton", "btagDeepFlavB"))
    inputs = replace(assigner.inputs, objects=(jets, *leptons))
    batch = read_batch(Dataset("detector", (str(sample),)), inputs)
    is_jet = batch.mask & (batch.species == 0)
    parton = torch.where(is_jet, batch.features["truthParton"], -1.0)
    if leptons:
        charge = torch.where(batch.mask & ~is_jet, batch.features["charge"], 0.0).sum(dim=1)
        parton = torch.where((charge < 0)[:, None] & (parton >= 0), (parton + 3) % 6, parton)
        batch = replace(batch, features=batch.features | {"truthParton": parton})[charge != 0]
        parton = parton[charge != 0]
    places = zip(CHANNELS[assigner.process][1], assigner.hypothesis.kinds, strict=True)
    found = [(parton == place).any(dim=1) for place, kind in places if kind == "jet"]
    return batch[torch.stack(found).all(dim=0)]


def _in_order_of_legs(found: Mapping[str, Tensor], channel: str) -> Tensor:
    """What χ² found: b q q' of both tops, where the leptonic one, which is last for χ², has no q."""
    b, q = found["b_index"], found["q_index"]
    order = (0, 1) if channel == "all-hadronic" else (1, 0)
    return torch.cat([x for top in order for x in (b[:, top : top + 1], q[:, 2 * top : 2 * top + 2])], dim=1)


def _efficiency(assigner: MatrixElementAssigner, batch: EventBatch, index: Tensor) -> str:
    jets = batch.collection("Jet")
    slot = (index[:, :, None] == jets.index[:, None, :]).int().argmax(dim=2)
    parton = jets.features["truthParton"].long().gather(1, slot)
    true = torch.tensor(CHANNELS[assigner.process][1])
    is_jet = torch.tensor([kind == "jet" for kind in assigner.hypothesis.kinds])
    found = torch.where(is_jet, torch.where(parton < 0, NOT_A_QUARK, parton), true)
    right = topologies(assigner.hypothesis, found) == topologies(assigner.hypothesis, true)
    right = float((right & (index[:, is_jet] >= 0).all(dim=1)).double().mean())
    return f"{right:.4f} ± {sqrt(right * (1 - right) / len(batch)):.4f}"


def _milliseconds(start: float, batch: EventBatch) -> str:
    return f"{1000 * (time.perf_counter() - start) / len(batch):.2f}"


if __name__ == "__main__":
    main()
