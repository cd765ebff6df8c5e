"""Decay channels of W and Z, assigned to finished events, since all massless fermions have the same kinematics."""

import itertools
from dataclasses import dataclass
from typing import Final, Literal

import torch
from jaxtyping import Float, Int
from torch import Tensor

from hepreco.amplitudes import DecayTree

#: Charged leptons in the final state: one; two; two of the same sign; or two of the same sign or at least three.
Signature = Literal["one lepton", "two leptons", "two of the same sign", "same sign or three leptons"]

_UP, _DOWN = 2, 1
_GENERATIONS: Final = 2
#: The W's decay to one lepton flavour relative to one pair of quarks, which has three colours.
_LEPTONIC: Final = 1 / 3


@dataclass(frozen=True)
class DecayChannels:
    """Decays of the W bosons of a process that was computed with W⁺ → u d̄ and W⁻ → ū d.

    Each W decays to quarks of the first or second generation, or to e or µ with a neutrino (not to τ), at random among
    the choices with the signature. At tree level, with massless fermions and a CKM matrix of 1, all have the same |M|²
    up to the colours of the quarks. A Z → e⁺e⁻ becomes e⁺e⁻ or µ⁺µ⁻.

    Parameters
    ----------
    trees
        The decay trees of the process.
    signature
        The required leptons.
    """

    trees: tuple[DecayTree, ...]
    signature: Signature

    @property
    def factor(self) -> float:
        """The ratio of the cross-section to that of the computed process."""
        pairs = 2.0 ** len(self._rows(23))
        return pairs * sum(_weight(pattern) for pattern in self._patterns())

    def __call__(self, pdg_id: Int[Tensor, "event particle"], u: Float[Tensor, "event number"]) -> Tensor:
        """PDG identifiers of a record with the assigned decays; ``u`` are :attr:`numbers` uniform numbers per event."""
        pdg_id = pdg_id.clone()
        patterns = torch.tensor(self._patterns())
        weights = torch.tensor([_weight(pattern) for pattern in self._patterns()], dtype=u.dtype).cumsum(0)
        leptonic = patterns[
            torch.searchsorted(weights / weights[-1], u[:, 0].contiguous()).clamp(max=len(patterns) - 1)
        ]
        second = (u[:, 1:] > 0.5).long()
        for number, (row, up, down) in enumerate(self._w_rows()):
            sign = torch.sign(pdg_id[:, row])
            is_lepton = leptonic[:, number]
            generation = 2 * second[:, number]
            pdg_id[:, up] = sign * torch.where(is_lepton, 12 + generation, _UP + generation)
            pdg_id[:, down] = -sign * torch.where(is_lepton, 11 + generation, _DOWN + generation)
        for number, row in enumerate(self._rows(23), start=len(self._w_rows())):
            pdg_id[:, row + 1 : row + 3] += torch.sign(pdg_id[:, row + 1 : row + 3]) * 2 * second[:, [number]]
        return pdg_id

    @property
    def numbers(self) -> int:
        """Uniform numbers that an event needs."""
        return 1 + len(self._w_rows()) + len(self._rows(23))

    def _rows(self, boson: int) -> list[int]:
        return [2 + node.row for tree in self.trees for node in tree if node.particle.pdg_id == boson]

    def _w_bosons(self) -> list[DecayTree]:
        return [node for tree in self.trees for node in tree if abs(node.particle.pdg_id) == 24 and node.daughters]

    def _w_rows(self) -> list[tuple[int, int, int]]:
        """Rows of each decaying W, of its up-type and of its down-type product."""
        rows = []
        for w in self._w_bosons():
            row = {abs(daughter.particle.pdg_id): 2 + daughter.row for daughter in w.daughters}
            rows.append((2 + w.row, row[_UP], row[_DOWN]))
        return rows

    def _patterns(self) -> list[tuple[bool, ...]]:
        """All choices of leptonic W decays that have the signature."""
        charges = [int(w.particle.charge) for w in self._w_bosons()]
        fixed = [charge for _ in self._rows(23) for charge in (1, -1)]
        return [
            pattern
            for pattern in itertools.product((False, True), repeat=len(charges))
            if _has(self.signature, [*fixed, *itertools.compress(charges, pattern)])
        ]


def _has(signature: Signature, charges: list[int]) -> bool:
    if signature == "one lepton":
        return len(charges) == 1
    if signature == "two leptons":
        return len(charges) == 2
    same_sign = len(charges) == 2 and sum(charges) != 0
    return same_sign or (signature == "same sign or three leptons" and len(charges) >= 3)


def _weight(pattern: tuple[bool, ...]) -> float:
    return float(_GENERATIONS ** len(pattern) * _LEPTONIC ** sum(pattern))
