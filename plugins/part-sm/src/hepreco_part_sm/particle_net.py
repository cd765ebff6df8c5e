"""ParticleNet for few objects: edge convolutions on the complete graph of an event.

References
----------
Qu, Gouskos, ParticleNet, arXiv:1902.08570.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from hepreco_part_sm.features import EVENT_FEATURES, TOKEN_FEATURES, PairFeatures, event_features, token_features
from hepreco_part_sm.layers import Occupied, convolutions, mean_of_occupied
from hepreco_part_sm.particles import Particles


@dataclass(frozen=True)
class GraphSize:
    """Widths of the layers.

    Parameters
    ----------
    blocks
        For each edge convolution the widths of its layers.
    pair_embedding
        Widths of the layers that embed pair features.
    fusion
        Width of the layer that combines the outputs of all convolutions for each object.
    hidden
        Width of the layer before the output.
    dropout
        Dropout of the layer before the output.
    """

    blocks: tuple[tuple[int, ...], ...] = ((32, 32, 32), (64, 64, 64))
    pair_embedding: tuple[int, ...] = (64, 64, 64)
    fusion: int = 128
    hidden: int = 128
    dropout: float = 0.1


class ParticleNet(nn.Module):
    """ParticleNet on the complete graph; embedded pair features are added to the features of neighbours.

    The 16 nearest neighbours of the original would be nearly all of at most 18 objects, so all are used.

    Parameters
    ----------
    size
        Widths of the layers.
    pairs
        Pair features, or ``None``.
    outputs
        Number of outputs per event.
    """

    def __init__(self, size: GraphSize, *, pairs: PairFeatures | None, outputs: int) -> None:
        super().__init__()
        self.pairs = pairs
        if pairs is not None:
            width = size.pair_embedding[-1]
            self.embed_pairs = Occupied(convolutions(size.pair_embedding, features=pairs.width), width)
        self.norm = Occupied(nn.BatchNorm1d(TOKEN_FEATURES), TOKEN_FEATURES)
        blocks, width = [], TOKEN_FEATURES
        for widths in size.blocks:
            blocks.append(EdgeConvolution(width, widths, pair_width=size.pair_embedding[-1] if pairs else 0))
            width = widths[-1]
        self.blocks = nn.ModuleList(blocks)
        together = sum(widths[-1] for widths in size.blocks)
        self.fuse = Occupied(
            nn.Sequential(nn.Linear(together, size.fusion), nn.BatchNorm1d(size.fusion), nn.ReLU()), size.fusion
        )
        self.head = nn.Sequential(
            nn.Linear(size.fusion + EVENT_FEATURES, size.hidden),
            nn.ReLU(),
            nn.Dropout(size.dropout),
            nn.Linear(size.hidden, outputs),
        )

    def forward(self, particles: Particles) -> Float[Tensor, "event output"]:
        """The outputs of every event."""
        mask = particles.mask
        other = ~torch.eye(mask.shape[1], dtype=torch.bool, device=mask.device)
        edges = mask[:, :, None] & mask[:, None] & other
        pairs = self.embed_pairs(self.pairs(particles), edges) if self.pairs is not None else None
        hidden = self.norm(token_features(particles), mask)
        found = []
        for block in self.blocks:
            hidden = block(hidden, mask, edges, pairs)
            found.append(hidden)
        pooled = mean_of_occupied(self.fuse(torch.cat(found, dim=-1), mask), mask)
        return self.head(torch.cat((pooled, event_features(particles)), dim=1))


class EdgeConvolution(nn.Module):
    """An edge convolution: the mean over neighbours j of layers of (x_i, x_j + pair_ij − x_i), and a shortcut.

    Parameters
    ----------
    features
        Number of features of an object.
    widths
        Widths of the layers.
    pair_width
        Number of embedded pair features; 0 without pair features.
    """

    def __init__(self, features: int, widths: tuple[int, ...], *, pair_width: int) -> None:
        super().__init__()
        self.of_pair = nn.Linear(pair_width, features) if pair_width else None
        layers: list[nn.Module] = []
        width = 2 * features
        for out in widths:
            layers += [nn.Linear(width, out, bias=False), nn.BatchNorm1d(out), nn.ReLU()]
            width = out
        self.message = Occupied(nn.Sequential(*layers), width)
        self.shortcut = Occupied(nn.Sequential(nn.Linear(features, width, bias=False), nn.BatchNorm1d(width)), width)

    def forward(
        self,
        objects: Float[Tensor, "event object feature"],
        mask: Bool[Tensor, "event object"],
        edges: Bool[Tensor, "event object object"],
        pairs: Float[Tensor, "event object object pair"] | None,
    ) -> Float[Tensor, "event object out"]:
        """The updated features of the objects."""
        one, other = torch.broadcast_tensors(objects[:, :, None], objects[:, None])
        said = other - one if pairs is None or self.of_pair is None else other + self.of_pair(pairs) - one
        messages = self.message(torch.cat((one, said), dim=-1), edges)
        mean = messages.sum(dim=2) / edges.sum(dim=2).clamp(min=1)[..., None]
        return torch.relu(self.shortcut(objects, mask) + mean) * mask[..., None]
