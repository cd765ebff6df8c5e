"""The pair of candidates with the least total cost that share no jet."""

from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

#: Candidates per side that are paired at first. Events that these do not decide get four times as many.
FIRST_LOOK = 16
#: Pairs evaluated at a time, to bound memory.
PAIRS_AT_A_TIME = 2**22


@dataclass(frozen=True)
class TopCandidates:
    """Candidates for one top quark, in a fixed order that breaks ties.

    ``cost`` is a χ². ``mass`` (GeV) is compared with that of the other top where the χ² asks for equal masses. ``jets``
    is the set of jets that a candidate uses, as an integer with one bit per jet.
    """

    cost: Float[Tensor, "event candidate"]
    mass: Float[Tensor, "event candidate"]
    jets: Int[Tensor, "*event candidate"]

    def leading(self, events: Tensor, number: int) -> tuple["TopCandidates", Tensor, Tensor]:
        """The candidates of least cost for some events, their positions, and the cost of the next candidate.

        Their ``jets`` have an event axis.
        """
        cost, order = self.cost[events].sort(dim=1, stable=True)
        kept = order[:, :number]
        following = cost[:, number] if number < cost.shape[1] else torch.full_like(cost[:, 0], torch.inf)
        leading = TopCandidates(cost[:, :number], self.mass[events].gather(1, kept), self.jets[kept])
        return leading, kept, following


def best_disjoint_pair(
    first: TopCandidates, second: TopCandidates, *, sigma: float | None = None
) -> tuple[Int[Tensor, " event"], Int[Tensor, " event"]]:
    """Positions of the two candidates of least total cost; the minimum is exact.

    The total is cost₁ + cost₂, plus (m₁ − m₂)²/σ² where ``sigma`` (GeV) is given; pairs with a jet in common are
    excluded. Only the candidates of least cost are paired at first. Since the last term is never negative, any other
    pair costs at least as much as the next candidate of one side plus the best of the other. Where that could be as
    little as the minimum so far, more candidates are paired. Ties go to the pair that is first by cost of its
    candidates, then by their order.
    """
    events = torch.arange(len(first.cost), device=first.cost.device)
    best = torch.zeros(2, len(events), dtype=torch.int64, device=events.device)
    number = FIRST_LOOK
    while len(events):
        left, left_order, left_next = first.leading(events, number)
        right, right_order, right_next = second.leading(events, number)
        cost, position = _cheapest(left, right, sigma)
        best[0, events] = left_order.gather(1, (position // right.cost.shape[1])[:, None])[:, 0]
        best[1, events] = right_order.gather(1, (position % right.cost.shape[1])[:, None])[:, 0]
        bound = torch.minimum(left_next + right.cost[:, 0], left.cost[:, 0] + right_next)
        events = events[(cost >= bound) & bound.isfinite()]  # the bound is infinite where all pairs were compared
        number *= 4
    return best[0], best[1]


def _cheapest(left: TopCandidates, right: TopCandidates, sigma: float | None) -> tuple[Tensor, Tensor]:
    """The least total cost per event and its position in the flattened (left, right) grid."""
    events, columns = right.cost.shape
    rows = max(1, PAIRS_AT_A_TIME // max(events * columns, 1))
    cost = torch.full((events,), torch.inf, dtype=left.cost.dtype, device=left.cost.device)
    position = torch.zeros(events, dtype=torch.int64, device=left.cost.device)
    for start in range(0, left.cost.shape[1], rows):
        part = slice(start, start + rows)
        grid = left.cost[:, part, None] + right.cost[:, None, :]
        if sigma is not None:
            grid = grid + ((left.mass[:, part, None] - right.mass[:, None, :]) / sigma) ** 2
        grid = grid.masked_fill((left.jets[:, part, None] & right.jets[:, None, :]) != 0, torch.inf)
        least, where = grid.flatten(start_dim=1).min(dim=1)
        better = least < cost
        cost = torch.where(better, least, cost)
        position = torch.where(better, where + start * columns, position)
    return cost, position
