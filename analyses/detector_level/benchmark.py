"""How often jets are assigned right on all-hadronic tt̄ events of somebody else's detector, learned without labels.

    python analyses/detector_level/benchmark.py spanet_ttbar.h5 --output results

learns a detector from the first half of a labelled file of SPANet (arXiv:2106.03898), without its labels, and compares
assignments with the labels in the second half. Results go to ``results/benchmark.json``.
"""

import argparse
import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray

from hepreco import EventBatch, Reconstructor
from hepreco.detector import Detector
from hepreco.events import Dataset, read_batch
from hepreco.formats import spanet_labels
from hepreco.plugin import TrainingOptions
from hepreco.weights import Card, save_weights
from hepreco_chi2_assigner import Chi2Assigner
from hepreco_me_assigner import MatrixElementAssigner
from hepreco_me_assigner.detector_fit import read_detector

JETS: Final[Mapping[str, Any]] = {"where": ("pt > 20", "|eta| < 5"), "at_most": 10}
TAGS: Final = {"b_tag": "btag"}
NUMBERS: Final = {"6": (6, 6), "7": (7, 7), "8 or more": (8, 99)}
Answers = NDArray[np.int64]


@dataclass(frozen=True)
class Found:
    """The jets of both tops as (b, q, q′) with q < q′, in the order of b, and the probability that the method gives."""

    tops: Answers
    probability: NDArray[np.float64]


