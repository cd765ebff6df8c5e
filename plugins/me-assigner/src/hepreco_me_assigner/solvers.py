"""Solvers, which choose an assignment: by largest |M|², by a trained policy, or by posterior probability."""

from dataclasses import dataclass, replace
from itertools import combinations
from typing import Final, Literal

import torch
from jaxtyping import Int
from torch import Tensor

from hepreco.errors import ConfigError
from hepreco.kinematics import pt
from hepreco_me_assigner.problems import Problem, Solution
from hepreco_me_assigner.process.frames import partonic
from hepreco_me_assigner.process.hypothesis import Hypothesis, Kind
from hepreco_me_assigner.search import Bounds, RankedAssignments, ranked_assignments, search
from hepreco_me_assigner.training.deep_q_learning import rollout
from hepreco_me_assigner.training.environment import SwapEnvironment
from hepreco_me_assigner.training.potential import Potential
from hepreco_me_assigner.training.q_network import QNetwork

#: Ways to choose an assignment, by name.
Solver = Literal["exact", "marginal", "policy", "beam", "greedy"]
#: Largest number of assignments that are searched; if they do not suffice, the best is returned uncertified.
MOST_SEARCHED: Final = 8192


@dataclass(frozen=True)
class Search:
    """A solver and its limits; the fields are the reconstructor's options of the same names."""

    solver: Solver
    calls: int
    beam: int

    def __post_init__(self) -> None:
        if min(self.calls, self.beam) < 1:
            raise ConfigError(
                f"me-assigner: calls {self.calls}, beam {self.beam}: out of range", "give positive numbers"
            )

    @property
    def needs_weights(self) -> bool:
        """Whether a trained network chooses or proposes."""
        return self.solver in ("policy", "beam")

    def solve(self, problem: Problem, *, bounds: Bounds, network: Potential | QNetwork | None) -> Solution:
        """The assignment of every event; the bounds serve ``exact``, and the network serves those that need one."""
        if self.solver == "exact":
            return exact(problem, bounds=bounds, at_most=max(self.calls, MOST_SEARCHED))
        if self.solver == "marginal":
            return marginal(problem, at_most=self.calls)
        if network is None:
            return greedy(problem)
        if isinstance(network, QNetwork):
            return episodes(problem, network)
        if self.solver == "policy":
            return policy(problem, network, at_most=self.calls)
        return beam(problem, network, at_most=self.calls, width=self.beam)


def exact(problem: Problem, *, bounds: Bounds, at_most: int) -> Solution:
    """The assignment of largest |M|² that :func:`~hepreco_me_assigner.search.best_first.search` finds."""
    found = search(problem, bounds=bounds, at_most=at_most)
    solution = problem.solution(found.objects, found.log_me2, 0)
    return replace(solution, calls=found.calls, certified=found.certified.to(found.log_me2.dtype))


def policy(problem: Problem, potential: Potential, *, at_most: int) -> Solution:
    """Among the assignments with the likeliest decays, that of largest ln|M|² as a network predicts it.

    |M|² itself is not computed.
    """
    found, value = _predicted(problem, potential, at_most)
    best, where = value.max(dim=1)
    return problem.solution(_take(found.objects, where), best, 0)


def episodes(problem: Problem, network: QNetwork) -> Solution:
    """The last assignments of greedy episodes of a trained Q-network, which start in order of decreasing energy.

    Neither |M|² nor a prediction of it is computed. With more objects than legs, those of largest pt take part.
    """
    legs, rows = problem.hypothesis.legs, torch.arange(len(problem.momenta), device=problem.momenta.device)
    leading = pt(problem.momenta).argsort(dim=1, descending=True, stable=True)[:, :legs]
    environment = SwapEnvironment(problem.hypothesis, problem.momenta[rows[:, None], leading])
    order = environment.by_energy.gather(1, rollout(network, environment).order)
    unknown = torch.full_like(problem.momenta[:, 0, 0], torch.nan)
    return problem.solution(leading.gather(1, order), unknown, 0)


def beam(problem: Problem, potential: Potential, *, at_most: int, width: int) -> Solution:
    """The assignment of largest |M|² among those that the policy ranks first."""
    found, predicted = _predicted(problem, potential, at_most)
    proposed = predicted.topk(min(width, predicted.shape[1]), dim=1).indices
    objects = found.objects.gather(1, proposed[..., None].expand(-1, -1, found.objects.shape[2]))
    best, where = problem.value(objects).max(dim=1)
    return problem.solution(_take(objects, where), best, objects.shape[1])


