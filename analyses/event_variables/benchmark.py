"""How much learned and human event variables tell about masses; trains what it measures.

    python analyses/event_variables/benchmark.py paper --device cuda --output results
    python analyses/event_variables/benchmark.py improved --output results
    python analyses/event_variables/benchmark.py packaged --output results
    python analyses/event_variables/benchmark.py table --output results

``paper`` and ``improved`` train three seeds per topology and measure them on 100 000 events of another seed,
``packaged`` measures the weights that come with the plugin, and ``table`` prints what is in the directory as Markdown.
Information is the Jensen-Shannon divergence ln 2 − BCE, in nat, of the classifier that was trained with V, or alone on
the human variable. ``--scale 0.25`` trains on a quarter of the events for a quarter of the epochs, as two cores can.
"""

import argparse
import json
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from copy import deepcopy
from dataclasses import replace
from functools import partial
from math import isfinite, log
from pathlib import Path
from time import perf_counter

import torch
from scipy.stats import kendalltau, spearmanr
from torch import Tensor, nn

from hepreco.generation import TopologySample, find_topology, sample_topology
from hepreco.plugin import TrainingOptions
from hepreco.training import Ensemble, fit, initialised, loss_of_all
from hepreco.weights import load_network
from hepreco_event_variables.kinematic_variables import (
    invariant_mass,
    largest_paired_mass,
    paired_stransverse_mass,
    scalar_sum,
    stransverse_mass,
    transverse_mass,
)
from hepreco_event_variables.network import LAYERS, EventVariable, RatioEstimator, loss_of_labelled, loss_of_pairs
from hepreco_event_variables.reconstructor import FAKES, PACKAGED
from hepreco_event_variables.sampling import labelled, observed

SEEDS = (1, 2, 3)
TEST_SEED, TEST_EVENTS = 1001, 100_000
OPTIONS = {
    "paper": TrainingOptions(epochs=20, batch_size=50, patience=20, schedule="cosine"),
    "improved": TrainingOptions(epochs=40, batch_size=1000, patience=40, learning_rate=2e-3, schedule="cosine"),
}
EVENTS = {"paper": 2_000_000, "improved": 1_500_000}
VALIDATION = 20_000
HUMAN: dict[str, dict[str, Callable[[TopologySample], Tensor]]] = {
    "visible-pair": {"m_bc": lambda s: invariant_mass(s.visible)},
    "semi-visible": {"m_T(0)": lambda s: transverse_mass(s.visible, s.missing_momentum)},
    "pair-semi-visible": {
        "m_T2(0)": lambda s: stransverse_mass(s.visible[:, 0], s.visible[:, 1], s.missing_momentum),
    },
    "top-pair-dilepton": {
        "m_T2(bℓ)": lambda s: paired_stransverse_mass(s.visible[:, :2], s.visible[:, 2:], s.missing_momentum),
        "m_bℓ": lambda s: largest_paired_mass(s.visible[:, :2], s.visible[:, 2:]),
        "H_T": lambda s: scalar_sum(s.visible),
    },
}


class Given(nn.Module):
    """A human variable in place of V, in 100 GeV."""

    def __init__(self, *, parameters: int, hidden: Sequence[int]) -> None:
        super().__init__()
        self.classifier = RatioEstimator(inputs=1 + parameters, hidden=hidden)

    def forward(self, variable: Tensor) -> Tensor:
        """The variable itself."""
        return variable