def main() -> None:
    """Learn, assign, compare, write and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("file", type=Path)
    parser.add_argument("--output", type=Path, default=Path("results"))
    parser.add_argument("--epochs", type=int, default=100)
    arguments = parser.parse_args()
    learning = MatrixElementAssigner(solver="marginal", **JETS, **TAGS)
    batch = read_batch(Dataset("ttbar", (str(arguments.file),)), learning.inputs)
    entry = batch.event_id[:, 2]
    is_first = entry < entry.median()
    directory = arguments.output / "detector"
    if not directory.exists():
        learn(learning, batch[is_first], directory, epochs=arguments.epochs)
    results = compare(batch[~is_first], labelled_tops(arguments.file), methods_with(read_detector(directory)))
    results["completeness"] = completeness(batch[~is_first], labelled_tops(arguments.file), directory)
    (arguments.output / "benchmark.json").write_text(json.dumps(results, indent=1) + "\n", "utf-8")


def methods_with(detector: Detector) -> dict[str, Reconstructor]:
    """χ², an assumed and a learned detector, with and without b tags; and the learned one without its ingredients."""
    marginal = MatrixElementAssigner(solver="marginal", **JETS)
    methods: dict[str, Reconstructor] = {}
    for end, tags in {"": TAGS, ", no tags": {}}.items():
        methods["χ²" + end] = Chi2Assigner(**JETS, **tags)
        for name, assumed in {"resolution (0.8, 0.05)": (0.8, 0.05), "learned detector": detector}.items():
            methods[name + end] = replace(marginal, resolution=assumed, **tags)
    without = {
        "response": replace(detector, b_response=1.0, light_response=1.0),
        "tails": replace(detector, jet_tail_fraction=0.0),
        "resolution": replace(detector, jet_stochastic=0.8, jet_constant=0.05),
        "charm": replace(detector, c_efficiency=detector.light_efficiency),
        "hard radiation": replace(detector, radiation_hard_fraction=0.0),
    }
    return methods | {
        f"learned, without {name}": replace(marginal, resolution=assumed, **TAGS) for name, assumed in without.items()
    }


def compare(test: EventBatch, labels: Answers, methods: Mapping[str, Reconstructor]) -> dict[str, Any]:
    """Efficiencies of all methods."""
    truth, number = labels[test.event_id[:, 2].numpy()], test.mask.sum(dim=1).numpy()
    found = {}
    for name, method in methods.items():
        found[name] = described(assigned(method, test), truth, number)
        print(f"{name:35} {summary(found[name])}", flush=True)
    return found


def learn(assigner: MatrixElementAssigner, batch: EventBatch, output: Path, *, epochs: int) -> None:
    """Learn a detector and write it, as ``hepreco train`` does with a whole file."""
    options = TrainingOptions(epochs=epochs, schedule="cosine")
    result = assigner.train({"events": batch}, options, report=lambda _epoch, _losses: None)
    card = Card("", dict(result.network), "the first half of the file", 1, "benchmark.py", "", dict(result.metrics))
    save_weights(output, result.tensors, card)


def assigned(method: Reconstructor, batch: EventBatch) -> Found:
    """The answers of a method, −1 where there is none."""
    method.setup("cpu")
    columns = method.reconstruct(batch)
    if isinstance(method, Chi2Assigner):
        b, quarks = columns["b_index"], columns["q_index"].reshape(-1, 2, 2)
        return Found(tops(b, quarks), np.full(len(batch), np.nan))
    legs = columns["leg_index"].reshape(-1, 2, 3)
    return Found(tops(legs[..., 0], legs[..., 1:]), columns["probability"].numpy())


def tops(b: torch.Tensor, quarks: torch.Tensor) -> Answers:
    """(event, 2, 3): (b, q, q′) with q < q′, in the order of b."""
    found = np.concatenate((b.numpy()[..., None], np.sort(quarks.numpy(), axis=-1)), axis=-1)
    return np.take_along_axis(found, found[..., :1].argsort(axis=1), axis=1)


def labelled_tops(file: Path) -> Answers:
    """The labels in the same form; −1 where a quark has no jet."""
    targets = spanet_labels(file).targets
    b, one, other = (
        torch.from_numpy(np.stack([targets[f"{top}/{name}"]["Jet"] for top in ("t1", "t2")], axis=1))
        for name in ("b", "q1", "q2")
    )
    return tops(b, torch.stack((one, other), dim=-1))


def completeness(test: EventBatch, labels: Answers, directory: Path) -> dict[str, Any]:
    """Of all events, the probabilities that every quark has a jet, and that all jets are assigned right as well."""
    method = MatrixElementAssigner(solver="marginal", weights_directory=str(directory), **JETS, **TAGS)
    columns = method.reconstruct(test)
    truth, complete = labels[test.event_id[:, 2].numpy()], columns["complete_probability"].numpy()
    is_complete = (truth >= 0).all(axis=(1, 2))
    right = (assigned(method, test).tops == truth).all(axis=(1, 2))
    found = {}
    for name, value, holds in (
        ("complete", complete, is_complete),
        ("complete and right", complete * columns["probability"].numpy(), right),
    ):
        found[name] = {**_rate(holds, value), "reliability": _reliability(holds, value)}
        print(f"{name:35} {holds.mean():.3f}; says {value.mean():.3f}")
    return found


def described(found: Found, truth: Answers, number: NDArray[np.int64]) -> dict[str, Any]:
    """Efficiency with its binomial error and mean probability: of events with all six jets, by their number of jets.

    "one complete top" counts how often that top is right in events with jets of all its quarks and not of the other's.
    """
    complete = (truth >= 0).all(axis=(1, 2))
    right = (found.tops == truth).all(axis=(1, 2))
    kinds = {"all": (0, 99), **NUMBERS}
    rows = {name: complete & (number >= low) & (number <= high) for name, (low, high) in kinds.items()}
    one_top = ((truth >= 0).all(axis=2).sum(axis=1) == 1) & ~complete
    whole = (truth >= 0).all(axis=2)
    matched = ((found.tops[:, :, None] == truth[:, None]).all(axis=3) & whole[:, None]).any(axis=(1, 2))
    rates = {name: _rate(right[chosen], found.probability[chosen]) for name, chosen in rows.items()}
    known = np.isfinite(found.probability) & complete
    rates["reliability"] = _reliability(right[known], found.probability[known])
    return rates | {"one complete top": _rate(matched[one_top], np.full(one_top.sum(), np.nan))}


def _rate(right: NDArray[np.bool_], probability: NDArray[np.float64]) -> dict[str, float]:
    rate = float(right.mean())
    return {
        "events": len(right),
        "efficiency": rate,
        "error": float(np.sqrt(rate * (1 - rate) / len(right))),
        "mean probability": float(probability.mean()),
    }


def _reliability(right: NDArray[np.bool_], probability: NDArray[np.float64]) -> list[dict[str, float]]:
    """The efficiency and the mean probability in tenths of the events, by probability."""
    return [_rate(right[part], probability[part]) for part in np.array_split(np.argsort(probability), 10) if len(part)]


def summary(rows: Mapping[str, Any]) -> str:
    """One line of the printed table."""
    rates = [f"{name} {row['efficiency']:.3f} ± {row['error']:.3f}" for name, row in rows.items() if "events" in row]
    return f"{', '.join(rates)}; says {rows['all']['mean probability']:.3f}"


if __name__ == "__main__":
    main()