def greedy(problem: Problem) -> Solution:
    """Exchange two objects as long as |M|² grows, in at most N − 3 steps (arXiv:2507.13447).

    The start is the order of decreasing energy.
    """
    legs, size = problem.hypothesis.legs, problem.momenta.shape[1]
    rows = torch.arange(len(problem.momenta), device=problem.momenta.device)
    order, places = _by_energy(problem)
    best = problem.value(order[:, None, :legs])[:, 0]
    calls = torch.ones_like(rows)
    swaps = [(one, other) for one, other in combinations(range(size), 2) if one < legs and places[one] == places[other]]
    exchanged = torch.arange(size).repeat(len(swaps), 1)
    for row, (one, other) in enumerate(swaps):
        exchanged[row, one], exchanged[row, other] = other, one
    active = rows
    for _ in range(legs - 1):
        neighbours = order[active][:, exchanged.to(order.device)]
        value, where = problem[active].value(neighbours[..., :legs]).max(dim=1)
        calls[active] += len(swaps)
        better = value > best[active]
        order[active[better]] = _take(neighbours, where)[better]
        best[active[better]] = value[better]
        active = active[better]
        if not len(active):
            break
    return replace(problem.solution(order[:, :legs], best, 0), calls=calls)


def _by_energy(problem: Problem) -> tuple[Int[Tensor, "event object"], list[Kind]]:
    """Objects in decreasing energy on the legs of their kind, then those left over; and the kind of every place."""
    kinds = problem.hypothesis.object_kinds(problem.momenta.shape[1])
    spare = list(kinds)
    for kind in problem.hypothesis.kinds:
        spare.remove(kind)
    places = [*problem.hypothesis.kinds, *spare]
    order = torch.zeros_like(problem.momenta[..., 0], dtype=torch.int64)
    for kind in dict.fromkeys(kinds):
        objects, where = ([i for i, other in enumerate(x) if other == kind] for x in (kinds, places))
        energy = problem.momenta[:, objects, 0]
        order[:, where] = energy.argsort(dim=1, descending=True, stable=True) + objects[0]
    return order, places


def marginal(problem: Problem, *, at_most: int) -> Solution:
    """The topology of largest posterior probability, and its assignment of largest |M|².

    A topology says which objects are the products of each resonance; exchanges of t and t̄, of the quarks of a W boson,
    or of the solutions for a neutrino do not change it. Only the ``at_most`` assignments with the likeliest decays are
    evaluated; all others are given probability 0.
    """
    found = ranked_assignments(problem, at_most=at_most)
    value = problem.value(found.objects)
    posterior = value.softmax(dim=1)
    topology = topologies(problem.hypothesis, found.objects)
    order = topology.argsort(dim=1, stable=True)
    ordered = topology.gather(1, order)
    group = torch.cat((torch.zeros_like(ordered[:, :1]), (ordered[:, 1:] != ordered[:, :-1]).cumsum(dim=1)), dim=1)
    summed = torch.zeros_like(posterior).scatter_add(1, group, posterior.gather(1, order))
    probability = torch.zeros_like(posterior).scatter(1, order, summed.gather(1, group))
    largest = probability.max(dim=1, keepdim=True).values
    where = value.masked_fill(probability < largest * (1 - 1e-12), -torch.inf).argmax(dim=1)
    solution = problem.solution(_take(found.objects, where), _take(value, where), value.shape[1])
    on_leg = torch.zeros_like(solution.on_leg).scatter_add(
        1, found.objects, posterior[..., None].expand_as(found.objects)
    )
    return replace(solution, probability=largest[:, 0], on_leg=on_leg)


def topologies(hypothesis: Hypothesis, objects: Int[Tensor, "*event leg"]) -> Int[Tensor, "*event"]:
    """A number for each way to give every resonance its visible products.

    The number does not change when branches of one kind, such as t and t̄, exchange their objects.
    """
    generator = torch.Generator().manual_seed(1)
    numbers = torch.randint(1, 2**40, (64, 64), generator=generator).to(objects.device)
    total = torch.zeros_like(objects[..., 0])
    for branch in hypothesis.branches:
        members = objects[..., list(branch.legs)]
        own = torch.zeros_like(total)
        for depth, resonance in enumerate(branch.resonances):
            visible = [leg for leg in resonance.legs if branch.kinds[leg] != "neutrino"]
            own = own + numbers[depth, members[..., visible]].sum(dim=-1)
        total = total + own * own  # squares keep apart which objects share a branch
    return total


def _predicted(problem: Problem, potential: Potential, at_most: int) -> tuple[RankedAssignments, Tensor]:
    found = ranked_assignments(problem, at_most=at_most)
    rows = torch.arange(len(problem.momenta), device=problem.momenta.device)[:, None, None]
    features = potential.features(partonic(problem.momenta[rows, found.objects]))
    return found, found.score + potential(features)


def _take(values: Tensor, position: Int[Tensor, " event"]) -> Tensor:
    return values[torch.arange(len(values), device=values.device), position]
