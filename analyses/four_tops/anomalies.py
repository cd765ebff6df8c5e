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
from benchmark import CLASSES, LUMINOSITY, areas, resampled
from numpy.typing import NDArray
from samples import visible_cross_section

from hepreco.events import Dataset, EventBatch, read_batch
from hepreco.weights import read_manifest
from hepreco_part_sm import AnomalyDetector

SIGNAL = "tttt"
_CHUNK = 2000


def detector(directory: Path) -> AnomalyDetector:
    """The reconstructor of a directory of weights."""
    network = read_manifest(directory).network
    return AnomalyDetector(**network, weights_directory=str(directory))  # type: ignore[arg-type]


def scores(plugin: AnomalyDetector, batches: Mapping[str, EventBatch]) -> NDArray[np.float64]:
    """Of all events, class by class."""
    parts = [
        plugin.reconstruct(batch[start : start + _CHUNK])["score"]
        for batch in batches.values()
        for start in range(0, len(batch), _CHUNK)
    ]
    return torch.cat(parts).numpy()


def fraction_below(score: NDArray[np.float64], background: NDArray[np.float64]) -> NDArray[np.float64]:
    """The weighted fraction of background events with a lower score, ties counting one half."""
    if np.isnan(score).any():
        raise ValueError("some events have no score")
    values, place = np.unique(score, return_inverse=True)
    own = np.bincount(place, background, minlength=len(values))
    return (own.cumsum() - own / 2)[place]


def main() -> None:
    """Find all scores and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("anomalies", type=Path)
    parser.add_argument("samples", type=Path)
    parser.add_argument("--output", type=Path, required=True)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    paths = {label: sorted(arguments.samples.glob(f"{label}-*.root")) for label in CLASSES}
    yields = [1e3 * LUMINOSITY * visible_cross_section(paths[label]) for label in CLASSES]
    batches = {
        label: read_batch(Dataset(label, tuple(map(str, found))), AnomalyDetector().inputs)
        for label, found in paths.items()
    }
    weights = resampled({label: len(batch) for label, batch in batches.items()}, yields, SIGNAL)
    found: dict[str, dict[int, NDArray[np.float64]]] = {}
    for directory in sorted(path.parent for path in arguments.anomalies.glob("*/weights.toml")):
        manifest, plugin = read_manifest(directory), detector(directory)
        score = fraction_below(scores(plugin, batches), weights[1][0])
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
