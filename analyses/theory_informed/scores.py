r"""ROC curves of the scores: longitudinal W bosons, WWuu as an anomaly among top pairs, and a mixture of backgrounds.

    for s in wwuu-ll wwuu-lt wwuu-tl wwuu-tt; do hepreco generate $s --events 2000 --seed 401 --output $s.root; done
    hepreco generate wwuu --events 1000 --seed 303 --mass-window 400 700 --output wwuu-window.root
    hepreco generate ttbar-hadronic --events 20000 --seed 301 --output ttbar.root
    hepreco generate "u u~ > w+ w- z, w+ > u d~, w- > u~ d, z > u u~" --events 2000 --seed 305 \
        --mass-window 400 700 --output wwz.root
    python analyses/theory_informed/scores.py .

Truth is read here, for the score at the true assignment. Errors are by bootstrap, with the same events for all
scores of a table.
"""

import argparse
import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import torch
import uproot
from torch import Tensor
from truth import PARTONS, TrueRatio, Unassigned

from hepreco import Reconstructor
from hepreco.events import Dataset, EventBatch, read_batch
from hepreco.kinematics import mass
from hepreco_autoencoder import AutoencoderReconstructor
from hepreco_me_assigner import Anomaly, LikelihoodRatio

AUTOENCODER = Path(__file__).parent / "weights" / "autoencoder"
WINDOW = (400.0, 700.0)
REPLICAS = 200


@dataclass(frozen=True)
class Classes:
    """Scores of signal and background events by the name of the score, and weights of the events."""

    signal: Mapping[str, Tensor]
    background: Mapping[str, Tensor]
    signal_weight: Tensor
    background_weight: Tensor


