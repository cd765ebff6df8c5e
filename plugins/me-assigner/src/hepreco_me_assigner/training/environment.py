"""Assignment as a Markov decision process: an action exchanges two objects, and its reward is the gain in ln|M|²."""

from dataclasses import dataclass
from functools import cached_property, lru_cache
from itertools import combinations
from itertools import permutations as all_permutations
from math import factorial
from typing import Final

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from hepreco_me_assigner.problems import Problem
from hepreco_me_assigner.process.frames import partonic
from hepreco_me_assigner.process.hypothesis import Hypothesis, beams

#: Largest number of |M|² that are tabulated (half a gibibyte), on first use.
MOST_TABULATED: Final = 2**26


@dataclass(frozen=True)
class State:
    """The states of some episodes.

    Parameters
    ----------
    events
        The event of each episode.
    order
        The object on each final leg.
    used
        Which exchanges were made; each may be made once.
    """

    events: Int[Tensor, " episode"]
    order: Int[Tensor, "episode leg"]
    used: Bool[Tensor, "episode action"]


class SwapEnvironment:
    """All episodes of some events (arXiv:2507.13447, section 3).

    Actions are the exchanges of two final legs, in lexicographic order, and, as the last one, no exchange, which is
    never masked. An episode has N − 3 steps, where N counts all legs, with the two incoming ones.

    Parameters
    ----------
    momenta
        As many objects as the process has final legs, in GeV. Episodes begin with the objects in order of decreasing
        energy in the centre of mass.
    """

    def __init__(self, hypothesis: Hypothesis, momenta: Float[Tensor, "event leg 4"]) -> None:
        final = partonic(momenta)
        self.by_energy = final[..., 0].argsort(dim=1, descending=True, stable=True)
        self.hypothesis = hypothesis
        self.momenta = final.gather(1, self.by_energy[..., None].expand(-1, -1, 4))
        self.actions = _exchanges(hypothesis.legs).to(momenta.device)
        self.steps = hypothesis.legs - 1

    def __len__(self) -> int:
        return len(self.momenta)

    def reset(self, events: Int[Tensor, " episode"], *, order: Int[Tensor, "episode leg"] | None = None) -> State:
        """Begin episodes, with objects in order of energy or in a given order."""
        if order is None:
            order = torch.arange(self.hypothesis.legs, device=events.device).expand(len(events), -1)
        return State(events, order, torch.zeros(len(events), len(self.actions), dtype=torch.bool, device=events.device))

    def exchange(self, state: State, action: Int[Tensor, " episode"]) -> State:
        """The next states; this needs no |M|²."""
        used = state.used.scatter(1, action[:, None], value=True)
        used[:, -1] = False
        return State(state.events, state.order.gather(1, self.actions[action]), used)

    def step(self, state: State, action: Int[Tensor, " episode"]) -> tuple[State, Float[Tensor, " episode"]]:
        """The next states, and the rewards ln(|M|²_after / |M|²_before), equation 6."""
        after = self.exchange(state, action)
        return after, self.log_me2(after) - self.log_me2(state)

    def log_me2(self, state: State) -> Float[Tensor, " episode"]:
        """ln|M|², from the table if all fit into it."""
        if len(self) * factorial(self.hypothesis.legs) <= MOST_TABULATED:
            return self._table[state.events, _rank(state.order)]
        return Problem(self.hypothesis, self.momenta[state.events]).value(state.order[:, None])[:, 0]

    def observation(self, state: State) -> Float[Tensor, "episode particle 4"]:
        """Momenta (GeV) of the incoming particles, then of the final legs."""
        final = self.momenta[state.events[:, None], state.order]
        return torch.cat((beams(final), final), dim=1)

    @cached_property
    def _table(self) -> Float[Tensor, "event order"]:
        orders = torch.tensor(list(all_permutations(range(self.hypothesis.legs))), device=self.momenta.device)
        return torch.cat([self.hypothesis.sweep(some, orders) for some in self.momenta.split(64)])


@lru_cache(maxsize=16)  # one entry for each number of legs, at most 16
def _exchanges(legs: int) -> Int[Tensor, "action leg"]:
    pairs = list(combinations(range(legs), 2))
    actions = torch.arange(legs).repeat(len(pairs) + 1, 1)
    for row, (one, other) in enumerate(pairs):
        actions[row, one], actions[row, other] = other, one
    return actions


def _rank(order: Int[Tensor, "episode leg"]) -> Int[Tensor, " episode"]:
    """The position of each order among all permutations in lexicographic order."""
    legs = order.shape[1]
    later = torch.ones(legs, legs, dtype=torch.bool, device=order.device).triu(1)
    smaller = (order[:, :, None] > order[:, None, :]) & later
    weights = order.new_tensor([factorial(legs - 1 - position) for position in range(legs)])
    return (smaller.sum(dim=2) * weights).sum(dim=1)
