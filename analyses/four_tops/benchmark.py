"""How well the models of part-sm tell the processes apart: the tables of the README.

    python analyses/four_tops/benchmark.py models samples/test --output results

``models`` holds directories of weights, as ``hepreco train part-sm --model NAME`` writes them; those called after their
model are compared with each other. ``samples/test`` is what ``samples.py`` made. All comes from the histograms of one
coffea run, but for the paired differences, which need the events.
"""

import argparse
import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import hist
import numpy as np
import torch
from numpy.typing import NDArray
from samples import GENERATED, datasets

from hepreco.events import Dataset, EventBatch, read_batch
from hepreco.histograms import write_histograms
from hepreco.processing import ReconstructionProcessor, make_executor, run
from hepreco.studies import reliability, roc
from hepreco.weights import load_network, read_card
from hepreco_part_sm import MODELS, ClassifierNetwork, EventClassifier
from hepreco_part_sm.classifier import likelihood_ratio

CLASSES: Final = tuple(GENERATED)
SIGNALS: Final = ("tttt", "tth")
#: fb⁻¹.
LUMINOSITY: Final = 100.0
#: Signal efficiencies at which background is stated, and the relative systematic uncertainty of the background.
EFFICIENCIES, SYSTEMATIC = (0.7, 0.3), 0.2
#: Pairs of models whose areas are compared on the same events.
PAIRS: Final = (
    ("pn-int", "pn"),
    ("part-int", "part"),
    ("bdt-int", "bdt"),
    ("pn-int-sm", "pn-int"),
    ("part-int-sm", "part-int"),
    ("part-int-sm", "part-int-shuffled"),
    ("part-int-sm", "part-int-table"),
    ("lgatr", "part"),
    ("lloca", "part"),
)
_REPLICAS: Final = 100
_CHUNK: Final = 2000


def classifier(directory: Path, yields: Sequence[float]) -> EventClassifier:
    """The reconstructor of a directory of weights."""
    network = read_card(directory).network
    return EventClassifier(
        model=str(network["model"]),
        size=network["size"],  # type: ignore[arg-type]
        members=int(network["members"]),  # type: ignore[arg-type]
        yields=tuple(yields),
        weights_directory=str(directory),
    )


def separation(histograms: Mapping[str, hist.Hist], name: str, signal: str) -> dict[str, dict[str, float]]:
    """Area and background efficiencies, of every background alone and of all as they are mixed."""
    scores = histograms[f"{name.replace('-', '_')}.score_{signal}"][{"variation": "nominal"}]
    by_class = {label: scores[{"dataset": label}] for label in CLASSES}
    backgrounds = {label: by_class[label] for label in CLASSES if label != signal}
    mixed = sum(list(backgrounds.values())[1:], next(iter(backgrounds.values())))
    found = {}
    for label, background in {**backgrounds, "all": mixed}.items():
        curve = roc(by_class[signal], background)
        found[label] = {"auc": curve.auc, "auc_uncertainty": curve.auc_uncertainty}
        for efficiency in EFFICIENCIES:
            value = curve.background_efficiency_at(efficiency)
            found[label] |= {f"eps_b({efficiency})": value.value, f"uncertainty({efficiency})": value.uncertainty}
    for efficiency in EFFICIENCIES:
        s = efficiency * by_class[signal].sum(flow=True).value
        b = found["all"][f"eps_b({efficiency})"] * mixed.sum(flow=True).value
        found["all"][f"significance({efficiency})"] = s / np.sqrt(b)
        found["all"][f"with_systematic({efficiency})"] = s / np.sqrt(b + (SYSTEMATIC * b) ** 2)
    calibration = reliability(by_class[signal], mixed)
    found["all"] |= {
        "calibration_error": calibration.expected_calibration_error,
        "calibration_bias": calibration.bias,
        "calibration_chi2": calibration.chi2,
        "calibration_bins": float(calibration.degrees_of_freedom),
    }
    return found


def yields_of(samples: Sequence[Dataset]) -> list[float]:
    """Numbers of events, in order."""
    return [1e3 * LUMINOSITY * sample.cross_section for sample in samples if sample.cross_section is not None]


def pieces(batch: EventBatch) -> Iterator[EventBatch]:
    """Of a size that networks take at once."""
    return (batch[start : start + _CHUNK] for start in range(0, len(batch), _CHUNK))


def probabilities_of_members(directory: Path, batches: Mapping[str, EventBatch]) -> torch.Tensor:
    """Probabilities (event, member, class) of the events of all classes, one class after the other."""
    network = load_network(ClassifierNetwork, directory=directory, device="cpu")
    some = (piece for batch in batches.values() for piece in pieces(batch))
    return torch.cat([network(EventClassifier().particles(piece)) for piece in some])


