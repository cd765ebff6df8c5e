"""The charged leptons of an event."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from hepreco import EventBatch
from hepreco.kinematics import delta_r, pt

#: Collections in which leptons are searched.
LEPTONS: Final = ("Electron", "Muon")
#: Jets within this ΔR of the lepton are removed.
OVERLAP: Final = 0.4


def leading_lepton(batch: EventBatch) -> EventBatch:
    """The electron or muon of largest pt, in one slot that is empty where there is none."""
    return leading_leptons(batch, at_most=1)


def leading_leptons(batch: EventBatch, *, at_most: int) -> EventBatch:
    """The electrons and muons of largest pt; slots are empty where there are fewer."""
    species = batch.species.new_tensor([batch.collections.index(name) for name in LEPTONS])
    leptons = replace(batch, mask=batch.mask & torch.isin(batch.species, species))
    return leptons.objects_ordered_by(pt(leptons.momenta), at_most=at_most)


def leptons_of(batch: EventBatch, charges: Sequence[int]) -> tuple[EventBatch, Bool[Tensor, " event"]]:
    """The leptons of a process, one or two of these charges, and whether those of the event have opposite charges.

    Of two leptons of unlike charges each is the leading one of its charge, in the order of ``charges``. Otherwise they
    are the leading ones of all; both slots are empty if two that should be alike are not. Where charges are unknown,
    every lepton has the first of these charges.
    """
    leptons = leading_leptons(batch, at_most=batch.mask.shape[1])
    charge = leptons.features.get("charge", torch.full_like(leptons.momenta[..., 0], charges[0]))
    charge = torch.where(leptons.mask, charge, 0.0)
    if len(set(charges)) == 2:
        of_sign = charge[..., None] * charge.new_tensor([1, -1]) > 0
        is_leading = of_sign & (of_sign.cumsum(dim=1) == 1)
        found = replace(leptons, mask=leptons.mask & is_leading.any(dim=2))
        return found.objects_ordered_by(charge * charges[0], at_most=2), torch.zeros_like(batch.mask[:, 0])
    alike = charge[:, : len(charges)].sum(dim=1).abs() == len(charges)
    found = leading_leptons(batch, at_most=len(charges))
    return replace(found, mask=found.mask & alike[:, None]), charge[:, 0] * charges[0] < 0


def apart(
    jets: Float[Tensor, "event object 4"],
    leptons: Float[Tensor, "event lepton 4"],
    *,
    where: Bool[Tensor, "event lepton"],
) -> Bool[Tensor, "event object"]:
    """Which jets are apart from the leptons in filled slots; NanoAOD lists electrons among the jets as well."""
    close = delta_r(jets[:, :, None], leptons[:, None]) <= OVERLAP
    return ~(close & where[:, None]).any(dim=2)
