"""The inputs of all models, made from NanoAOD objects: momenta and kinds of objects, and missing momentum."""

from dataclasses import dataclass
from enum import IntEnum
from typing import Any, Final, NamedTuple

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from hepreco import EventBatch, InputSpec, ObjectSpec
from hepreco.conventions import B_TAG_THRESHOLD
from hepreco.kinematics import delta_r, pt

#: Largest number of objects per event; those of largest pt are kept.
MOST: Final = 18


class Kind(IntEnum):
    """Kinds of objects, in the order of the interaction matrices; 0 is padding."""

    NOTHING = 0
    JET = 1
    B_JET = 2
    ELECTRON = 3
    POSITRON = 4
    MUON = 5
    ANTIMUON = 6
    PHOTON = 7


class Particles(NamedTuple):
    """Objects of some events.

    Parameters
    ----------
    momenta
        (E, px, py, pz) in GeV, in decreasing order of pt; zeros in padding.
    kinds
        The :class:`Kind` of each object.
    missing_momentum
        (px, py) in GeV.
    """

    momenta: Float[Tensor, "event object 4"]
    kinds: Int[Tensor, "event object"]
    missing_momentum: Float[Tensor, "event 2"]

    @property
    def mask(self) -> Bool[Tensor, "event object"]:
        """True where a slot holds an object."""
        return self.kinds > 0

    @property
    def usable(self) -> Bool[Tensor, " event"]:
        """Whether an event has at least one object, and only finite momenta."""
        finite = torch.isfinite(self.momenta).flatten(1).all(dim=1) & torch.isfinite(self.missing_momentum).all(dim=1)
        return self.mask.any(dim=1) & finite

    def trimmed(self) -> "Particles":
        """The same objects without the slots that are empty in all events."""
        if torch.compiler.is_compiling():  # an exported graph has no shapes that depend on values
            return self
        used = max(int(self.mask.sum(dim=1).max()) if len(self.kinds) else 1, 1)
        return Particles(self.momenta[:, :used], self.kinds[:, :used], self.missing_momentum)


@dataclass(frozen=True, kw_only=True)
class ParticleSelection:
    """Which objects count: options of every reconstructor of this package, which derives from it.

    Parameters
    ----------
    jet_where, electron_where, muon_where, photon_where
        Cuts on the objects; an empty ``photon_where`` leaves photons out.
    b_tag, b_threshold
        A discriminator and its threshold; jets above it are b jets.
    cone
        Jets within this ΔR of an electron, muon or photon are removed.
    missing_momentum
        The collection of the missing momentum.
    """

    jet_where: tuple[str, ...] = ("pt > 25", "|eta| < 2.5")
    electron_where: tuple[str, ...] = ("pt > 15", "|eta| < 2.5")
    muon_where: tuple[str, ...] = ("pt > 15", "|eta| < 2.5")
    photon_where: tuple[str, ...] = ("pt > 20", "|eta| < 2.5")
    b_tag: str = "btagDeepFlavB"
    b_threshold: float = B_TAG_THRESHOLD
    cone: float = 0.4
    missing_momentum: str = "PuppiMET"

    @classmethod
    def examples(cls) -> tuple[Any, ...]:
        """Without photons."""
        return (cls(photon_where=()),)

    @property
    def inputs(self) -> InputSpec:
        """Jets, leptons, photons and missing momentum."""
        photons = (ObjectSpec("Photon", self.photon_where),) if self.photon_where else ()
        return InputSpec(
            (
                ObjectSpec("Jet", self.jet_where, features=(self.b_tag,)),
                ObjectSpec("Electron", self.electron_where, features=("charge",)),
                ObjectSpec("Muon", self.muon_where, features=("charge",)),
                *photons,
            ),
            missing_momentum=self.missing_momentum,
        )

    def particles(self, batch: EventBatch, *, at_most: int = MOST) -> Particles:
        """The objects of largest pt of every event with their kinds, for training as for analysis.

        A jet whose discriminator is NaN is not tagged. Padding comes last.
        """
        kinds = self._kinds(batch)
        kept = (kinds > 0) & ~_near_others(batch, kinds, cone=self.cone)
        key = torch.where(kept, pt(batch.momenta), -torch.inf)
        order = key.sort(dim=1, descending=True, stable=True).indices[:, :at_most]
        momenta = torch.where(kept[..., None], batch.momenta, 0.0)
        return Particles(
            torch.take_along_dim(momenta, order[..., None], dim=1),
            torch.where(kept, kinds, 0).gather(1, order),
            batch.missing_momentum,
        )

    def _kinds(self, batch: EventBatch) -> Int[Tensor, "event object"]:
        collection = {name: batch.species == number for number, name in enumerate(batch.collections)}
        negative = batch.features["charge"] < 0
        kinds = torch.zeros_like(batch.species)
        tagged = batch.features[self.b_tag] > self.b_threshold
        kinds = torch.where(collection["Jet"], torch.where(tagged, Kind.B_JET, Kind.JET), kinds)
        kinds = torch.where(collection["Electron"], torch.where(negative, Kind.ELECTRON, Kind.POSITRON), kinds)
        kinds = torch.where(collection["Muon"], torch.where(negative, Kind.MUON, Kind.ANTIMUON), kinds)
        if "Photon" in collection:
            kinds = torch.where(collection["Photon"], Kind.PHOTON, kinds)
        return torch.where(batch.mask, kinds, 0)


def _near_others(batch: EventBatch, kinds: Int[Tensor, "event object"], *, cone: float) -> Bool[Tensor, "event object"]:
    """True for jets within ``cone`` of an electron, muon or photon."""
    is_jet, is_other = (kinds == Kind.JET) | (kinds == Kind.B_JET), kinds >= Kind.ELECTRON
    distance = delta_r(batch.momenta[:, :, None], batch.momenta[:, None])
    close = (distance < cone) & is_jet[:, :, None] & is_other[:, None]
    return close.any(dim=2)