def main() -> None:
    """Train and measure, or print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("paper", "improved", "packaged", "table"))
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("--topologies", nargs="+", default=list(HUMAN))
    parser.add_argument("--scale", type=float, default=1.0, help="Fraction of the events and epochs, for tests.")
    parser.add_argument("--epochs", type=int, help="In place of those of the recipe.")
    options = parser.parse_args()
    if options.what == "table":
        _print(options.output)
        return
    options.output.mkdir(parents=True, exist_ok=True)
    if options.what == "packaged":
        for name in options.topologies:
            network = load_network(EventVariable, directory=PACKAGED / name, device="cpu", dtype=torch.float32)
            _measure_learned(network, 1, "packaged", float("nan"), options.output)
    elif options.what == "paper":
        names = [name for name in options.topologies if name != "top-pair-dilepton"]
        _study([(name, 1) for name in names], "paper", options)
    else:
        for name in options.topologies:
            _study([(name, 1)], "improved", options)
        if "pair-semi-visible" in options.topologies:
            _study([("pair-semi-visible", 2)], "improved", options)


def _study(cases: Sequence[tuple[str, int]], recipe: str, options: argparse.Namespace) -> None:
    """All seeds of some topologies at once: V, then the classifiers of the human variables."""
    learned = [
        initialised(partial(EventVariable, topology=name, recipe=recipe, dimensions=dimensions), seed=seed)
        for name, dimensions in cases
        for seed in SEEDS
    ]
    seeds = [seed for _ in cases for seed in SEEDS]
    minutes = _fit(learned, seeds, recipe, options, of=observed)
    for number, network in enumerate(learned):
        _measure_learned(network, seeds[number], recipe, minutes / len(learned), options.output)
    if cases[0][1] > 1:
        return
    for variable_at in range(max(len(HUMAN[name]) for name, _ in cases)):
        chosen = [(name, list(HUMAN[name])[variable_at]) for name, _ in cases if len(HUMAN[name]) > variable_at]
        classifiers = []
        for name, variable in chosen:
            for seed in SEEDS:
                build = partial(Given, parameters=len(find_topology(name).parameters), hidden=LAYERS[recipe][1])
                network = initialised(build, seed=seed)
                network.topology, network.human = name, variable
                classifiers.append(network)
        _fit(classifiers, [seed for _ in chosen for seed in SEEDS], recipe, options, of=_given)
        for number, network in enumerate(classifiers):
            _measure_human(network, SEEDS[number % len(SEEDS)], recipe, options.output)


def _given(network: nn.Module, sample: TopologySample) -> Tensor:
    return HUMAN[network.topology][network.human](sample)[:, None] / 100


def _fit(
    networks: Sequence[nn.Module],
    seeds: Sequence[int],
    recipe: str,
    options: argparse.Namespace,
    *,
    of: Callable[[nn.Module, TopologySample], Tensor],
) -> float:
    """Train networks in place, each on events of its own seed; returns minutes."""
    events = round(EVENTS[recipe] * options.scale)
    with ThreadPoolExecutor() as pool:
        samples = list(pool.map(lambda network, seed: _pairs(network, seed, events, of), networks, seeds))
    if recipe == "improved":
        for network, (inputs, _) in zip(networks, samples, strict=True):
            if isinstance(network, EventVariable):
                network.standardise(inputs)
    tensors = [labelled(*sample) if recipe == "paper" else sample for sample in samples]
    stacked = [_stacked(part).to(options.device) for part in zip(*tensors, strict=True)]
    largest = max(networks, key=lambda network: sum(p.numel() for p in network.parameters()))
    padded = [_padded(network, largest) for network in networks]
    loss = loss_of_labelled if recipe == "paper" else partial(loss_of_pairs, fakes=FAKES)
    ensemble = Ensemble(padded, loss)
    epochs = options.epochs or max(1, round(OPTIONS[recipe].epochs * options.scale))
    settings = replace(OPTIONS[recipe], device=options.device, epochs=epochs)
    start = perf_counter()
    fit(
        ensemble,
        loss_of_all,
        training=[part[VALIDATION:] for part in stacked],
        validation=[part[:VALIDATION] for part in stacked],
        options=settings,
        report=lambda epoch, losses: print(epoch, f"{perf_counter() - start:.0f} s", losses, flush=True),
    )
    for network, state in zip(networks, ensemble.states(), strict=True):
        own = network.state_dict()
        network.load_state_dict({n: state[n][tuple(slice(0, k) for k in own[n].shape)] for n in own})
        network.eval()
    return (perf_counter() - start) / 60


def _pairs(
    network: nn.Module, seed: int, events: int, of: Callable[[nn.Module, TopologySample], Tensor]
) -> tuple[Tensor, Tensor]:
    inputs, theta = [], []
    total, chunk = events + VALIDATION, 250_000
    for first in range(0, total, chunk):
        sample = sample_topology(network.topology, events=min(chunk, total - first), seed=seed, first=first)
        inputs.append(of(network, sample).float())
        theta.append(sample.parameters.float())
    return torch.cat(inputs), torch.cat(theta)


def _stacked(parts: Sequence[Tensor]) -> Tensor:
    """(event, member, ...), narrower members padded with zeros."""
    width = max(part.shape[-1] for part in parts) if parts[0].ndim > 1 else 0
    return torch.stack(
        [nn.functional.pad(part, (0, width - part.shape[-1])) if width else part for part in parts], dim=1
    )


def _padded(network: nn.Module, largest: nn.Module) -> nn.Module:
    """The network as wide as the largest one: weights of zero for inputs that it lacks, and that are always zero."""
    wide, own = deepcopy(largest), network.state_dict()
    state = {name: torch.zeros_like(tensor) for name, tensor in wide.state_dict().items()}
    for name, tensor in state.items():
        tensor[tuple(slice(0, k) for k in own[name].shape)] = own[name]
    if "deviation" in state:
        state["deviation"][len(own["deviation"]) :] = 1.0
    wide.load_state_dict(state)
    return wide


@torch.no_grad()
def _measure_learned(network: EventVariable, seed: int, recipe: str, minutes: float, output: Path) -> None:
    sample = sample_topology(network.topology, events=TEST_EVENTS, seed=TEST_SEED)
    value = network(observed(network, sample).float())
    found = {
        "topology": network.topology,
        "recipe": recipe,
        "seed": seed,
        "dimensions": network.dimensions,
        "minutes": minutes,
        **_information(network.classifier, value, sample),
    }
    if network.dimensions == 1:
        scale = find_topology(network.topology).scale(sample.parameters)
        found["r_s(V, scale)"] = abs(spearmanr(value[:, 0], scale).statistic)
        for name, compute in HUMAN[network.topology].items():
            human = compute(sample)
            found[f"tau({name})"] = abs(kendalltau(value[:, 0], human).statistic)
            found[f"r_s({name})"] = abs(spearmanr(value[:, 0], human).statistic)
    _store(output, f"{network.topology}-{recipe}-{network.dimensions}-{seed}", found)


@torch.no_grad()
def _measure_human(network: Given, seed: int, recipe: str, output: Path) -> None:
    sample = sample_topology(network.topology, events=TEST_EVENTS, seed=TEST_SEED)
    value = _given(network, sample).float()
    scale = find_topology(network.topology).scale(sample.parameters)
    found = {
        "topology": network.topology,
        "recipe": recipe,
        "seed": seed,
        "human": network.human,
        "r_s(V, scale)": abs(spearmanr(value[:, 0], scale).statistic),
        **_information(network.classifier, value, sample),
    }
    _store(
        output, f"{network.topology}-{recipe}-human{list(HUMAN[network.topology]).index(network.human)}-{seed}", found
    )


def _information(classifier: nn.Module, value: Tensor, sample: TopologySample) -> dict[str, float]:
    """Ln 2 − BCE and its statistical error."""
    theta = sample.parameters.float()
    own = nn.functional.softplus(-classifier(value, theta))
    others = [nn.functional.softplus(classifier(value, theta.roll(shift, dims=0))) for shift in range(1, FAKES + 1)]
    losses = (own + torch.stack(others).mean(dim=0)).double() / 2
    return {"information": log(2) - float(losses.mean()), "error": float(losses.std() / len(losses) ** 0.5)}


def _store(output: Path, name: str, found: dict[str, object]) -> None:
    (output / f"{name}.json").write_text(json.dumps(found, indent=1))
    print(found, flush=True)


def _print(output: Path) -> None:
    rows = [json.loads(path.read_text()) for path in sorted(output.glob("*.json"))]
    columns = ["topology", "variable", "information (nat)", "r_s with m_A or µ"]
    columns += ["τ, r_s with variables by hand", "minutes"]
    print(f"| {' | '.join(columns)} |\n|{'---|' * len(columns)}")
    groups: dict[tuple[str, str], list[dict[str, float]]] = {}
    for row in rows:
        kind = f"{row['human']}, classifier of {row['recipe']}" if "human" in row else f"V, {row['recipe']}"
        if row.get("dimensions", 1) > 1:
            kind += f", d = {row['dimensions']}"
        groups.setdefault((row["topology"], kind), []).append(row)
    for (name, kind), members in groups.items():
        humans = [key[4:-1] for key in members[0] if key.startswith("tau(")]
        ranks = "; ".join(f"{_over(members, f'tau({h})')}, {_over(members, f'r_s({h})')} ({h})" for h in humans)
        cells = (
            _over(members, "information"),
            _over(members, "r_s(V, scale)"),
            ranks,
            _over(members, "minutes", "{:.1f}"),
        )
        print(f"| {name} | {kind} | {' | '.join(cells)} |")


def _over(members: Sequence[dict[str, float]], key: str, form: str = "{:.4f}") -> str:
    """Of all seeds, one after the other."""
    return " ".join(form.format(row[key]) for row in members if isfinite(row.get(key, float("nan"))))


if __name__ == "__main__":
    main()
