"""What a top quark may have left among the jets of an event: a jet of every quark, or of some of them only."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from itertools import combinations, permutations
from typing import Final

import torch
from jaxtyping import Bool, Int
from torch import Tensor

#: Which quarks of t → b q q′ have a jet. Of two quarks of a W, one stands for both.
KINDS: Final = (("b", "q", "q"), ("q", "q"), ("b", "q"), ("b",), ("q",), ())
#: The number of jets of every kind.
JETS: Final = tuple(len(kind) for kind in KINDS)
#: The kinds of a top quark whose W decays to leptons: with or without the jet of its b quark.
LEPTONIC: Final = (KINDS.index(("b",)), KINDS.index(()))


@dataclass(frozen=True)
class Hypotheses:
    """All hypotheses about one top quark in events with a number of jets.

    Parameters
    ----------
    jets
        For every kind, in the order of :data:`KINDS`: the jets of its hypotheses.
    kind
        The kind of every hypothesis.
    disjoint
        Whether two hypotheses share no jet, so that both tops of an event can be described by them.
    """

    jets: tuple[Int[Tensor, "_ _"], ...]
    kind: Int[Tensor, " hypothesis"]
    disjoint: Bool[Tensor, "hypothesis hypothesis"]


@lru_cache(maxsize=16)  # one entry for each number of jets, at most 16
def hypotheses(number: int) -> Hypotheses:
    """The hypotheses about a top quark among a number of jets."""
    jets = tuple(_table(kind, number) for kind in KINDS)
    used = torch.cat([torch.nn.functional.one_hot(some, number).sum(dim=1) for some in jets])
    kind = torch.cat([torch.full((len(some),), position) for position, some in enumerate(jets)])
    return Hypotheses(jets, kind, used.double() @ used.double().T == 0)


def _table(kind: tuple[str, ...], number: int) -> Int[Tensor, "hypothesis jet"]:
    choices = list(_choices(kind, number))
    return torch.tensor(choices, dtype=torch.int64).reshape(len(choices), len(kind))


def _choices(kind: tuple[str, ...], number: int) -> Iterator[tuple[int, ...]]:
    """The jets of the b quark, then those of the other quarks in one order."""
    for first in permutations(range(number), kind.count("b")):
        rest = [jet for jet in range(number) if jet not in first]
        for others in combinations(rest, kind.count("q")):
            yield (*first, *others)
