"""How well detectors that were trained on the backgrounds alone find tt̄tt̄: the table of the README.

    python analyses/four_tops/anomalies.py anomalies samples/test --output results

``anomalies`` holds directories of weights, as ``hepreco train part-sm-anomaly`` writes them. Areas are those of all
backgrounds as cross-sections mix them; errors are those of the test events, of several trainings the spread is given.
A combination of both methods is the mean of the fractions of background that have a lower score.
"""

import argparse
import json
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import torch
from benchmark import areas, fraction_below, pieces, resampled, yields_of
from numpy.typing import NDArray
from samples import datasets

from hepreco.events import EventBatch, read_batch
from hepreco.weights import read_card
from hepreco_part_sm import AnomalyDetector

SIGNAL = "tttt"


def detector(directory: Path) -> AnomalyDetector:
    """The reconstructor of a directory of weights."""
    network = read_card(directory).network
    return AnomalyDetector(**network, weights_directory=str(directory))  # type: ignore[arg-type]


def scores(plugin: AnomalyDetector, batches: Mapping[str, EventBatch]) -> NDArray[np.float64]:
    """Of all events, class by class."""
    some = (piece for batch in batches.values() for piece in pieces(batch))
    return torch.cat([plugin.reconstruct(piece)["score"] for piece in some]).numpy()


def main() -> None:
    """Find all scores and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("anomalies", type=Path)
    parser.add_argument("samples", type=Path)
    parser.add_argument("--output", type=Path, required=True)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    samples = datasets(arguments.samples)
    yields = yields_of(samples)
    batches = {sample.name: read_batch(sample, AnomalyDetector().inputs) for sample in samples}
    weights = resampled({label: len(batch) for label, batch in batches.items()}, yields, SIGNAL)
    found: dict[str, dict[int, NDArray[np.float64]]] = {}
    for directory in sorted(path.parent for path in arguments.anomalies.glob("*/weights.toml")):
        manifest, plugin = read_card(directory), detector(directory)
        score = fraction_below(scores(plugin, batches), weights[1][:1])[0]
        found.setdefault(f"{plugin.method}, {plugin.model}, {plugin.size}", {})[manifest.seed] = score
    for name in [name.removeprefix("ddd, ") for name in found if name.startswith("ddd, ")]:
        one, other = found[f"ddd, {name}"], found.get(f"deep-svdd, {name}", {})
        if both := sorted(set(one) & set(other)):
            found[f"both, {name}"] = {seed: (one[seed] + other[seed]) / 2 for seed in both}
    result = {}
    print("| method, model, size | trainings | AUC | events | spread of trainings |\n|---|---|---|---|---|")
    for name, members in sorted(found.items()):
        area = areas(np.stack(list(members.values()), axis=1), weights)
        spread = float(area[:, 0].std(ddof=1)) if len(members) > 1 else None
        result[name] = {
            "auc": list(area[:, 0]),
            "mean": float(area[:, 0].mean()),
            "events": float(area[:, 1:].mean(axis=0).std(ddof=1)),
            "spread": spread,
        }
        print(
            f"| {name} | {len(members)} | {result[name]['mean']:.4f} | {result[name]['events']:.4f}"
            f" | {'–' if spread is None else f'{spread:.4f}'} |"
        )
    arguments.output.mkdir(parents=True, exist_ok=True)
    (arguments.output / "anomalies.json").write_text(json.dumps(result, indent=1))


if __name__ == "__main__":
    main()
