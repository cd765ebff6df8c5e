"""The ranking of assignments by their decays (Breit-Wigner factors and V−A), without computing |M|²."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from itertools import combinations, permutations
from typing import Final

import torch
from jaxtyping import Float, Int
from torch import Tensor

from hepreco_me_assigner.problems import Problem
from hepreco_me_assigner.process import Branch, Hypothesis, Kind

#: Splits of the objects over the branches that are expanded at first; four times as many where these do not suffice.
FIRST_SPLITS: Final = 16
#: Tables that are kept: more than a run has numbers of jets and kinds of branches; large ones take tens of megabytes.
_KEPT: Final = 64


@dataclass(frozen=True)
class RankedAssignments:
    """Assignments of some events, ranked by their score, the largest first.

    Parameters
    ----------
    objects
        (event, candidate, leg): which object is assigned to which final leg.
    score
        ln of Breit-Wigner factors and decays, plus the prior.
    family
        (event, candidate): candidates with equal numbers give every branch the same objects, in different orders.
    following
        Upper limit on the score of all assignments that are not among the candidates; −∞ if there are none.
    """

    objects: Int[Tensor, "event candidate leg"]
    score: Float[Tensor, "event candidate"]
    family: Int[Tensor, "event candidate"]
    following: Float[Tensor, " event"]


def ranked_assignments(problem: Problem, *, at_most: int, splits: int = FIRST_SPLITS) -> RankedAssignments:
    """The assignments of largest score, each with all labellings of its branches (such as t and t̄).

    Legs take only objects of their kind. Objects are split over the branches of the process in all ways; the
    best of these splits are expanded into all orders within the branches. A prior, if there is one, is added to the
    score; branches are then told apart when objects are split.
    """
    if problem.missing_momentum is not None:
        splits = max(splits, at_most)  # without neutrinos scores are rough
    hypothesis, momenta, prior = problem.hypothesis, problem.momenta, problem.prior
    branches = hypothesis.branches
    labellings = hypothesis.labellings if prior is None else _all_labellings(hypothesis)
    events, kinds = len(momenta), hypothesis.object_kinds(momenta.shape[1])
    scores: dict[object, Tensor] = {}
    per_branch = []
    for branch in branches:
        orders = _orders(kinds, branch.takes)
        if branch.shape not in scores:
            scores[branch.shape] = _score(problem, branch, orders)  # (event, set, order)
        score = scores[branch.shape]
        if prior is not None:
            score = score + sum(prior[:, orders[..., position], leg] for position, leg in enumerate(branch.legs))
        per_branch.append((orders, score))
    sets = _splits(
        kinds, tuple(_alike(branches, number, labelled=prior is not None) for number in range(len(branches)))
    )
    per_split = [score.amax(dim=2)[:, sets[:, number]] for number, (_, score) in enumerate(per_branch)]
    ranked, order = torch.stack(per_split).sum(dim=0).topk(min(splits + 1, len(sets)), dim=1)
    following = ranked[:, splits] if ranked.shape[1] > splits else torch.full_like(ranked[:, 0], -torch.inf)
    opened = sets[order[:, :splits]]  # (event, split, branch)
    rows = torch.arange(events, device=momenta.device)[:, None]
    parts = [score[rows, opened[..., number]] for number, (_, score) in enumerate(per_branch)]
    kept = -(-at_most // len(labellings))
    total, chosen = _best_products(parts, at_most=kept + 1)
    if total.shape[1] > kept:
        following = torch.maximum(following, total[:, kept])
        total, chosen = total[:, :kept], chosen[:, :kept]
    split = opened.gather(1, chosen[..., :1].expand(-1, -1, len(branches)))
    pieces = [orders[split[..., number], chosen[..., 1 + number]] for number, (orders, _) in enumerate(per_branch)]
    found = total.new_full((events, total.shape[1], len(labellings), hypothesis.legs), -1).long()
    for row, labelling in enumerate(labellings.tolist()):
        for target, source in enumerate(labelling):
            found[:, :, row, list(branches[target].legs)] = pieces[source]
    family = chosen[..., :1] * len(labellings) + torch.arange(len(labellings), device=momenta.device)
    return RankedAssignments(
        found.flatten(1, 2), total.repeat_interleave(len(labellings), dim=1), family.flatten(1), following
    )


def _score(problem: Problem, branch: Branch, orders: Int[Tensor, "set order leg"]) -> Float[Tensor, "event set order"]:
    """Ln of Breit-Wigner factors and decay, with the integral over transfer functions if there are any."""
    hypothesis, transfer = problem.hypothesis, problem.transfer
    if problem.missing_momentum is not None and "neutrino" in branch.kinds:
        return hypothesis.log_visible_decay(branch, problem.momenta[:, orders])
    if transfer is None:
        return hypothesis.log_decay(branch, problem.momenta[:, orders])
    if branch.alike is None:
        fitted, weight = transfer.fit(branch, problem.momenta[:, orders])
        return hypothesis.log_decay(branch, fitted) + weight
    half, mirrored = _mirrored(orders[0].tolist(), branch.alike)
    fitted, weight = transfer.fit(branch, problem.momenta[:, orders[:, half]])
    score = weight.new_empty(len(problem), *orders.shape[:2])
    score[..., half] = hypothesis.log_decay(branch, fitted) + weight
    score[..., mirrored] = hypothesis.log_decay(branch, _exchanged(fitted, branch.alike)) + weight
    return score


def _mirrored(orders: list[list[int]], pair: tuple[int, int]) -> tuple[list[int], list[int]]:
    """Half of the orders, and for each of these the order in which the objects of two legs are exchanged."""
    one, other = pair
    half = [row for row, order in enumerate(orders) if order[one] < order[other]]
    exchanged = {one: other, other: one}
    return half, [
        orders.index([orders[row][exchanged.get(leg, leg)] for leg in range(len(orders[row]))]) for row in half
    ]


def _exchanged(momenta: Float[Tensor, "*batch leg 4"], pair: tuple[int, int]) -> Float[Tensor, "*batch leg 4"]:
    one, other = pair
    order = list(range(momenta.shape[-2]))
    order[one], order[other] = other, one
    return momenta[..., order, :]


def _all_labellings(hypothesis: Hypothesis) -> Int[Tensor, "1 branch"]:
    """The trivial labelling. With a prior the splits already tell the branches apart."""
    return torch.arange(len(hypothesis.branches))[None]


def _alike(branches: tuple[Branch, ...], number: int, *, labelled: bool) -> tuple[tuple[Kind, ...], int]:
    """The kinds of objects that a branch takes, and the first branch of its shape (itself, if all are labelled)."""
    if labelled:
        return branches[number].takes, number
    shapes = [branch.shape for branch in branches]
    return branches[number].takes, shapes.index(shapes[number])


@lru_cache(maxsize=_KEPT)
def _orders(objects: tuple[Kind, ...], legs: tuple[Kind, ...]) -> Int[Tensor, "set order leg"]:
    """Every set of objects of the kinds of the legs, in every order that gives each leg its kind."""
    every = [
        [order for order in permutations(chosen) if all(objects[x] == leg for x, leg in zip(order, legs, strict=True))]
        for chosen in combinations(range(len(objects)), len(legs))
    ]
    return torch.tensor([orders for orders in every if orders], dtype=torch.int64)


@lru_cache(maxsize=_KEPT)
def _splits(
    objects: tuple[Kind, ...], branches: tuple[tuple[tuple[Kind, ...], int], ...]
) -> Int[Tensor, "split branch"]:
    """Disjoint sets of objects (positions in :func:`_orders`), one per branch; equal branches in one order only."""
    position = {
        legs: {tuple(sorted(orders[0])): i for i, orders in enumerate(_orders(objects, legs).tolist())}
        for legs, _ in branches
    }

    def extend(number: int, free: tuple[int, ...], sofar: tuple[int, ...]) -> Iterator[tuple[int, ...]]:
        if number == len(branches):
            yield sofar
            return
        legs, alike = branches[number]
        earlier = [sofar[i] for i in range(number) if branches[i][1] == alike]
        for chosen in combinations(free, len(legs)):
            where = position[legs].get(chosen, -1)
            if where > (earlier[-1] if earlier else -1):
                yield from extend(number + 1, tuple(x for x in free if x not in chosen), (*sofar, where))

    return torch.tensor(list(extend(0, tuple(range(len(objects))), ())), dtype=torch.int64)


def _best_products(
    parts: list[Float[Tensor, "event split _"]], *, at_most: int
) -> tuple[Float[Tensor, "event candidate"], Int[Tensor, "event candidate choice"]]:
    """The largest sums of one order per branch, among all splits: the sums, and (split, order per branch)."""
    total = parts[0]
    choice = torch.arange(total.shape[2], device=total.device).expand(total.shape)[..., None]
    for part in parts[1:]:
        sums = (total[..., :, None] + part[..., None, :]).flatten(2)
        kept = min(at_most, sums.shape[2])
        total, where = sums.topk(kept, dim=2)
        before = choice.gather(2, (where // part.shape[2])[..., None].expand(-1, -1, -1, choice.shape[3]))
        choice = torch.cat((before, (where % part.shape[2])[..., None]), dim=3)
    splits = torch.arange(total.shape[1], device=total.device)[None, :, None, None]
    choice = torch.cat((splits.expand(*choice.shape[:3], 1), choice), dim=3)
    best, where = total.flatten(1).topk(min(at_most, total[0].numel()), dim=1)
    return best, choice.flatten(1, 2).gather(1, where[..., None].expand(-1, -1, choice.shape[3]))
