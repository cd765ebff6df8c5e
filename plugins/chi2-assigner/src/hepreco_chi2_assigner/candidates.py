"""Candidates for top quarks: jets in threes, or a jet with a lepton and missing momentum."""

from functools import lru_cache
from itertools import combinations

import torch
from jaxtyping import Float, Int
from torch import Tensor


@lru_cache(maxsize=64)
def triplets(jets: int) -> Int[Tensor, "candidate 3"]:
    """All (b, q, q′) of that many jets with q before q′: 3·C(n, 3) of them, in lexicographic order."""
    found = [(b, q, other) for b in range(jets) for q, other in combinations([i for i in range(jets) if i != b], 2)]
    return torch.tensor(found, dtype=torch.int64).reshape(-1, 3)


def bits(members: Int[Tensor, "candidate member"]) -> Int[Tensor, " candidate"]:
    """The set of jets that each candidate uses, one bit each."""
    return (1 << members).sum(dim=-1)


def neutrinos(
    lepton: Float[Tensor, "event 4"], missing_momentum: Float[Tensor, "event 2"], *, w_mass: float
) -> Float[Tensor, "event 2 4"]:
    """The two neutrinos that make the lepton and the missing momentum weigh a W boson.

    With a massless lepton and A = m_W²/2 + p_T(ℓ)·p_T(ν):
    p_z(ν) = [A p_z(ℓ) ± E(ℓ) √(A² − p_T²(ℓ) p_T²(ν))] / p_T²(ℓ).
    Where the root is imaginary (the transverse mass exceeds m_W) its real part, zero, is used in both.
    """
    transverse = lepton[:, 1:3].square().sum(dim=-1)
    a = w_mass**2 / 2 + (lepton[:, 1:3] * missing_momentum).sum(dim=-1)
    root = torch.sqrt((a * a - transverse * missing_momentum.square().sum(dim=-1)).clamp(min=0.0))
    pz = torch.stack([(a * lepton[:, 3] + sign * lepton[:, 0] * root) / transverse for sign in (1, -1)], dim=-1)
    in_plane = missing_momentum[:, None].expand(-1, 2, -1)
    energy = torch.sqrt(in_plane.square().sum(dim=-1) + pz * pz)
    return torch.cat((energy[..., None], in_plane, pz[..., None]), dim=-1)
