"""What is handed on: events at parton level, and objects at detector level, both padded."""

from collections.abc import Sequence
from dataclasses import dataclass, fields

import torch
from torch import Tensor


@dataclass(frozen=True)
class PartonEvents:
    """Events at parton level with their history, as in a Les Houches event file (hep-ph/0609017).

    The incoming partons come first, then what they produce, each resonance before its products. An event with fewer
    particles than others is padded at the end, with ``status`` 0.

    Parameters
    ----------
    momenta
        (event, particle, 4): (E, px, py, pz) in GeV in the laboratory, float64; the first beam moves along +z.
    pdg_id
        (event, particle): the numbers of the Particle Data Group; 0 where there is none.
    status
        (event, particle): −1 incoming, 2 a resonance, 1 final, 0 padding.
    mother
        (event, particle): the index of the resonance that a particle comes from; −1 where it comes from the incoming
        partons, is one, or is padding.
    colour
        (event, particle, 2): tags of the colour and the anticolour line; 0 for none. Tags begin at 501.
    weight
        (event,): 1 for unweighted events but for few that exceed the largest expected weight; their mean is about 1.
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
    """Objects at detector level. Empty slots have momentum 0, and the order of slots has no meaning.

    Parameters
    ----------
    jets
        (event, jet, 4) in GeV.
    jet_parton
        (event, jet): truth. Which of the final quarks and gluons (counted in their order among the particles of
        status 1, leptons included) a jet comes from; −1 for none. A jet of several merged partons names the hardest.
    jet_flavour
        (event, jet): truth. 5 for b, 4 for c, 0 otherwise.
    jet_btag
        (event, jet): a discriminator in [0, 1].
    leptons
        (event, lepton, 4) in GeV: electrons and muons.
    lepton_pdg_id
        (event, lepton): ±11, ±13; 0 where there is none.
    lepton_particle
        (event, lepton): truth. The position among the final particles, as of ``jet_parton``; −1 where it is not known.
    missing_momentum
        (event, 2): transverse, in GeV.
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
    """A tensor with more of axis 1, so that it has this size."""
    shape = (len(values), size - values.shape[1], *values.shape[2:])
    return torch.cat((values, values.new_full(shape, filling)), dim=1)


def join(parts: Sequence[PartonEvents]) -> PartonEvents:
    """Events one after another, padded to the largest."""
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
