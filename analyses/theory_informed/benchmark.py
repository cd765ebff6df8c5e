"""How often each solver finds what: a table of one process, from a parton-level sample.

    hepreco generate ttbar-hadronic --events 20000 --seed 301 --output ttbar-test.root
    python analyses/theory_informed/benchmark.py ttbar ttbar-test.root

Truth is read here, for scores; the solvers never see it.
"""

import argparse
import time
from dataclasses import replace
from itertools import permutations
from pathlib import Path

import torch
from torch import Tensor

from hepreco.events import Dataset, read_batch
from hepreco_me_assigner import MatrixElementAssigner
from hepreco_me_assigner.frames import partonic
from hepreco_me_assigner.hypothesis import Hypothesis
from hepreco_me_assigner.search import evaluate
from hepreco_me_assigner.solvers import topologies

SOLVERS = ("exact", "marginal", "policy", "beam", "greedy")
REPLICAS = 200


def main() -> None:
    """Print a table in Markdown."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("process")
    parser.add_argument("sample", type=Path)
    parser.add_argument("--events", type=int, default=20_000)
    parser.add_argument("--scan", type=int, default=0, help="compare exact with all assignments of that many events")
    parser.add_argument("--solvers", nargs="*", default=SOLVERS)
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
    best, true = None, _log_me2(assigner.hypothesis, truth.momenta, legs)
    print(f"{options.process}, {len(batch)} events; errors by bootstrap\n")
    print("| solver | ≥ 0.99 true | within 1 % of the optimum | regret | topology | certified | calls | ms/event |")
    print("|---|---|---|---|---|---|---|---|")
    for solver in options.solvers:
        plugin = replace(assigner, solver=solver)
        plugin.setup("cpu")
        start = time.perf_counter()
        found = plugin.reconstruct(batch)
        seconds = time.perf_counter() - start
        assigned = (found["leg_index"][:, :, None] == truth.index[:, None, :]).int().argmax(dim=2)
        value = _log_me2(assigner.hypothesis, truth.momenta, assigned)
        if solver == "exact":
            best = value
            _compare_with_scan(assigner.hypothesis, truth.momenta[: options.scan], value)
        right = topologies(assigner.hypothesis, assigned) == topologies(assigner.hypothesis, legs)
        cells = [
            _estimate(value >= true + torch.log(torch.tensor(0.99))),
            _estimate(value >= best - 0.01) if best is not None else "",
            _estimate((best - value).clamp(min=0)) if best is not None else "",
            _estimate(right),
            f"{found['certified'].mean():.4f}",
            f"{found['calls'].mean():.1f}",
            f"{1000 * seconds / len(batch):.2f}",
        ]
        print(f"| {solver} | {' | '.join(cells)} |", flush=True)


def _log_me2(hypothesis: Hypothesis, momenta: Tensor, objects: Tensor) -> Tensor:
    parts = zip(momenta.split(1000), objects.split(1000), strict=True)
    return torch.cat([evaluate(hypothesis, some, chosen[:, None])[:, 0] for some, chosen in parts])


def _compare_with_scan(hypothesis: Hypothesis, momenta: Tensor, value: Tensor) -> None:
    if not len(momenta):
        return
    orders = torch.tensor(list(permutations(range(hypothesis.legs))))
    best = [hypothesis.sweep(partonic(some), orders).amax(dim=1) for some in momenta.split(20)]
    same = (torch.cat(best) - value[: len(momenta)]).abs() < 1e-9
    print(f"| (exact equals the full scan in {int(same.sum())} of {len(momenta)} events) | | | | | | | |")


def _estimate(values: Tensor) -> str:
    """The mean and its bootstrap error."""
    values = values.double()
    generator = torch.Generator().manual_seed(1)
    rows = (torch.randint(len(values), (len(values),), generator=generator) for _ in range(REPLICAS))
    spread = torch.stack([values[row].mean() for row in rows]).std()
    return f"{values.mean():.4f} ± {spread:.4f}"


if __name__ == "__main__":
    main()
