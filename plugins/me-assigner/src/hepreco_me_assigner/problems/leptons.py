"""The charged lepton of an event."""

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
    species = batch.species.new_tensor([batch.collections.index(name) for name in LEPTONS])
    leptons = replace(batch, mask=batch.mask & torch.isin(batch.species, species))
    return leptons.objects_ordered_by(pt(leptons.momenta), at_most=1)


def apart(jets: Float[Tensor, "event object 4"], lepton: Float[Tensor, "event 1 4"]) -> Bool[Tensor, "event object"]:
    """Which jets are apart from the lepton; NanoAOD lists electrons among the jets as well."""
    return delta_r(jets, lepton) > OVERLAP
