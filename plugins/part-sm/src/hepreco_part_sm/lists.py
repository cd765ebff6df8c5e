"""Models that read a list of objects, in fixed slots by kind or in order of pt."""

from dataclasses import dataclass
from itertools import combinations
from typing import Final

import torch
from jaxtyping import Float
from torch import Tensor, nn

from hepreco_part_sm.features import EVENT_FEATURES, TOKEN_FEATURES, event_features, pair_kinematics, token_features
from hepreco_part_sm.layers import Occupied, mean_of_occupied
from hepreco_part_sm.particles import Kind, Particles

#: Number of slots for each kind: twelve in all, none for photons.
SLOTS: Final = {
    Kind.JET: 4,
    Kind.B_JET: 4,
    Kind.ELECTRON: 1,
    Kind.POSITRON: 1,
    Kind.MUON: 1,
    Kind.ANTIMUON: 1,
}
#: Ln E, ln pt, η, φ of every slot, and of the missing momentum.
SLOT_FEATURES: Final = 4 * sum(SLOTS.values()) + EVENT_FEATURES


def in_slots(particles: Particles) -> Particles:
    """The leading objects of each kind, in the slots of that kind."""
    slots = []
    position = torch.arange(particles.kinds.shape[1], device=particles.kinds.device)
    for kind, number in SLOTS.items():
        chosen = particles.kinds == kind
        rank = torch.where(chosen, position, len(position)).sort(dim=1).values[:, :number]
        slots.append(nn.functional.pad(rank, (0, number - rank.shape[1]), value=len(position)))
    place = torch.cat(slots, dim=1)
    momenta = nn.functional.pad(particles.momenta, (0, 0, 0, 1))
    kinds = nn.functional.pad(particles.kinds, (0, 1))
    return Particles(
        torch.take_along_dim(momenta, place[..., None], dim=1), kinds.gather(1, place), particles.missing_momentum
    )


def slot_features(particles: Particles) -> Float[Tensor, "event feature"]:
    """Twelve objects and the missing momentum as one row of numbers; zeros in empty slots."""
    slots = in_slots(particles)
    kinematic = torch.where(slots.mask[..., None], token_features(slots)[..., :4], 0.0)
    return torch.cat((kinematic.flatten(start_dim=1), event_features(particles)), dim=1)


def slot_pairs(particles: Particles) -> Float[Tensor, "event feature"]:
    """Mass (GeV) and ΔR of all pairs of slots; NaN for pairs with an empty slot."""
    slots = in_slots(particles)
    one, other = (list(side) for side in zip(*combinations(range(slots.kinds.shape[1]), 2), strict=True))
    logarithms = pair_kinematics(slots.momenta)[:, one, other]
    values = torch.stack(((logarithms[..., 0] / 2).exp(), logarithms[..., 1].exp()), dim=-1)
    present = slots.mask[:, one] & slots.mask[:, other]
    return torch.where(present[..., None], values, torch.nan).flatten(start_dim=1)


@dataclass(frozen=True)
class DenseSize:
    """Widths of the hidden layers, and their dropout."""

    hidden: tuple[int, ...] = (256, 256, 256)
    dropout: float = 0.1


class DenseNetwork(nn.Module):
    """Fully connected layers over twelve slots."""

    def __init__(self, size: DenseSize, *, outputs: int) -> None:
        super().__init__()
        layers: list[nn.Module] = [nn.BatchNorm1d(SLOT_FEATURES)]
        width = SLOT_FEATURES
        for out in size.hidden:
            layers += [nn.Linear(width, out), nn.ReLU(), nn.Dropout(size.dropout)]
            width = out
        self.layers = nn.Sequential(*layers, nn.Linear(width, outputs))

    def forward(self, particles: Particles) -> Float[Tensor, "event output"]:
        """The outputs of every event."""
        return self.layers(slot_features(particles))


@dataclass(frozen=True)
class ConvolutionSize:
    """Channels and kernel sizes of the convolutions, and the width of the layer before the output."""

    channels: tuple[int, ...] = (64, 64, 128)
    kernels: tuple[int, ...] = (1, 3, 3)
    hidden: int = 128
    dropout: float = 0.1


class ConvolutionalNetwork(nn.Module):
    """Convolutions along the list of objects in order of pt, then the mean over the objects.

    References
    ----------
    arXiv:2011.13466.
    """

    def __init__(self, size: ConvolutionSize, *, outputs: int) -> None:
        super().__init__()
        self.norm = Occupied(nn.BatchNorm1d(TOKEN_FEATURES), TOKEN_FEATURES)
        layers, width = [], TOKEN_FEATURES
        for channels, kernel in zip(size.channels, size.kernels, strict=True):
            layers.append(nn.Conv1d(width, channels, kernel, padding=kernel // 2))
            width = channels
        self.convolutions = nn.ModuleList(layers)
        self.head = nn.Sequential(
            nn.Linear(width + EVENT_FEATURES, size.hidden),
            nn.ReLU(),
            nn.Dropout(size.dropout),
            nn.Linear(size.hidden, outputs),
        )

    def forward(self, particles: Particles) -> Float[Tensor, "event output"]:
        """The outputs of every event."""
        mask = particles.mask
        hidden = self.norm(token_features(particles), mask).transpose(1, 2)
        for convolution in self.convolutions:
            hidden = torch.relu(convolution(hidden)) * mask[:, None]
        pooled = mean_of_occupied(hidden.transpose(1, 2), mask)
        return self.head(torch.cat((pooled, event_features(particles)), dim=1))
