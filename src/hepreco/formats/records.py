"""Padded events at parton level and objects at detector level."""

from collections.abc import Sequence
from dataclasses import dataclass, fields

import torch
from torch import Tensor


@dataclass(frozen=True)
class PartonEvents:
    """Events at parton level with their history, as in a Les Houches event file (hep-ph/0609017).

    The incoming partons come first, then the produced particles, each resonance before its decay products. Events with
    fewer particles are padded at the end, with ``status`` 0.

    Parameters
    ----------
    momenta
        (event, particle, 4): (E, px, py, pz) in GeV in the laboratory, float64; the first beam moves along +z.
    pdg_id
        (event, particle): PDG identifiers; 0 for padding.
    status
        (event, particle): −1 incoming, 2 a resonance, 1 final, 0 padding.
    mother
        (event, particle): the index of the resonance that a particle comes from; −1 for particles from the incoming
        partons, for these partons themselves, and for padding.
    colour
        (event, particle, 2): tags of the colour and the anticolour line; 0 for none. Tags begin at 501.
    weight
        (event,): 1 for unweighted events, except a few above the largest expected weight; the mean is about 1.
    """

    momenta: Tensor
    pdg_id: Tensor
    status: Tensor
    mother: Tensor
    colour: Tensor
    weight: Tensor

    def __len__(self) -> int:
        return len(self.weight)

    def __getitem__(self, index: Tensor | slice) -> "PartonEvents":
        """Some of the events."""
        return PartonEvents(**{name: value[index] for name, value in vars(self).items()})


@dataclass(frozen=True)
class DetectorEvents:
    """Objects at detector level. Empty slots have momentum 0; the order of slots is arbitrary.

    Parameters
    ----------
    jets
        (event, jet, 4): momenta in GeV.
    jet_parton
        (event, jet): truth. The position of the jet's quark or gluon among the particles of status 1, leptons included;
        −1 for none. A jet of several merged partons has the position of the hardest.
    jet_flavour
        (event, jet): truth. 5 for b, 4 for c, 0 otherwise.
    jet_btag
        (event, jet): b-tag discriminator in [0, 1].
    leptons
        (event, lepton, 4): momenta of electrons and muons in GeV.
    lepton_pdg_id
        (event, lepton): ±11, ±13; 0 for empty slots.
    lepton_particle
        (event, lepton): truth. The position among the particles of status 1, as for ``jet_parton``; −1 if unknown.
    missing_momentum
        (event, 2): missing transverse momentum in GeV.
    """

    jets: Tensor
    jet_parton: Tensor
    jet_flavour: Tensor
    jet_btag: Tensor
    leptons: Tensor
    lepton_pdg_id: Tensor
    lepton_particle: Tensor
    missing_momentum: Tensor

    def __len__(self) -> int:
        return len(self.missing_momentum)

    def __getitem__(self, index: Tensor | slice) -> "DetectorEvents":
        """Some of the events."""
        return DetectorEvents(**{name: value[index] for name, value in vars(self).items()})


def pad(values: Tensor, size: int, filling: int = 0) -> Tensor:
    """Pad axis 1 of a tensor to this size."""
    shape = (len(values), size - values.shape[1], *values.shape[2:])
    return torch.cat((values, values.new_full(shape, filling)), dim=1)


def join(parts: Sequence[PartonEvents]) -> PartonEvents:
    """Concatenate events, padded to the largest number of particles."""
    size = max(part.momenta.shape[1] for part in parts)
    columns = {field.name: [getattr(part, field.name) for part in parts] for field in fields(PartonEvents)}
    padding = {name: -1 if name == "mother" else 0 for name in columns}
    return PartonEvents(
        **{
            name: torch.cat([value if value.ndim == 1 else pad(value, size, padding[name]) for value in values])
            for name, values in columns.items()
        }
    )


@dataclass(frozen=True)
class CrossSection:
    """A cross-section and its statistical error, in pb."""

    value: float
    error: float

    def __str__(self) -> str:
        return f"{self.value:.5g} ± {self.error:.2g} pb"