def main() -> None:
    """Print tables in Markdown."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("directory", type=Path)
    tables = {"polarisation": _polarisation, "anomaly": _anomaly, "mixture": _mixture}
    parser.add_argument("--tables", nargs="*", default=list(tables), choices=list(tables))
    options = parser.parse_args()
    torch.set_num_threads(1)
    for name in options.tables:
        tables[name](options.directory)


def _polarisation(directory: Path) -> None:
    ratio = LikelihoodRatio(**PARTONS, at_most=6)
    plugins: dict[str, Reconstructor] = {"truth": TrueRatio()}
    plugins |= {name: replace(ratio, assignments=name) for name in ("exact", "policy", "marginal")}
    batches = {name: _read(directory / f"wwuu-{name}.root", ratio) for name in ("ll", "lt", "tl", "tt")}
    scores = {
        name: {key: plugin.reconstruct(batch)["log_ratio"] for key, plugin in plugins.items()}
        for name, batch in batches.items()
    }
    sigma = {name: _cross_section(directory / f"wwuu-{name}.root") for name in batches}
    mixtures = {
        "LT, TL, TT (by cross-section)": {name: sigma[name] for name in ("lt", "tl", "tt")},
        "LT, TL, TT (in equal parts)": dict.fromkeys(("lt", "tl", "tt"), 1.0),
        "TT": {"tt": 1.0},
    }
    found = {}
    for title, parts in mixtures.items():
        background = {key: torch.cat([scores[name][key] for name in parts]) for key in plugins}
        weight = torch.cat([part * _normalised(batches[name].weight) for name, part in parts.items()])
        found[title] = _areas(Classes(scores["ll"], background, batches["ll"].weight, weight))
    print(f"| score at | {' | '.join(f'LL against {title}' for title in mixtures)} |\n|---|---|---|---|")
    for key in plugins:
        print(f"| {key} | {' | '.join(_estimate(areas[key]) for areas in found.values())} |")
    for one, other in (("marginal", "exact"), ("exact", "policy")):
        cells = (_estimate(areas[one] - areas[other], sign="+") for areas in found.values())
        print(f"| {one} − {other} | {' | '.join(cells)} |", flush=True)


def _anomaly(directory: Path) -> None:
    plugin = Anomaly(**PARTONS)
    plugins: dict[str, tuple[Reconstructor, str]] = {
        "−ln M² (exact)": (plugin, "score"),
        "−ln M² (policy)": (replace(plugin, solver="policy"), "score"),
        "decays alone": (plugin, "decay_score"),
        "−ln M², by energy (no assignment)": (Unassigned(), "score"),
        "autoencoder, trained on partons": (
            AutoencoderReconstructor(**PARTONS, weights_directory=str(AUTOENCODER)),
            "error",
        ),
    }
    signal, background = (_inside(_read(directory / f"{name}.root", plugin)) for name in ("wwuu-window", "ttbar"))
    print(f"\nWWuu ({len(signal)}) among tt̄ ({len(background)}), {WINDOW[0]:.0f} to {WINDOW[1]:.0f} GeV\n")
    here, there = (
        {name: one.reconstruct(batch)[column] for name, (one, column) in plugins.items()}
        for batch in (signal, background)
    )
    classes = Classes(here, there, signal.weight, background.weight)
    areas = _areas(classes)
    print("| score | AUC | 1/ε_b at ε_s = 0.3 |\n|---|---|---|")
    for name in plugins:
        print(f"| {name} | {_estimate(areas[name])} | {_rejection(classes, name)} |", flush=True)


def _mixture(directory: Path) -> None:
    """WWZ among tt̄ and WWuu in equal parts; |M|² over the cross-section in the window is a density."""
    files = {name: directory / f"{name}.root" for name in ("wwz", "wwuu-window", "ttbar")}
    batches = {name: _inside(_read(path, Anomaly(**PARTONS))) for name, path in files.items()}
    batches["ttbar"] = batches["ttbar"][: len(batches["wwuu-window"])]
    every = read_batch(Dataset("ttbar", (str(files["ttbar"]),)), Anomaly(**PARTONS).inputs)
    inside = len(_inside(every)) / len(every)
    sigma = {"ttbar": inside * _cross_section(files["ttbar"]), "wwuu": _cross_section(files["wwuu-window"])}
    partons = {**PARTONS, "at_most": 6}
    plugins = {
        "tt̄ alone": Anomaly(("ttbar",), **partons),
        "WWuu alone": Anomaly(("wwuu",), **partons),
        "both, each over its cross-section": Anomaly(tuple(sigma), tuple(1 / x for x in sigma.values()), **partons),
    }
    scores = {
        name: {key: one.reconstruct(batch)["score"] for key, one in plugins.items()} for name, batch in batches.items()
    }
    weights = {name: _normalised(batch.weight) for name, batch in batches.items()}
    print("\nWWZ, to six quarks, among tt̄ and WWuu in equal parts (", end="")
    print(", ".join(f"{name} {len(batch)}" for name, batch in batches.items()), end=" events)\n\n")
    print("| background that the score assumes | AUC against both | against tt̄ | against WWuu |\n|---|---|---|---|")
    against = (("ttbar", "wwuu-window"), ("ttbar",), ("wwuu-window",))
    areas = []
    for names in against:
        background = {key: torch.cat([scores[name][key] for name in names]) for key in plugins}
        weight = torch.cat([weights[name] for name in names])
        areas.append(_areas(Classes(scores["wwz"], background, weights["wwz"], weight)))
    for key in plugins:
        print(f"| {key} | {' | '.join(_estimate(area[key]) for area in areas)} |", flush=True)


def _inside(batch: EventBatch) -> EventBatch:
    total = mass(batch.momenta.sum(dim=1))
    return batch[(total > WINDOW[0]) & (total < WINDOW[1])]


def _read(path: Path, plugin: Reconstructor) -> EventBatch:
    return read_batch(Dataset(path.stem, (str(path),)), plugin.inputs)


def _cross_section(path: Path) -> float:
    """In pb, as the generator wrote it."""
    with uproot.open(path) as file:
        return float(json.loads(str(file["hepreco"]))["cross_section"])


def _normalised(weight: Tensor) -> Tensor:
    return weight / weight.sum()


def _areas(classes: Classes) -> dict[str, Tensor]:
    """Areas under the curves: of the sample, then of replicas whose events are the same for every score."""
    generator = torch.Generator().manual_seed(1)
    sizes = len(classes.signal_weight), len(classes.background_weight)
    areas: dict[str, list[Tensor]] = {name: [] for name in classes.signal}
    for replica in range(REPLICAS + 1):
        here, there = (
            torch.randint(size, (size,), generator=generator) if replica else torch.arange(size) for size in sizes
        )
        for name, found in areas.items():
            found.append(
                _auc(
                    classes.signal[name][here],
                    classes.background[name][there],
                    classes.signal_weight[here],
                    classes.background_weight[there],
                )
            )
    return {name: torch.stack(found) for name, found in areas.items()}


def _auc(signal: Tensor, background: Tensor, signal_weight: Tensor, background_weight: Tensor) -> Tensor:
    """The probability that a signal event scores higher than a background event."""
    order = background.argsort()
    sums = torch.cat((background_weight.new_zeros(1), background_weight[order].cumsum(dim=0)))
    below = torch.searchsorted(background[order], signal)
    return (signal_weight * sums[below]).sum() / (signal_weight.sum() * sums[-1])


def _rejection(classes: Classes, name: str) -> str:
    """One over the background efficiency at a signal efficiency of 0.3, with how many events are left."""
    score, order = classes.signal[name], classes.signal[name].argsort(descending=True)
    reached = classes.signal_weight[order].cumsum(dim=0) >= 0.3 * classes.signal_weight.sum()
    passes = classes.background[name] > score[order][reached.int().argmax()]
    if not passes.any():
        return f"> {len(passes)}"
    rejection = float(classes.background_weight.sum() / classes.background_weight[passes].sum())
    return f"{rejection:.{0 if rejection > 100 else 1}f} ({int(passes.sum())} events left)"


def _estimate(areas: Tensor, *, sign: str = "") -> str:
    return f"{areas[0]:{sign}.4f} ± {areas[1:].std():.4f}"


if __name__ == "__main__":
    main()
