"""Particle Transformer: attention among objects, biased by features of their pairs.

References
----------
Qu, Li, Qian, Particle Transformer for jet tagging, arXiv:2202.03772. Lee et al., Set Transformer, arXiv:1810.00825.
"""

from dataclasses import dataclass
from typing import Literal

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from hepreco_part_sm.features import EVENT_FEATURES, TOKEN_FEATURES, PairFeatures, event_features, token_features
from hepreco_part_sm.layers import Occupied, convolutions, embedding
from hepreco_part_sm.particles import Particles

Pooling = Literal["class-attention", "multihead-attention"]


@dataclass(frozen=True)
class TransformerSize:
    """Widths and depths.

    Parameters
    ----------
    embedding
        Widths of the embedding layers; the last is also that of the blocks.
    pair_embedding
        Widths of the layers that map pair features to the attention bias.
    heads
        Number of attention heads.
    blocks, class_blocks
        Numbers of attention blocks among particles, and of the class token.
    expansion
        Width of the hidden feed-forward layer in units of that of the blocks.
    dropout
        Dropout of attention, activations and residuals in the blocks among particles.
    """

    embedding: tuple[int, ...] = (128, 512, 128)
    pair_embedding: tuple[int, ...] = (64, 64, 64)
    heads: int = 8
    blocks: int = 8
    class_blocks: int = 2
    expansion: int = 4
    dropout: float = 0.1


class ParticleTransformer(nn.Module):
    """Particle Transformer.

    Parameters
    ----------
    size
        Widths and depths.
    pairs
        Pair features for the attention bias; ``None`` for attention without bias.
    outputs
        Number of outputs per event.
    pooling
        How objects are pooled: ``class-attention`` has blocks in which a class token attends to itself and the
        objects, ``multihead-attention`` one block in which a learned seed attends to the objects.
    """

    def __init__(
        self,
        size: TransformerSize,
        *,
        pairs: PairFeatures | None,
        outputs: int,
        pooling: Pooling = "class-attention",
    ) -> None:
        super().__init__()
        width = size.embedding[-1]
        self.embed = Occupied(embedding(size.embedding, features=TOKEN_FEATURES), width)
        self.pairs = pairs
        if pairs is not None:
            layers = convolutions((*size.pair_embedding, size.heads), features=pairs.width)
            self.embed_pairs = Occupied(layers, size.heads)
        self.blocks = nn.ModuleList(
            [Block(width, size.heads, size.expansion, dropout=size.dropout) for _ in range(size.blocks)]
        )
        self.token = nn.Parameter(nn.init.trunc_normal_(torch.empty(width), std=0.02))
        pools = size.class_blocks if pooling == "class-attention" else 1
        self.pools = nn.ModuleList([Block(width, size.heads, size.expansion, dropout=0.0) for _ in range(pools)])
        self.pooling: Pooling = pooling
        self.of_event = nn.Linear(EVENT_FEATURES, width)
        self.norm = nn.LayerNorm(width)
        self.head = nn.Linear(width, outputs)

    def forward(self, particles: Particles) -> Float[Tensor, "event output"]:
        """The outputs of every event."""
        mask = particles.mask
        hidden = self.embed(token_features(particles), mask)
        bias = self._bias(particles)
        for block in self.blocks:
            hidden = block(hidden, hidden, mask, bias)
        token = self.token.expand(len(hidden), 1, -1)
        for block in self.pools:
            if self.pooling == "class-attention":
                present = torch.cat((torch.ones_like(mask[:, :1]), mask), dim=1)
                token = block(token, torch.cat((token, hidden), dim=1), present, None)
            else:
                token = block(token, hidden, mask, None)
        return self.head(self.norm(token[:, 0]) + self.of_event(event_features(particles)))

    def _bias(self, particles: Particles) -> Float[Tensor, "event head object object"] | None:
        """The attention bias U of every pair of different objects, computed for one order since it is symmetric."""
        if self.pairs is None:
            return None
        mask = particles.mask
        upper = torch.ones(mask.shape[1], mask.shape[1], dtype=torch.bool, device=mask.device).triu(1)
        pairs = mask[:, :, None] & mask[:, None] & upper
        half = self.embed_pairs(self.pairs(particles), pairs)
        return (half + half.transpose(1, 2)).permute(0, 3, 1, 2)


class Block(nn.Module):
    """Attention and a feed-forward part, with normalisation before and within, and scaled heads and residuals.

    References
    ----------
    NormFormer, arXiv:2110.09456, as in arXiv:2202.03772.
    """

    def __init__(self, width: int, heads: int, expansion: int, *, dropout: float) -> None:
        super().__init__()
        self.heads = heads
        self.before = nn.LayerNorm(width)
        self.query, self.key, self.value = (nn.Linear(width, width) for _ in range(3))
        self.scale_of_heads = nn.Parameter(torch.ones(heads))
        self.together = nn.Linear(width, width)
        self.after = nn.LayerNorm(width)
        self.feed = nn.Sequential(
            nn.LayerNorm(width), nn.Linear(width, expansion * width), nn.GELU(), nn.Dropout(dropout)
        )
        self.feed_back = nn.Sequential(nn.LayerNorm(expansion * width), nn.Linear(expansion * width, width))
        self.scale_of_residual = nn.Parameter(torch.ones(width))
        self.dropout = dropout

    def forward(
        self,
        queries: Float[Tensor, "event query feature"],
        values: Float[Tensor, "event object feature"],
        mask: Bool[Tensor, "event object"],
        bias: Float[Tensor, "event head object object"] | None,
    ) -> Float[Tensor, "event query feature"]:
        """The queries after attention to the occupied values, and after the feed-forward part."""
        normed = self.before(values)
        asking = normed if queries is values else queries
        query, key, value = (
            self._by_head(layer(x)) for layer, x in ((self.query, asking), (self.key, normed), (self.value, normed))
        )
        nothing = torch.finfo(normed.dtype).min / 2
        added = normed.new_zeros(mask.shape).masked_fill(~mask, nothing)[:, None, None, :]
        attended = nn.functional.scaled_dot_product_attention(
            query,
            key,
            value,
            attn_mask=added if bias is None else added + bias,
            dropout_p=self.dropout if self.training else 0.0,
        )
        together = self.together(attended.transpose(1, 2).flatten(start_dim=2))
        scaled = together.unflatten(-1, (self.heads, -1)) * self.scale_of_heads[:, None]
        seen = queries + self._dropped(self.after(scaled.flatten(start_dim=2)))
        return seen * self.scale_of_residual + self._dropped(self.feed_back(self.feed(seen)))

    def _by_head(self, values: Tensor) -> Float[Tensor, "event head object feature"]:
        return values.unflatten(-1, (self.heads, -1)).transpose(1, 2)

    def _dropped(self, values: Tensor) -> Tensor:
        return nn.functional.dropout(values, self.dropout, training=self.training)
