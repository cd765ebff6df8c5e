"""Candidates for hadronic top quarks: all ways to choose three jets as b, q and q′."""

from functools import lru_cache
from itertools import combinations

import torch
from jaxtyping import Int
from torch import Tensor


@lru_cache(maxsize=64)
def triplets(jets: int) -> Int[Tensor, "candidate 3"]:
    """All choices (b, q, q′) of jets with q before q′, of which there are 3·C(n, 3), in lexicographic order."""
    found = [(b, q, other) for b in range(jets) for q, other in combinations([i for i in range(jets) if i != b], 2)]
    return torch.tensor(found, dtype=torch.int64).reshape(-1, 3)


def bits(members: Int[Tensor, "candidate member"]) -> Int[Tensor, " candidate"]:
    """The set of jets that each candidate uses, as an integer with one bit per jet."""
    return (1 << members).sum(dim=-1)
