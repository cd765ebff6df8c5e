"""ROC curves of the scores: longitudinal W bosons, and WWuu as an anomaly among top pairs.

    for s in wwuu-ll wwuu-lt wwuu-tl wwuu-tt; do hepreco generate $s --events 2000 --seed 401 --output $s.root; done
    hepreco generate wwuu --events 3000 --seed 303 --output wwuu.root
    hepreco generate ttbar-hadronic --events 20000 --seed 301 --output ttbar.root
    python analyses/theory_informed/scores.py .

Truth is read here, for the score at the true assignment.
"""

import argparse
from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor

from hepreco.events import Dataset, EventBatch, read_batch
from hepreco.kinematics import mass
from hepreco_autoencoder import AutoencoderReconstructor
from hepreco_me_assigner import Anomaly, LikelihoodRatio
from hepreco_me_assigner.frames import partonic
from hepreco_me_assigner.hypothesis import beams

PARTONS = {"collection": "LHEPart", "where": ("status == 1",)}
WINDOW = (400.0, 700.0)
#: Cross-sections in fb, of `tox -e bench -- -k generation`.
CROSS_SECTIONS = {"lt": 0.912, "tl": 1.115, "tt": 2.99}
REPLICAS = 200


def main() -> None:
    """Print tables in Markdown."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("directory", type=Path)
    options = parser.parse_args()
    torch.set_num_threads(1)
    _polarisation(options.directory)
    _anomaly(options.directory)


def _polarisation(directory: Path) -> None:
    plugin = LikelihoodRatio(**PARTONS)
    batches = {name: _read(directory / f"wwuu-{name}.root", plugin) for name in ("ll", "lt", "tl", "tt")}
    print("| score at | LL against LT, TL, TT (by cross-section) | in equal parts | LL against TT |\n|---|---|---|---|")
    for assignments in ("truth", "exact", "policy", "marginal"):
        scores = {name: _ratio(plugin, assignments, batch) for name, batch in batches.items()}
        rest = torch.cat([scores[name] for name in CROSS_SECTIONS])
        weights = {
            "mixed": torch.cat([torch.full_like(scores[n], x / len(scores[n])) for n, x in CROSS_SECTIONS.items()]),
            "equal": torch.cat([torch.full_like(scores[n], 1 / len(scores[n])) for n in CROSS_SECTIONS]),
        }
        cells = [_auc(scores["ll"], rest, weights[kind]) for kind in weights]
        cells.append(_auc(scores["ll"], scores["tt"], torch.ones_like(scores["tt"])))
        print(f"| {assignments} | {' | '.join(cells)} |", flush=True)


def _ratio(plugin: LikelihoodRatio, assignments: str, batch: EventBatch) -> Tensor:
    if assignments != "truth":
        return replace(plugin, assignments=assignments).reconstruct(batch)["log_ratio"]
    final = partonic(batch.objects_ordered_by(-batch.index.double(), at_most=6).momenta)
    found = plugin.assigner.hypothesis.matrix_element.polarised(torch.cat((beams(final), final), dim=1))
    return (found["LL"] / (found["LT"] + found["TL"] + found["TT"])).log()


def _anomaly(directory: Path) -> None:
    plugin = Anomaly(**PARTONS)
    signal, background = (_inside(_read(directory / f"{name}.root", plugin)) for name in ("wwuu", "ttbar"))
    print(f"\nWWuu ({len(signal)}) among tt̄ ({len(background)}), {WINDOW[0]:.0f} to {WINDOW[1]:.0f} GeV\n")
    print("| score | AUC | 1/ε_b at ε_s = 0.3 |\n|---|---|---|")
    found = {
        f"-ln M² ({solver})": [replace(plugin, solver=solver).reconstruct(x) for x in (signal, background)]
        for solver in ("exact", "policy")
    }
    scores = {name: [x["score"] for x in pair] for name, pair in found.items()}
    scores["decays alone"] = [x["decay_score"] for x in found["-ln M² (exact)"]]
    scores["-ln M², by energy (no assignment)"] = [_unassigned(plugin, x) for x in (signal, background)]
    autoencoder = AutoencoderReconstructor(collection="LHEPart", where=("status == 1",))
    scores["autoencoder (trained on jets)"] = [autoencoder.reconstruct(x)["error"] for x in (signal, background)]
    for name, (here, there) in scores.items():
        threshold = here.quantile(0.7)
        passed = int((there > threshold).sum())
        rejection = f"{len(there) / passed:.1f}" if passed else f"> {len(there)}"
        print(f"| {name} | {_auc(here, there, torch.ones_like(there))} | {rejection} |", flush=True)


def _unassigned(plugin: Anomaly, batch: EventBatch) -> Tensor:
    by_energy = partonic(batch.momenta)
    order = by_energy[..., 0].argsort(dim=1, descending=True)
    return -plugin.assigners[0].hypothesis.log_me2(by_energy.gather(1, order[..., None].expand(-1, -1, 4)))


def _inside(batch: EventBatch) -> EventBatch:
    total = mass(batch.momenta.sum(dim=1))
    return batch[(total > WINDOW[0]) & (total < WINDOW[1])]


def _read(path: Path, plugin: LikelihoodRatio | Anomaly) -> EventBatch:
    return read_batch(Dataset(path.stem, (str(path),)), plugin.inputs)


def _auc(signal: Tensor, background: Tensor, weight: Tensor) -> str:
    generator = torch.Generator().manual_seed(1)
    values = []
    for replica in range(REPLICAS):
        rows, others = (
            torch.randint(len(x), (len(x),), generator=generator) if replica else torch.arange(len(x))
            for x in (signal, background)
        )
        order = background[others].argsort()
        sums = torch.cat((weight.new_zeros(1), weight[others][order].cumsum(dim=0)))
        below = torch.searchsorted(background[others][order], signal[rows])
        values.append((sums[below] / sums[-1]).mean())
    return f"{values[0]:.4f} ± {torch.stack(values[1:]).std():.4f}"


if __name__ == "__main__":
    main()
