"""Lorentz-equivariant networks of the packages ``lgatr`` and ``lloca``, with the same inputs as the other models.

An event is a set of four-momenta: its objects, the missing momentum, and three reference vectors (the direction of time
and those of both beams), which break the symmetry as the detector does.

References
----------
Economical jet taggers (L-GATr-slim), arXiv:2512.17011. Lorentz local canonicalization (LLoCa), arXiv:2505.20280.
"""

from dataclasses import dataclass
from typing import Any, Final, NamedTuple

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from hepreco.errors import ConfigError
from hepreco_part_sm.layers import mean_of_occupied
from hepreco_part_sm.particles import Kind, Particles

#: The direction of time and those of both beams.
REFERENCES: Final = ((1.0, 0.0, 0.0, 0.0), (1.0, 0.0, 0.0, 1.0), (1.0, 0.0, 0.0, -1.0))
_EXTRA: Final = len(REFERENCES) + 1
_SCALARS: Final = _EXTRA + len(Kind) - 1
_UNIT: Final = 100.0  # GeV
_SOFTEST: Final = 1e-2  # GeV


class Items(NamedTuple):
    """Reference vectors, missing momentum and objects of some events, one after another.

    Parameters
    ----------
    momenta
        (E, px, py, pz) in units of 100 GeV.
    scalars
        One-hot encoding of what an item is: one of the reference vectors, missing momentum, or an object of some kind;
        zeros in padding.
    mask
        True for items, False in padding.
    """

    momenta: Float[Tensor, "event item 4"]
    scalars: Float[Tensor, "event item scalar"]
    mask: Bool[Tensor, "event item"]


class EventItems(nn.Module):
    """The inputs of the equivariant networks."""

    references: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("references", torch.tensor(REFERENCES), persistent=False)

    def forward(self, particles: Particles) -> Items:
        """The items of every event: reference vectors, missing momentum, objects."""
        missing = particles.missing_momentum[:, None]
        size = missing.norm(dim=-1, keepdim=True).clamp(min=_SOFTEST)
        missing = torch.cat((size, missing, torch.zeros_like(size)), dim=-1)
        references = self.references.to(missing).expand(len(missing), -1, -1)
        momenta = torch.cat((references, missing / _UNIT, particles.momenta / _UNIT), dim=1)
        kinds = torch.where(particles.mask, particles.kinds + _EXTRA - 1, -1)
        number = torch.arange(_EXTRA, device=kinds.device).expand(len(kinds), -1)
        item = torch.cat((number, kinds), dim=1)
        scalars = (item[..., None] == torch.arange(_SCALARS, device=kinds.device)).to(momenta)
        return Items(momenta, scalars, item >= 0)


@dataclass(frozen=True)
class EquivariantSize:
    """Widths and depths.

    Parameters
    ----------
    scalars, vectors
        Hidden channels of each kind: in total for L-GATr, per head for LLoCa.
    heads
        Number of attention heads.
    blocks
        Number of blocks.
    """

    scalars: int
    vectors: int
    heads: int
    blocks: int


class VectorTransformer(nn.Module):
    """L-GATr-slim: attention among Lorentz vectors and scalars.

    Parameters
    ----------
    size
        Widths and depths.
    outputs
        Number of outputs per event.

    Raises
    ------
    ConfigError
        If ``lgatr`` is not installed.
    """

    def __init__(self, size: EquivariantSize, *, outputs: int) -> None:
        super().__init__()
        self.items = EventItems()
        self.network = _package("lgatr").LGATrSlim(
            num_blocks=size.blocks,
            in_v_channels=1,
            out_v_channels=0,
            hidden_v_channels=size.vectors,
            in_s_channels=_SCALARS,
            out_s_channels=outputs,
            hidden_s_channels=size.scalars,
            num_heads=size.heads,
        )

    def forward(self, particles: Particles) -> Float[Tensor, "event output"]:
        """The outputs of every event."""
        momenta, scalars, mask = self.items(particles)
        _, output = self.network(momenta[:, :, None], scalars, attn_mask=mask[:, None, None])
        return mean_of_occupied(output, mask)


class LocalFramesTransformer(nn.Module):
    """LLoCa: a transformer in which every object has its own, learned frame of reference.

    Parameters
    ----------
    size
        Widths and depths.
    outputs
        Number of outputs per event.

    Raises
    ------
    ConfigError
        If ``lloca`` is not installed.
    """

    def __init__(self, size: EquivariantSize, *, outputs: int) -> None:
        super().__init__()
        self.items = EventItems()
        self.frames = _package("lloca.framesnet.equi_frames").LearnedPDFrames(self._vectors)
        self.make_frames = _package("lloca.framesnet.frames").Frames
        self.network = _package("lloca.backbone.transformer").Transformer(
            in_channels=4 + _SCALARS,
            attn_reps=f"{size.scalars}x0n+{size.vectors}x1n",
            out_channels=outputs,
            num_blocks=size.blocks,
            num_heads=size.heads,
        )

    def forward(self, particles: Particles) -> Float[Tensor, "event output"]:
        """The outputs of every event; the first events that the network is given set its scale of masses."""
        momenta, scalars, mask = self.items(particles)
        frames = self._frames(momenta, scalars, mask)
        local = torch.einsum("eiab,eib->eia", frames, momenta.to(frames))
        energy = local[..., :1].clamp(min=_SOFTEST / _UNIT)
        features = torch.cat((torch.log(energy), local[..., 1:] / energy, scalars.to(frames)), dim=-1).to(momenta)
        total = (momenta * mask[..., None])[:, len(REFERENCES) :].sum(dim=1)
        output = self.network(
            features, self.make_frames(frames.to(momenta)), p_ref=total, attn_mask=mask[:, None, None]
        )
        return mean_of_occupied(output, mask)

    def _frames(
        self, momenta: Float[Tensor, "event item 4"], scalars: Float[Tensor, "event item scalar"], mask: Tensor
    ) -> Float[Tensor, "event item 4 4"]:
        """The Lorentz transformation to the frame of every item, in double precision; the identity in padding."""
        pointer = nn.functional.pad(mask.sum(dim=1).cumsum(dim=0), (1, 0))
        occupied = momenta[mask].double()
        vectors = self.frames.equivectors
        if not vectors.block.edge_inited:
            vectors.init_standardization(occupied, ptr=pointer)
        found = self.frames(occupied, scalars[mask], ptr=pointer).matrices
        identity = torch.eye(4, dtype=found.dtype, device=found.device).repeat(*mask.shape, 1, 1)
        return identity.index_put((mask,), found)

    @staticmethod
    def _vectors(n_vectors: int) -> nn.Module:
        network: nn.Module = _package("lloca.equivectors.mlp").MLPVectors(
            n_vectors, num_scalars=_SCALARS, hidden_channels=64, num_layers_mlp=2
        )
        return network


def _package(name: str) -> Any:
    try:
        return __import__(name, fromlist=["_"])
    except ImportError:
        raise ConfigError(
            f"part-sm: {name.partition('.')[0]} is not installed",
            "pip install 'hepreco-part-sm[equivariant]', or choose another model",
        ) from None