def resampled(
    sizes: Mapping[str, int], yields: Sequence[float], signal: str
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Weights (replica, event) of signal and of background, each of sum one; replica 0 is the sample itself."""
    generator = np.random.default_rng(1)
    parts = {}
    for label, size in sizes.items():
        drawn = generator.multinomial(size, np.full(size, 1 / size), size=_REPLICAS)
        parts[label] = np.concatenate((np.ones((1, size)), drawn)) / size
    expected = {label: yields[CLASSES.index(label)] for label in CLASSES if label != signal}
    nothing = {label: np.zeros_like(part) for label, part in parts.items()}
    signals = np.concatenate([(parts if label == signal else nothing)[label] for label in CLASSES], axis=1)
    background = np.concatenate(
        [part * expected.get(label, 0.0) / sum(expected.values()) for label, part in parts.items()], axis=1
    )
    return signals, background


def fraction_below(score: NDArray[np.float64], background: NDArray[np.float64]) -> NDArray[np.float64]:
    """The weighted fraction of background (replica, event) with a lower score than an event's; ties count one half."""
    if np.isnan(score).any():
        raise ValueError("some events have no score")
    order = np.argsort(score)
    first = np.diff(score[order], prepend=-np.inf) > 0  # of equal scores
    own = np.add.reduceat(background[:, order], np.flatnonzero(first), axis=1)
    found = np.empty_like(background)
    found[:, order] = (own.cumsum(axis=1) - own / 2)[:, first.cumsum() - 1]
    return found


def areas(scores: NDArray[np.float64], weights: tuple[NDArray[np.float64], NDArray[np.float64]]) -> NDArray[np.float64]:
    """The area under the curve of every member and replica, from scores (event, member)."""
    signals, background = weights
    return np.stack([(signals * fraction_below(score, background)).sum(axis=1) for score in scores.T])


def difference(one: NDArray[np.float64], other: NDArray[np.float64]) -> dict[str, float | None]:
    """Of the mean areas of two models' members, with the error of the events (paired bootstrap) and of the seeds."""
    replicas = one.mean(axis=0) - other.mean(axis=0)
    variance = sum(member[:, 0].var(ddof=1) / len(member) for member in (one, other) if len(member) > 1)
    seeds = float(np.sqrt(variance)) if min(len(one), len(other)) > 1 else None
    return {"value": float(replicas[0]), "events": float(replicas[1:].std(ddof=1)), "seeds": seeds}


def main() -> None:
    """Run the processor, write histograms and figures of merit, print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("models", type=Path)
    parser.add_argument("samples", type=Path)
    parser.add_argument("--output", type=Path, required=True)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    samples = datasets(arguments.samples)
    yields = yields_of(samples)
    known = list(MODELS)
    models = {path.parent.name: read_card(path.parent) for path in arguments.models.glob("*/weights.toml")}
    names = sorted(models, key=lambda name: (known.index(str(models[name].network["model"])), name))
    reconstructors = {name.replace("-", "_"): classifier(arguments.models / name, yields) for name in names}
    processor = ReconstructionProcessor(reconstructors, luminosity=LUMINOSITY)
    with make_executor("futures", workers=2) as executor:
        output = run(processor, samples, executor=executor, chunksize=4000)
    arguments.output.mkdir(parents=True, exist_ok=True)
    write_histograms(arguments.output / "histograms.zip", output["histograms"], provenance=processor.provenance)
    found = {signal: {name: separation(output["histograms"], name, signal) for name in names} for signal in SIGNALS}
    trained = {name: {"network": models[name].network, "metrics": models[name].metrics} for name in names}
    result: dict[str, dict[str, Any]] = {
        "yields": dict(zip(CLASSES, yields, strict=True)),
        "models": trained,
        "separation": found,
        "areas": {},
        "differences": {},
    }
    batches = {dataset.name: read_batch(dataset, EventClassifier().inputs) for dataset in samples}
    compared = [pair for pair in PAIRS if set(pair) <= set(names)]
    areas_of: dict[str, dict[str, NDArray[np.float64]]] = {signal: {} for signal in SIGNALS}
    weights = {signal: resampled({x: len(batch) for x, batch in batches.items()}, yields, signal) for signal in SIGNALS}
    for name in sorted({name for pair in compared for name in pair}):
        probabilities = probabilities_of_members(arguments.models / name, batches)
        for signal in SIGNALS:
            scores = likelihood_ratio(probabilities, probabilities.new_tensor(yields), signal=CLASSES.index(signal))
            areas_of[signal][name] = areas(scores.numpy(), weights[signal])
    for signal, by_model in areas_of.items():
        result["areas"][signal] = {name: list(found[:, 0]) for name, found in by_model.items()}
        result["differences"][signal] = {
            f"{one} - {other}": difference(by_model[one], by_model[other]) for one, other in compared
        }
    (arguments.output / "benchmark.json").write_text(json.dumps(result, indent=1))
    print_tables(result)


def print_tables(result: Mapping[str, dict]) -> None:  # type: ignore[type-arg]
    """As the README has them."""
    for signal, models in result["separation"].items():
        labels = [label for label in (*CLASSES, "all") if label != signal]
        print(f"\n{signal}\n| model | {' | '.join(labels)} | s/√b | with 20 % | calibration error |")
        print(f"|---|{'---|' * (len(labels) + 3)}")
        for name, values in models.items():
            cells = [f"{v['auc']:.4f} {v['eps_b(0.7)']:.4f} {v['eps_b(0.3)']:.4f}" for v in (values[x] for x in labels)]
            every = values["all"]
            cells += [
                ", ".join(f"{every[f'{kind}({e})']:.2f}" for e in EFFICIENCIES)
                for kind in ("significance", "with_systematic")
            ]
            cells.append(f"{every['calibration_error']:.3f}")
            print(f"| `{name}` | {' | '.join(cells)} |")
        print("\n| difference of areas | value | events | seeds |\n|---|---|---|---|")
        for pair, found in result["differences"][signal].items():
            seeds = "–" if found["seeds"] is None else f"{found['seeds']:.4f}"
            print(f"| {pair} | {found['value']:+.4f} | {found['events']:.4f} | {seeds} |")


if __name__ == "__main__":
    main()
