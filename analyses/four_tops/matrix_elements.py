"""Whether tops and ln|M|² that ``me-assigner`` finds help a classifier.

    python analyses/four_tops/matrix_elements.py samples/train samples/test --output results

Two hypotheses are tried on every event, with its eight hardest jets: two tops that decay to jets, and one that decays
to jets with one that decays to the leading lepton and a neutrino. What ``me-assigner`` says of them is given to boosted
trees beside all that ``bdt-int`` has, and to a network behind all that ``pn-int-sm`` has. Both are trained once with
the numbers of the events, and once, as a control, with those of other events.
"""

import argparse
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Final, NamedTuple

import lightgbm
import numpy as np
import torch
from benchmark import CLASSES, SIGNALS, areas, difference, pieces, resampled, yields_of
from numpy.typing import NDArray
from samples import datasets
from torch import Tensor, nn

from hepreco.conventions import TOP_MASS
from hepreco.events import Dataset, read_batch
from hepreco.kinematics import mass_squared, pt
from hepreco.plugin import TrainingOptions
from hepreco.training import fit, initialised
from hepreco_me_assigner import MatrixElementAssigner
from hepreco_part_sm import EventClassifier, Particles
from hepreco_part_sm.classifier import likelihood_ratio
from hepreco_part_sm.models import build_member
from hepreco_part_sm.particles import MOST
from hepreco_part_sm.training import balanced
from hepreco_part_sm.trees import PARAMETERS, rows

HYPOTHESES: Final = ("ttbar", "ttbar-lepton-jets")
SEEDS: Final = (1, 2)
#: Numbers that the backbone of the network gives, and width of the layer that sees them with those of the assigner.
HIDDEN, WIDTH = 32, 64
ROUNDS, PATIENCE = 400, 10
_VALIDATION, _CHUNK = 0.1, 2000


class Events(NamedTuple):
    """Events of all classes, in the order of the classes.

    Parameters
    ----------
    momenta, kinds, missing_momentum
        As of :class:`hepreco_part_sm.Particles`.
    found
        What the assigner says, (event, number); NaN where it says nothing.
    label
        The class.
    """

    momenta: Tensor
    kinds: Tensor
    missing_momentum: Tensor
    found: Tensor
    label: Tensor

    @property
    def particles(self) -> Particles:
        """What classifiers are given."""
        return Particles(self.momenta, self.kinds, self.missing_momentum)

    @property
    def weight(self) -> Tensor:
        """With the same sum in every class."""
        return balanced(self.label, torch.ones(len(self.label)))

    def some(self, chosen: Tensor | slice) -> "Events":
        """Those that are chosen."""
        return Events(*(tensor[chosen] for tensor in self))


class WithAssigner(nn.Module):
    """A backbone of part-sm, whose numbers are put together with those of the assigner."""

    def __init__(self, model: str, *, numbers: int) -> None:
        super().__init__()
        self.backbone = build_member(model, size="small", outputs=HIDDEN)
        self.head = nn.Sequential(
            nn.Linear(HIDDEN + numbers, WIDTH), nn.ReLU(), nn.Dropout(0.1), nn.Linear(WIDTH, len(CLASSES))
        )

    def forward(self, particles: Particles, found: Tensor) -> Tensor:
        """Logits."""
        return self.head(torch.cat((self.backbone(particles.trimmed()), found), dim=1))


def assigner(process: str) -> MatrixElementAssigner:
    """With the cuts of the classifier; of the jets the eight hardest count."""
    jets, leptons = ("pt > 25", "|eta| < 2.5"), ("pt > 15", "|eta| < 2.5")
    return MatrixElementAssigner(
        process=process,
        solver="marginal",
        where=jets,
        leptons_where=leptons,
        resolution=(0.8, 0.05),
        b_tag="btagDeepFlavB",
        calls=16,
    )


def numbers_of_assigner(dataset: Dataset) -> Tensor:
    """Of each hypothesis ln|M|², ln of the posterior probability, and m and ln pt of the tops, nearest to m_t first."""
    columns = []
    for process in HYPOTHESES:
        plugin = assigner(process)
        batch = read_batch(dataset, plugin.inputs)
        parts = [plugin.reconstruct(piece) for piece in pieces(batch)]
        answer = {name: torch.cat([part[name] for part in parts]) for name in parts[0]}
        columns += [answer["log_me2"], answer["probability"].log()]
        for name in ("top", "leptonic_top"):
            if name in answer:
                momenta = answer[name].reshape(len(batch), -1, 4)
                mass = mass_squared(momenta).clamp(min=0).sqrt()
                order = (mass - TOP_MASS).abs().argsort(dim=1)
                columns += [*mass.gather(1, order).T, *pt(momenta).log().gather(1, order).T]
    found = torch.stack(columns, dim=1)
    return torch.where(found.isfinite(), found, torch.nan)


