"""Adaptive importance sampling: one grid per dimension, as in VEGAS."""

from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

_DAMPING = 0.5


@dataclass(frozen=True)
class Grid:
    """A product of one-dimensional densities, constant between edges.

    Parameters
    ----------
    edges
        (dimension, bin + 1): edges from 0 to 1; all bins have equal probability.

    References
    ----------
    Lepage, J. Comput. Phys. 27 (1978) 192; the damped refinement of arXiv:2009.05112.
    """

    edges: Float[Tensor, "dimension edge"]

    @classmethod
    def flat(cls, dimensions: int, *, bins: int = 64) -> "Grid":
        """The uniform density."""
        return cls(torch.linspace(0, 1, bins + 1, dtype=torch.float64).repeat(dimensions, 1))

    def __call__(self, u: Float[Tensor, "event dimension"]) -> tuple[Tensor, Tensor]:
        """Map uniform numbers to coordinates with the grid's density, and return also the Jacobian (event,)."""
        index, widths = self.bin_of(u), torch.diff(self.edges, dim=1)
        dimension = torch.arange(u.shape[1]).expand_as(index)
        width, bins = widths[dimension, index], widths.shape[1]
        return self.edges[dimension, index] + (u * bins - index) * width, (width * bins).prod(dim=1)

    def bin_of(self, u: Float[Tensor, "event dimension"]) -> Int[Tensor, "event dimension"]:
        """The bins of uniform numbers."""
        bins = self.edges.shape[1] - 1
        return (u * bins).long().clamp(max=bins - 1)

    def refined(self, u: Float[Tensor, "event dimension"], weights: Float[Tensor, " event"]) -> "Grid":
        """A grid with smaller bins where the squares of weights (Jacobian included) are large."""
        index, squares = self.bin_of(u), weights**2
        return Grid(
            torch.stack(
                [_rebinned(edges, bins, squares) for edges, bins in zip(self.edges, index.unbind(1), strict=True)]
            )
        )


def _rebinned(edges: Tensor, index: Tensor, squares: Tensor) -> Tensor:
    bins = len(edges) - 1
    content = torch.zeros(bins, dtype=squares.dtype).index_add(0, index, squares)
    if not content.sum() > 0:
        return edges
    padded = torch.cat((content[:1], content, content[-1:]))
    share = (padded[:-2] + 6 * padded[1:-1] + padded[2:]) / 8 / content.sum()
    share = share.clamp(min=1e-30, max=1 - 1e-12)
    importance = ((1 - share) / -torch.log(share)).clamp(min=1e-12) ** _DAMPING
    total = torch.cat((importance.new_zeros(1), importance.cumsum(0)))
    target = torch.linspace(0, 1, bins + 1, dtype=total.dtype)[1:-1] * total[-1]
    left = (torch.searchsorted(total, target, right=True) - 1).clamp(0, bins - 1)
    fraction = (target - total[left]) / (total[left + 1] - total[left])
    inner = edges[left] + fraction * (edges[left + 1] - edges[left])
    return torch.cat((edges[:1], inner, edges[-1:]))
