"""Layers for events with different numbers of objects, in which padding enters neither sums nor statistics."""

from collections.abc import Sequence

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn


class Occupied(nn.Module):
    """Apply a module to occupied slots only; the others get zeros.

    Padding then neither enters batch normalisation nor costs time.

    Parameters
    ----------
    module
        A module of rows (row, feature).
    width
        Number of features that the module gives.
    """

    def __init__(self, module: nn.Module, width: int) -> None:
        super().__init__()
        self.module, self.width = module, width

    def forward(self, values: Float[Tensor, "*slot feature"], occupied: Bool[Tensor, "*slot"]) -> Tensor:
        """One row of features per slot."""
        if torch.compiler.is_compiling():  # an exported graph has no shapes that depend on values
            rows = self.module(values.flatten(end_dim=-2)).view(*occupied.shape, self.width)
            return torch.where(occupied[..., None], rows, 0.0)
        rows = self.module(values[occupied])
        return rows.new_zeros(*occupied.shape, self.width).index_put((occupied,), rows)


def convolutions(widths: Sequence[int], *, features: int) -> nn.Sequential:
    """1 × 1 convolutions over slots: batch normalisation of the input, then layers of linear, normalisation, GELU."""
    layers: list[nn.Module] = [nn.BatchNorm1d(features)]
    for width in widths:
        layers += [nn.Linear(features, width), nn.BatchNorm1d(width), nn.GELU()]
        features = width
    return nn.Sequential(*layers)


def embedding(widths: Sequence[int], *, features: int) -> nn.Sequential:
    """The embedding of ParT: batch normalisation of the input, then layers of normalisation, linear, GELU."""
    layers: list[nn.Module] = [nn.BatchNorm1d(features)]
    for width in widths:
        layers += [nn.LayerNorm(features), nn.Linear(features, width), nn.GELU()]
        features = width
    return nn.Sequential(*layers)


def mean_of_occupied(
    values: Float[Tensor, "event object feature"], occupied: Bool[Tensor, "event object"]
) -> Float[Tensor, "event feature"]:
    """The mean over the objects of an event; 0 for an event without objects."""
    total = torch.where(occupied[..., None], values, 0.0).sum(dim=1)
    return total / occupied.sum(dim=1, keepdim=True).clamp(min=1)
