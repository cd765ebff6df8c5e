"""The assignment of largest |M|² of all, and a certificate that there is none larger."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from itertools import combinations, permutations
from typing import Final

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from hepreco_me_assigner.frames import partonic
from hepreco_me_assigner.hypothesis import Branch, Hypothesis, Kind
from hepreco_me_assigner.resolution import Resolution

#: Splits of the objects over the branches that are opened at first; four times as many where that does not suffice.
FIRST_SPLITS: Final = 16
#: Assignments that are ranked at first, times labellings; likewise.
FIRST_WINDOW: Final = 64
#: Assignments of an event that are evaluated between two looks at the bounds.
STEP: Final = 4


@dataclass(frozen=True)
class Candidates:
    """Assignments of some events in the order of what their decays say, the likeliest first.

    Parameters
    ----------
    objects
        (event, candidate, leg): which object stands on which final leg.
    score
        ln of Breit-Wigner factors and decays, and whatever else was asked to be added.
    family
        (event, candidate): candidates of one number give every branch the same objects, in different orders.
    following
        An upper limit of the score of all assignments that are not among the candidates; −∞ where all are.
    """

    objects: Int[Tensor, "event candidate leg"]
    score: Float[Tensor, "event candidate"]
    family: Int[Tensor, "event candidate"]
    following: Float[Tensor, " event"]


@dataclass(frozen=True)
class Bounds:
    """How much more than its score ln|M|² of an optimum can be.

    Parameters
    ----------
    overall
        The largest ln|M|² − score of an event's best assignment.
    within
        By how much that can exceed ln|M|² − score of the best-scored assignment of the same family.
    """

    overall: float
    within: float


@dataclass(frozen=True)
class Optimum:
    """What a search found.

    Parameters
    ----------
    objects
        Which object stands on which final leg.
    log_me2
        ln|M|² there, with what was added to it.
    certified
        Whether nothing larger can exist, given the bounds.
    calls
        How many |M|² it took.
    """

    objects: Int[Tensor, "event leg"]
    log_me2: Float[Tensor, " event"]
    certified: Bool[Tensor, " event"]
    calls: Int[Tensor, " event"]


def candidates(
    hypothesis: Hypothesis,
    momenta: Float[Tensor, "event object 4"],
    *,
    at_most: int,
    splits: int = FIRST_SPLITS,
    prior: Float[Tensor, "event object leg"] | None = None,
    resolution: Resolution | None = None,
) -> Candidates:
    """The assignments of best score, all labellings of each (such as t and t̄) one after another.

    Only objects of the kind of a leg stand on it. The objects are split over the branches of the process in every way,
    the best of which are opened into every order within the branches. ``prior`` adds to the score what is known of an
    object on a leg; with it, splits count with the best labelling.
    """
    branches = hypothesis.branches
    labellings = hypothesis.labellings if prior is None else _all_labellings(hypothesis)
    events, kinds = len(momenta), hypothesis.object_kinds(momenta.shape[1])
    tables = {}
    for number, branch in enumerate(branches):
        key = branch.shape if prior is None else number
        if key not in tables:
            orders = _orders(kinds, branch.kinds)
            score = _score(hypothesis, branch, momenta[:, orders], resolution)  # (event, set, order)
            if prior is not None:
                score = score + sum(prior[:, orders[..., position], leg] for position, leg in enumerate(branch.legs))
            tables[key] = orders, score
    per_branch = [tables[branch.shape if prior is None else number] for number, branch in enumerate(branches)]
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
    return Candidates(
        found.flatten(1, 2), total.repeat_interleave(len(labellings), dim=1), family.flatten(1), following
    )


def search(
    hypothesis: Hypothesis,
    momenta: Float[Tensor, "event object 4"],
    *,
    bounds: Bounds,
    at_most: int = 2048,
    prior: Float[Tensor, "event object leg"] | None = None,
    resolution: Resolution | None = None,
) -> Optimum:
    """Best first: evaluate |M|² where it can be largest, until what is left cannot be better.

    Parameters
    ----------
    bounds
        Of ln|M|² − score; see :func:`measured_bounds`.
    at_most
        |M|² per event; where they do not suffice for a certificate the best so far is returned without.
    """
    size = len(momenta)
    best = Optimum(
        torch.full((size, hypothesis.legs), -1, device=momenta.device),
        momenta.new_full((size,), -torch.inf),
        torch.zeros(size, dtype=torch.bool, device=momenta.device),
        torch.zeros(size, dtype=torch.int64, device=momenta.device),
    )
    first = FIRST_WINDOW * len(hypothesis.labellings)
    window, splits, active = first, FIRST_SPLITS, torch.arange(size, device=momenta.device)
    while len(active) and window <= max(at_most, first):
        some_prior = None if prior is None else prior[active]
        found = candidates(
            hypothesis, momenta[active], at_most=window, splits=splits, prior=some_prior, resolution=resolution
        )
        result, enough = _search_among(
            hypothesis, momenta[active], found, bounds, some_prior, resolution, floor=best.log_me2[active]
        )
        better = result.log_me2 > best.log_me2[active]
        best.objects[active[better]] = result.objects[better]
        best.log_me2[active[better]] = result.log_me2[better]
        best.calls[active] += result.calls
        best.certified[active] = result.certified
        active = active[~enough]
        window, splits = 4 * window, 4 * splits
    return best


def _search_among(
    hypothesis: Hypothesis,
    momenta: Float[Tensor, "event object 4"],
    found: Candidates,
    bounds: Bounds,
    prior: Float[Tensor, "event object leg"] | None,
    resolution: Resolution | None,
    *,
    floor: Float[Tensor, " event"],
) -> tuple[Optimum, Bool[Tensor, " event"]]:
    """The best of the candidates, and whether it is certain that no other assignment is better.

    What cannot be better than the floor, which is known from fewer candidates, is not evaluated again.
    """
    size, count = found.score.shape
    value = torch.full_like(found.score, -torch.inf)
    limit = found.score + bounds.overall
    families = int(found.family.max()) + 1
    active = torch.arange(size, device=momenta.device)
    while len(active):
        largest, chosen = limit[active].topk(min(STEP, count), dim=1)
        needed = largest > torch.maximum(value[active].amax(dim=1), floor[active])[:, None]
        active, chosen, needed = active[needed[:, 0]], chosen[needed[:, 0]], needed[needed[:, 0]]
        if not len(active):
            break
        row, column = needed.nonzero(as_tuple=True)
        event, candidate = active[row], chosen[row, column]
        objects = found.objects[event, candidate]
        new = evaluate(hypothesis, momenta[event], objects[:, None], resolution)[:, 0]
        if prior is not None:
            new = new + log_prior(prior[event], objects[:, None])[:, 0]
        value[event, candidate] = new
        limit[event, candidate] = -torch.inf
        # The largest excess that is known of a family limits its other members.
        family = found.family[active]
        known = value.new_full((len(active), families), -torch.inf)
        known = known.scatter_reduce(1, family, (value - found.score)[active], reduce="amax").gather(1, family)
        tighter = torch.where(known > -torch.inf, found.score[active] + known + bounds.within, torch.inf)
        limit[active] = torch.minimum(limit[active], tighter)
    best, where = value.max(dim=1)
    calls = (value > -torch.inf).sum(dim=1)
    certain = torch.maximum(best, floor) >= found.following + bounds.overall
    rows = torch.arange(size, device=momenta.device)
    return Optimum(found.objects[rows, where], best, certain, calls), certain


def evaluate(
    hypothesis: Hypothesis,
    momenta: Float[Tensor, "event object 4"],
    objects: Int[Tensor, "event candidate leg"],
    resolution: Resolution | None = None,
) -> Float[Tensor, "event candidate"]:
    """ln|M|² of assignments, each in the centre of mass of the objects that it uses.

    With a resolution, ln of what |M|², parton densities and transfer functions integrate to.
    """
    rows = torch.arange(len(momenta), device=momenta.device)[:, None, None]
    assigned = momenta[rows, objects]
    if resolution is None:
        return hypothesis.log_me2(partonic(assigned))
    fits = [resolution.fit(branch, assigned[..., list(branch.legs), :]) for branch in hypothesis.branches]
    fitted = torch.cat([momenta for momenta, _ in fits], dim=-2)
    weight = torch.stack([weight for _, weight in fits]).sum(dim=0)
    return weight + hypothesis.log_me2(partonic(fitted), log_flux=resolution.log_flux(hypothesis, fitted))


def measured_bounds(
    hypothesis: Hypothesis, momenta: Float[Tensor, "event object 4"], *, candidates_per_event: int
) -> Bounds:
    """The bounds that the optima of some events have, found among their likeliest assignments.

    They are measured, and no theorem: a certificate holds as far as no event exceeds what these events have.
    """
    found = candidates(hypothesis, momenta, at_most=candidates_per_event)
    value = evaluate(hypothesis, momenta, found.objects)
    excess, best = value - found.score, value.argmax(dim=1, keepdim=True)
    first = (found.family == found.family.gather(1, best)).int().argmax(dim=1, keepdim=True)  # the best-scored one
    at_best = excess.gather(1, best)
    return Bounds(float(at_best.max()), float((at_best - excess.gather(1, first)).max()))


def _score(
    hypothesis: Hypothesis, branch: Branch, momenta: Float[Tensor, "*batch leg 4"], resolution: Resolution | None
) -> Float[Tensor, "*batch"]:
    if resolution is None:
        return hypothesis.log_decay(branch, momenta)
    fitted, weight = resolution.fit(branch, momenta)
    return hypothesis.log_decay(branch, fitted) + weight


def log_prior(
    prior: Float[Tensor, "event object leg"], objects: Int[Tensor, "event candidate leg"]
) -> Float[Tensor, "event candidate"]:
    """What the prior says of assignments."""
    legs = torch.arange(objects.shape[2], device=objects.device)
    rows = torch.arange(len(prior), device=objects.device)[:, None, None]
    return prior[rows, objects, legs].sum(dim=2)


def _all_labellings(hypothesis: Hypothesis) -> Int[Tensor, "1 branch"]:
    """With a prior the branches are told apart when objects are split over them."""
    return torch.arange(len(hypothesis.branches))[None]


def _alike(branches: tuple[Branch, ...], number: int, *, labelled: bool) -> tuple[tuple[Kind, ...], int]:
    """What a branch takes, and the first branch that is alike."""
    if labelled:
        return branches[number].kinds, number
    shapes = [branch.shape for branch in branches]
    return branches[number].kinds, shapes.index(shapes[number])


@cache
def _orders(objects: tuple[Kind, ...], legs: tuple[Kind, ...]) -> Int[Tensor, "set order leg"]:
    """Every set of objects of the kinds of the legs, in every order that gives each leg its kind."""
    every = [
        [order for order in permutations(chosen) if all(objects[x] == leg for x, leg in zip(order, legs, strict=True))]
        for chosen in combinations(range(len(objects)), len(legs))
    ]
    return torch.tensor([orders for orders in every if orders], dtype=torch.int64)


@cache
def _splits(
    objects: tuple[Kind, ...], branches: tuple[tuple[tuple[Kind, ...], int], ...]
) -> Int[Tensor, "split branch"]:
    """Disjoint sets of objects (positions in :func:`_orders`), one per branch; alike branches in one order only."""
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
    """The best sums of one order per branch, of all splits together: values, and (split, order per branch)."""
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
