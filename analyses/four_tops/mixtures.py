"""What the areas of the README depend on: how backgrounds are mixed, and for which mixture a score is made.

    python analyses/four_tops/mixtures.py                  # from histograms.zip: every model, its score of the mixture
    python analyses/four_tops/mixtures.py samples/test     # from events: the packaged classifier, three kinds of scores

A network gives probabilities of five classes; a score is made of them for one signal and one mixture of backgrounds.
"""

import argparse
from collections.abc import Mapping, Sequence
from pathlib import Path

import hist
import numpy as np
import torch
from benchmark import CLASSES, SIGNALS, areas, pieces, resampled, yields_of
from samples import datasets

from hepreco.events import EventBatch, read_batch
from hepreco.histograms import read_histograms
from hepreco.studies import roc
from hepreco_part_sm import EventClassifier
from hepreco_part_sm.classifier import likelihood_ratio

STORED = Path(__file__).with_name("histograms.zip")


def in_equal_parts(scores: hist.Hist, signal: str) -> float:
    """The area against all backgrounds, each of them as frequent; of the histogram of a score by dataset."""
    by_class = {label: scores[{"dataset": label, "variation": "nominal"}] for label in CLASSES}
    backgrounds = [by_class[label] / by_class[label].sum(flow=True).value for label in CLASSES if label != signal]
    return roc(by_class[signal], sum(backgrounds[1:], backgrounds[0])).auc


def probabilities_of(batches: Mapping[str, EventBatch]) -> torch.Tensor:
    """Of the packaged classifier, (event, class), the events of one class after those of another."""
    classifier = EventClassifier()
    classifier.setup("cpu")
    some = (piece for batch in batches.values() for piece in pieces(batch))
    return torch.cat([classifier.reconstruct(piece)["probability"] for piece in some])


def compared(
    probabilities: torch.Tensor, sizes: Mapping[str, int], yields: Sequence[float], signal: str
) -> dict[str, dict[str, tuple[float, float]]]:
    """Areas and their errors, by what the score is made for and by what it is tried on."""
    own = CLASSES.index(signal)
    mixtures = {"as mixed": list(yields), "equal parts": [1.0] * len(CLASSES)}
    mixtures |= {label: [float(label == other) for other in CLASSES] for label in CLASSES if label != signal}

    def area(made_for: str, tried_on: str) -> tuple[float, float]:
        frequencies = probabilities.new_tensor(mixtures[made_for])
        score = likelihood_ratio(probabilities, frequencies, signal=own).numpy()
        (found,) = areas(score[:, None], resampled(sizes, mixtures[tried_on], signal))
        return float(found[0]), float(found[1:].std(ddof=1))

    one_for_all = {name: {other: area(name, other) for other in mixtures} for name in ("as mixed", "equal parts")}
    return {**one_for_all, "that background alone": {label: area(label, label) for label in CLASSES if label != signal}}


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("samples", type=Path, nargs="?", help="of samples.py")
    directory = parser.parse_args().samples
    if directory is None:
        stored = read_histograms(STORED).histograms
        print("| model | tttt | tth |\n|---|---|---|")
        for name in [name.removesuffix(".score_tttt") for name in stored if name.endswith(".score_tttt")]:
            cells = [f"{in_equal_parts(stored[f'{name}.score_{signal}'], signal):.4f}" for signal in SIGNALS]
            print(f"| `{name.replace('_', '-')}` | {' | '.join(cells)} |")
        return
    torch.set_num_threads(1)
    samples = datasets(directory)
    batches = {dataset.name: read_batch(dataset, EventClassifier().inputs) for dataset in samples}
    sizes = {name: len(batch) for name, batch in batches.items()}
    probabilities = probabilities_of(batches)
    for signal in SIGNALS:
        found = compared(probabilities, sizes, yields_of(samples), signal)
        columns = [*(label for label in CLASSES if label != signal), "as mixed", "equal parts"]
        print(f"\n{signal}, events {sizes}\n| score made for | {' | '.join(columns)} |\n|---|{'---|' * len(columns)}")
        for made_for, by_column in found.items():
            cells = [f"{by_column[name][0]:.4f}" if name in by_column else "" for name in columns]
            print(f"| {made_for} | {' | '.join(cells)} |")
        print("largest error", f"{np.max([error for row in found.values() for _, error in row.values()]):.4f}")


if __name__ == "__main__":
    main()
