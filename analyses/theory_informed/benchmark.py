"""How often each solver finds what: a table of one process, from a parton-level sample.

    hepreco generate ttbar-hadronic --events 20000 --seed 301 --output ttbar-test.root
    python analyses/theory_informed/benchmark.py ttbar ttbar-test.root

Truth is read here, for scores; the solvers never see it. Two baselines stand beside them: a random order, and least
squares of resonance masses (χ² as of ``chi2-assigner``, for any process). Purity: how many of the W (t) found have the
products of a true one.
"""

import argparse
import time
from dataclasses import replace
from itertools import permutations
from pathlib import Path

import torch
from torch import Tensor

from hepreco.events import Dataset, read_batch
from hepreco.kinematics import mass
from hepreco_me_assigner import MatrixElementAssigner
from hepreco_me_assigner.problems import Problem
from hepreco_me_assigner.process.frames import partonic
from hepreco_me_assigner.process.hypothesis import Branch, Hypothesis
from hepreco_me_assigner.search import ranked_assignments
from hepreco_me_assigner.solvers import topologies

REPLICAS = 200


def main() -> None:
    """Print a table in Markdown."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("process")
    parser.add_argument("sample", type=Path)
    parser.add_argument("--events", type=int, default=20_000)
    parser.add_argument("--scan", type=int, default=0, help="compare exact with all assignments of that many events")
    parser.add_argument("--solvers", nargs="*", default=SOLVERS, help=", ".join(SOLVERS))
    parser.add_argument("--weights", help="a directory of weights")
    options = parser.parse_args()
    torch.set_num_threads(1)
    assigner = MatrixElementAssigner(
        process=options.process,
        collection="LHEPart",
        where=("status == 1",),
        at_most=12 if options.process == "tttt" else 8,
        weights_directory=options.weights,
    )
    batch = read_batch(Dataset("benchmark", (str(options.sample),)), assigner.inputs)[: options.events]
    truth = batch.objects_ordered_by(-batch.index.double(), at_most=assigner.hypothesis.legs)
    legs = torch.arange(assigner.hypothesis.legs).expand(len(batch), -1)
    hypothesis, legs = assigner.hypothesis, torch.arange(assigner.hypothesis.legs).expand(len(batch), -1)
    best, true = None, _log_me2(hypothesis, truth.momenta, legs)
    kinds = _resonances(hypothesis)
    columns = ["solver", "≥ 0.99 true", "within 1 % of the optimum", "regret", "topology"]
    columns += [f"{kind} purity" for kind in kinds] + ["certified", "calls", "ms/event"]
    print(f"{options.process}, {len(batch)} events; errors by bootstrap\n")
    print(f"| {' | '.join(columns)} |\n|{'---|' * len(columns)}")
    for solver in options.solvers:
        plugin = None if solver in BASELINES else replace(assigner, solver=solver)
        if plugin:
            plugin.setup("cpu")
        start = time.perf_counter()
        if plugin is None:
            assigned, certified, calls = BASELINES[solver](hypothesis, truth.momenta), 0.0, 0.0
        else:
            found = plugin.reconstruct(batch)
            assigned = (found["leg_index"][:, :, None] == truth.index[:, None, :]).int().argmax(dim=2)
            certified, calls = float(found["certified"].mean()), float(found["calls"].mean())
        seconds = time.perf_counter() - start
        value = _log_me2(hypothesis, truth.momenta, assigned)
        if solver == "exact":
            best = value
            _compare_with_scan(hypothesis, truth.momenta[: options.scan], value)
        cells = [
            _estimate(value >= true + torch.log(torch.tensor(0.99))),
            _estimate(value >= best - 0.01) if best is not None else "",
            _estimate((best - value).clamp(min=0)) if best is not None else "",
            _estimate(topologies(hypothesis, assigned) == topologies(hypothesis, legs)),
            *(_estimate(_is_true(assigned, members)) for members in kinds.values()),
            f"{certified:.4f}",
            f"{calls:.1f}",
            f"{1000 * seconds / len(batch):.2f}",
        ]
        print(f"| {solver} | {' | '.join(cells)} |", flush=True)


class LeastSquares(Hypothesis):
    """The process as χ² knows it: Σ((m − M)/σ)² over resonances, with the widths of ``chi2-assigner``."""

    def log_decay(self, branch: Branch, momenta: Tensor) -> Tensor:
        """−χ² of a branch."""
        total = momenta.new_zeros(momenta.shape[:-2])
        for resonance in branch.resonances:
            found = mass(momenta[..., list(resonance.legs), :].sum(dim=-2))
            sigma = 12.0 if resonance.particle.name.startswith("t") else 8.0
            total = total - ((found - resonance.mass) / sigma) ** 2
        return total


def _random(hypothesis: Hypothesis, momenta: Tensor) -> Tensor:
    generator = torch.Generator().manual_seed(1)
    return torch.rand(len(momenta), hypothesis.legs, generator=generator).argsort(dim=1)


def _least_squares(hypothesis: Hypothesis, momenta: Tensor) -> Tensor:
    """Objects are shuffled first, so that equal χ² do not fall on the true order."""
    shuffled, process = _random(hypothesis, momenta), LeastSquares(hypothesis.process)
    mixed = momenta.gather(1, shuffled[..., None].expand(-1, -1, 4))
    found = torch.cat(
        [ranked_assignments(Problem(process, some), at_most=1).objects[:, 0] for some in mixed.split(256)]
    )
    return shuffled.gather(1, found)


BASELINES = {"random": _random, "χ²": _least_squares}
SOLVERS = ("exact", "marginal", "policy", "beam", "greedy", *BASELINES)


def _resonances(hypothesis: Hypothesis) -> dict[str, list[tuple[int, ...]]]:
    """The legs of every W and t, by kind."""
    found: dict[str, list[tuple[int, ...]]] = {}
    for branch in hypothesis.branches:
        for resonance in branch.resonances:
            kind = resonance.particle.name.rstrip("+-~").replace("w", "W")
            found.setdefault(kind, []).append(tuple(branch.legs[position] for position in resonance.legs))
    return found


def _is_true(assigned: Tensor, members: list[tuple[int, ...]]) -> Tensor:
    """Whether the products of each of these resonances are those of a true one of the kind, (event, resonance)."""
    found = torch.stack([(2 ** assigned[:, list(legs)]).sum(dim=1) for legs in members], dim=1)
    return torch.isin(found, torch.tensor([sum(2**leg for leg in legs) for legs in members]))


def _log_me2(hypothesis: Hypothesis, momenta: Tensor, objects: Tensor) -> Tensor:
    parts = zip(momenta.split(1000), objects.split(1000), strict=True)
    return torch.cat([Problem(hypothesis, some).value(chosen[:, None])[:, 0] for some, chosen in parts])


def _compare_with_scan(hypothesis: Hypothesis, momenta: Tensor, value: Tensor) -> None:
    if not len(momenta):
        return
    orders = torch.tensor(list(permutations(range(hypothesis.legs))))
    best = [hypothesis.sweep(partonic(some), orders).amax(dim=1) for some in momenta.split(20)]
    same = (torch.cat(best) - value[: len(momenta)]).abs() < 1e-9
    print(f"| (exact equals the full scan in {int(same.sum())} of {len(momenta)} events) |")


def _estimate(values: Tensor) -> str:
    """The mean and its bootstrap error."""
    values = values.double()
    generator = torch.Generator().manual_seed(1)
    rows = (torch.randint(len(values), (len(values),), generator=generator) for _ in range(REPLICAS))
    spread = torch.stack([values[row].mean() for row in rows]).std()  # all resonances of an event together
    return f"{values.mean():.4f} ± {spread:.4f}"


if __name__ == "__main__":
    main()
