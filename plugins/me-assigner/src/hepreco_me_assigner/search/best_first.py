"""Best-first search for the assignment of largest |M|², certified given bounds that were measured in training.

The score of an assignment is the part of ln|M|² that its decays determine. A bound on ln|M|² − score limits what
assignments can reach that are not evaluated. The bounds are measured on training events and are not proven.
"""

from dataclasses import dataclass
from typing import Final

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from hepreco_me_assigner.problems import Problem
from hepreco_me_assigner.search.ranking import FIRST_SPLITS, RankedAssignments, ranked_assignments

#: Assignments per labelling that are ranked at first; four times as many where these do not suffice.
FIRST_WINDOW: Final = 64
#: Assignments of an event that are evaluated before the bounds are compared again.
STEP: Final = 4


@dataclass(frozen=True)
class Bounds:
    """Largest values of ln|M|² − score at the optimum of an event.

    Parameters
    ----------
    overall
        The largest ln|M|² − score of an event's best assignment.
    within
        The most by which this exceeds ln|M|² − score of the best-scored assignment of the same family.
    """

    overall: float
    within: float


@dataclass(frozen=True)
class Optimum:
    """The result of a search.

    Parameters
    ----------
    objects
        Which object is assigned to which final leg.
    log_me2
        ln|M|² of this assignment, plus its prior.
    certified
        Whether no other assignment has a larger value, given the bounds.
    calls
        Number of |M|² that were computed.
    """

    objects: Int[Tensor, "event leg"]
    log_me2: Float[Tensor, " event"]
    certified: Bool[Tensor, " event"]
    calls: Int[Tensor, " event"]


def search(problem: Problem, *, bounds: Bounds, at_most: int = 2048) -> Optimum:
    """Evaluate |M|² first where its bound is largest, until no other assignment can be better, given the bounds.

    Parameters
    ----------
    bounds
        Bounds on ln|M|² − score; see :func:`measured_bounds`.
    at_most
        Largest number of ranked assignments per event. If the bounds decide nothing by then, the best assignment so far
        is returned, not certified.
    """
    size, momenta, hypothesis = len(problem), problem.momenta, problem.hypothesis
    best = Optimum(
        torch.full((size, hypothesis.legs), -1, device=momenta.device),
        momenta.new_full((size,), -torch.inf),
        torch.zeros(size, dtype=torch.bool, device=momenta.device),
        torch.zeros(size, dtype=torch.int64, device=momenta.device),
    )
    first = FIRST_WINDOW * len(hypothesis.labellings)
    window, splits, active = first, FIRST_SPLITS, torch.arange(size, device=momenta.device)
    while len(active) and window <= max(at_most, first):
        found = ranked_assignments(problem[active], at_most=window, splits=splits)
        result, enough = _search_among(problem[active], found, bounds, floor=best.log_me2[active])
        better = result.log_me2 > best.log_me2[active]
        best.objects[active[better]] = result.objects[better]
        best.log_me2[active[better]] = result.log_me2[better]
        best.calls[active] += result.calls
        best.certified[active] = result.certified
        active = active[~enough]
        window, splits = 4 * window, 4 * splits
    return best


def _search_among(
    problem: Problem, found: RankedAssignments, bounds: Bounds, *, floor: Float[Tensor, " event"]
) -> tuple[Optimum, Bool[Tensor, " event"]]:
    """The best of the candidates, and whether no other assignment can be better, given the bounds.

    Candidates that cannot exceed ``floor``, the best value of an earlier search, are not evaluated.
    """
    size, count = found.score.shape
    value = torch.full_like(found.score, -torch.inf)
    limit = found.score + bounds.overall
    families = int(found.family.max()) + 1
    active = torch.arange(size, device=value.device)
    while len(active):
        largest, chosen = limit[active].topk(min(STEP, count), dim=1)
        needed = largest > torch.maximum(value[active].amax(dim=1), floor[active])[:, None]
        active, chosen, needed = active[needed[:, 0]], chosen[needed[:, 0]], needed[needed[:, 0]]
        if not len(active):
            break
        row, column = needed.nonzero(as_tuple=True)
        event, candidate = active[row], chosen[row, column]
        objects = found.objects[event, candidate]
        value[event, candidate] = problem[event].value(objects[:, None])[:, 0]
        limit[event, candidate] = -torch.inf
        # The largest ln|M|² − score found in a family limits its other members.
        family = found.family[active]
        known = value.new_full((len(active), families), -torch.inf)
        known = known.scatter_reduce(1, family, (value - found.score)[active], reduce="amax").gather(1, family)
        tighter = torch.where(known > -torch.inf, found.score[active] + known + bounds.within, torch.inf)
        limit[active] = torch.minimum(limit[active], tighter)
    best, where = value.max(dim=1)
    calls = (value > -torch.inf).sum(dim=1)
    certain = torch.maximum(best, floor) >= found.following + bounds.overall
    rows = torch.arange(size, device=value.device)
    return Optimum(found.objects[rows, where], best, certain, calls), certain


def measured_bounds(problem: Problem, *, candidates_per_event: int) -> Bounds:
    """The bounds that hold for the optima of some events, searched among their likeliest assignments.

    They are measured, not proven: an event that exceeds them may be certified wrongly.
    """
    found = ranked_assignments(problem, at_most=candidates_per_event)
    value = problem.value(found.objects)
    excess, best = value - found.score, value.argmax(dim=1, keepdim=True)
    first = (found.family == found.family.gather(1, best)).int().argmax(dim=1, keepdim=True)  # the best-scored one
    at_best = excess.gather(1, best)
    return Bounds(float(at_best.max()), float((at_best - excess.gather(1, first)).max()))
