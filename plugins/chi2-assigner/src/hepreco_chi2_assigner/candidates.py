"""Candidates for top quarks: jets in threes, or a jet with a lepton and missing momentum."""

from functools import lru_cache
from itertools import combinations

import torch
from jaxtyping import Int
from torch import Tensor


@lru_cache(maxsize=64)
def triplets(jets: int) -> Int[Tensor, "candidate 3"]:
    """All (b, q, q′) of that many jets with q before q′: 3·C(n, 3) of them, in lexicographic order."""
    found = [(b, q, other) for b in range(jets) for q, other in combinations([i for i in range(jets) if i != b], 2)]
    return torch.tensor(found, dtype=torch.int64).reshape(-1, 3)


def bits(members: Int[Tensor, "candidate member"]) -> Int[Tensor, " candidate"]:
    """The set of jets that each candidate uses, one bit each."""
    return (1 << members).sum(dim=-1)
