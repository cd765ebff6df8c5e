"""Assignment as a Markov decision process: exchange two objects, be rewarded by what ln|M|² gains."""

from dataclasses import dataclass, replace
from functools import cache
from itertools import combinations
from itertools import permutations as all_permutations
from math import factorial

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from hepreco_me_assigner.frames import partonic
from hepreco_me_assigner.hypothesis import Hypothesis, beams
from hepreco_me_assigner.search import evaluate

#: Up to that many final legs all |M|² of an event are tabulated: 8! are 40 320.
MOST_TABULATED = 8


@dataclass(frozen=True)
class State:
    """Episodes under way.

    Parameters
    ----------
    events
        Which event of the environment each is about.
    order
        Which object stands on which final leg.
    used
        Exchanges that were made; each may be made once.
    log_me2
        ln|M|² of the order.
    """

    events: Int[Tensor, " episode"]
    order: Int[Tensor, "episode leg"]
    used: Bool[Tensor, "episode action"]
    log_me2: Float[Tensor, " episode"]

    def __getitem__(self, rows: Tensor) -> "State":
        return State(**{name: value[rows] for name, value in vars(self).items()})


class SwapEnvironment:
    """All episodes of some events (arXiv:2507.13447, section 3).

    Actions are the exchanges of two final legs, in lexicographic order, and last to do nothing, which is never masked.
    An episode has N − 3 steps of N legs, the incoming two included.

    Parameters
    ----------
    momenta
        As many objects as the process has final legs, in GeV. Episodes begin in their order of decreasing energy in
        the centre of mass, which uses no label.
    """

    def __init__(self, hypothesis: Hypothesis, momenta: Float[Tensor, "event leg 4"]) -> None:
        final = partonic(momenta)
        by_energy = final[..., 0].argsort(dim=1, descending=True, stable=True)
        self.hypothesis = hypothesis
        self.momenta = final.gather(1, by_energy[..., None].expand(-1, -1, 4))
        self.actions = _exchanges(hypothesis.legs)
        self.steps = hypothesis.legs - 1
        self._table = _tabulated(hypothesis, self.momenta) if hypothesis.legs <= MOST_TABULATED else None

    def __len__(self) -> int:
        return len(self.momenta)

    def reset(self, events: Int[Tensor, " episode"], *, order: Int[Tensor, "episode leg"] | None = None) -> State:
        """Begin episodes, in the order of energy or in a given one."""
        if order is None:
            order = torch.arange(self.hypothesis.legs).expand(len(events), -1)
        used = torch.zeros(len(events), len(self.actions), dtype=torch.bool)
        return State(events, order, used, self.log_me2(events, order))

    def step(self, state: State, action: Int[Tensor, " episode"]) -> tuple[State, Float[Tensor, " episode"]]:
        """The next states, and the rewards ln(|M|²_after / |M|²_before), equation 6."""
        order = state.order.gather(1, self.actions[action])
        used = state.used.scatter(1, action[:, None], value=True)
        used[:, -1] = False
        after = self.log_me2(state.events, order)
        return replace(state, order=order, used=used, log_me2=after), after - state.log_me2

    def log_me2(self, events: Int[Tensor, " episode"], order: Int[Tensor, "episode leg"]) -> Float[Tensor, " episode"]:
        """ln|M|², looked up where all are tabulated."""
        if self._table is not None:
            return self._table[events, _rank(order)]
        return evaluate(self.hypothesis, self.momenta[events], order[:, None])[:, 0]

    def observation(self, state: State) -> Float[Tensor, "episode particle 4"]:
        """Momenta (GeV) of the incoming particles, then of the final legs."""
        final = self.momenta[state.events[:, None], state.order]
        return torch.cat((beams(final), final), dim=1)


@cache
def _exchanges(legs: int) -> Int[Tensor, "action leg"]:
    pairs = list(combinations(range(legs), 2))
    actions = torch.arange(legs).repeat(len(pairs) + 1, 1)
    for row, (one, other) in enumerate(pairs):
        actions[row, one], actions[row, other] = other, one
    return actions


def _rank(order: Int[Tensor, "episode leg"]) -> Int[Tensor, " episode"]:
    """The position among all permutations in lexicographic order."""
    legs = order.shape[1]
    smaller = (order[:, :, None] > order[:, None, :]) & torch.ones(legs, legs, dtype=torch.bool).triu(1)
    weights = torch.tensor([factorial(legs - 1 - position) for position in range(legs)])
    return (smaller.sum(dim=2) * weights).sum(dim=1)


def _tabulated(hypothesis: Hypothesis, final: Float[Tensor, "event leg 4"]) -> Float[Tensor, "event order"]:
    orders = torch.tensor(list(all_permutations(range(hypothesis.legs))))
    return torch.cat([hypothesis.sweep(some, orders) for some in final.split(64)])