def read(name: str, samples: list[Dataset], store: Path) -> Events:
    """The events of samples; what the assigner says of them is stored under a name."""
    parts = []
    for number, dataset in enumerate(samples):
        path = store / f"{name}-{dataset.name}.npy"
        if not path.exists():
            np.save(path, numbers_of_assigner(dataset).numpy())
        found = torch.from_numpy(np.load(path))
        batch = read_batch(dataset, EventClassifier().inputs).padded(MOST)
        if len(found) != len(batch):
            raise SystemExit(f"{path} is of {len(found)} events, the samples have {len(batch)}: remove it")
        particles = EventClassifier().particles(batch)
        parts.append(
            Events(
                particles.momenta.float(),
                particles.kinds,
                particles.missing_momentum.float(),
                found.float(),
                torch.full((len(batch),), number),
            )
        )
        print(f"{name} {dataset.name}: {len(batch)} events, of {int(found.isnan().any(1).sum())} no full answer")
    return Events(*map(torch.cat, zip(*parts, strict=True)))


def shuffled(events: Events, *, seed: int) -> Events:
    """With the assigner's numbers of other events."""
    order = torch.randperm(len(events.label), generator=torch.Generator().manual_seed(seed))
    return events._replace(found=events.found[order])


def trees(training: Events, validation: Events, test: Events, *, seed: int) -> Tensor:
    """Probabilities that trees give the test events, all classes as frequent."""
    inputs = [np.hstack((rows(some.particles, pairs=True), some.found)) for some in (training, validation, test)]
    sets = [
        lightgbm.Dataset(values, some.label.numpy(), weight=some.weight.numpy())
        for values, some in zip(inputs[:2], (training, validation), strict=True)
    ]
    booster = lightgbm.train(
        {**PARAMETERS, "num_class": len(CLASSES), "seed": seed},
        sets[0],
        num_boost_round=ROUNDS,
        valid_sets=sets[1:],
        callbacks=[lightgbm.early_stopping(PATIENCE, verbose=False)],
    )
    return torch.from_numpy(booster.predict(inputs[2], num_threads=1))


def network(training: Events, validation: Events, test: Events, *, seed: int) -> Tensor:
    """Probabilities that a network gives the test events, all classes as frequent."""
    low, middle, high = training.found.nanquantile(torch.tensor([0.16, 0.5, 0.84]), dim=0)

    def standard(some: Events) -> Events:
        """Of median 0 and width 1, whatever the tails; numbers that are missing count as the median."""
        scaled = (some.found - middle) / ((high - low) / 2)
        return some._replace(found=scaled.clamp(-5, 5).nan_to_num(0.0))

    def loss(module: nn.Module, *tensors: Tensor) -> Tensor:
        some, weight = Events(*tensors[:-1]), tensors[-1]
        losses = nn.functional.cross_entropy(module(some.particles, some.found), some.label, reduction="none")
        return (weight * losses).mean()

    options = TrainingOptions(epochs=6, batch_size=256, learning_rate=2e-3, schedule="cosine", seed=seed)
    module = initialised(lambda: WithAssigner("pn-int-sm", numbers=training.found.shape[1]), seed=seed)
    fit(
        module,
        loss,
        training=(*standard(training), training.weight),
        validation=(*standard(validation), validation.weight),
        options=options,
        fixed_shapes=False,
    )
    events = standard(test)
    parts = (events.some(slice(start, start + _CHUNK)) for start in range(0, len(events.label), _CHUNK))
    with torch.no_grad():
        logits = torch.cat([module(part.particles, part.found) for part in parts])
    return torch.softmax(logits.double(), dim=1)


def main() -> None:
    """Find the numbers, train all, print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("training", type=Path)
    parser.add_argument("test", type=Path)
    parser.add_argument("--output", type=Path, required=True)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    arguments.output.mkdir(parents=True, exist_ok=True)
    whole = read("training", datasets(arguments.training), arguments.output)
    test_samples = datasets(arguments.test)
    test, yields = read("test", test_samples, arguments.output), yields_of(test_samples)
    chosen = torch.rand(len(whole.label), generator=torch.Generator().manual_seed(1)) < _VALIDATION
    result: dict[str, dict[str, Mapping[str, float | None]]] = {signal: {} for signal in SIGNALS}
    for kind, probabilities in (("trees", trees), ("network", network)):
        seeds = SEEDS if kind == "network" else SEEDS[:1]
        scores: dict[tuple[str, str], list[NDArray[np.float64]]] = {}
        for arm in ("assigner", "control"):
            events, tested = (whole, test) if arm == "assigner" else (shuffled(whole, seed=1), shuffled(test, seed=2))
            for seed in seeds:
                found = probabilities(events.some(~chosen), events.some(chosen), tested, seed=seed)
                for signal in SIGNALS:
                    score = likelihood_ratio(found, found.new_tensor(yields), signal=CLASSES.index(signal))
                    scores.setdefault((signal, arm), []).append(score.numpy())
        sizes = dict(zip(CLASSES, torch.bincount(test.label).tolist(), strict=True))
        for signal in SIGNALS:
            weights = resampled(sizes, yields, signal)
            one, other = (areas(np.stack(scores[signal, arm], axis=1), weights) for arm in ("assigner", "control"))
            result[signal][kind] = {
                "assigner": float(one[:, 0].mean()),
                "control": float(other[:, 0].mean()),
                **difference(one, other),
            }
            print(signal, kind, result[signal][kind], flush=True)
    (arguments.output / "matrix_elements.json").write_text(json.dumps(result, indent=1))


if __name__ == "__main__":
    main()
