"""Rearranged events: shuffled objects, more padding, garbage in the padding."""

from collections.abc import Callable, Mapping
from dataclasses import replace

import torch
from jaxtyping import Int
from torch import Tensor
from torch.nn.functional import pad

from hepreco.events import EventBatch
from hepreco.plugin import Column


def slots_of(batch: EventBatch, collection: str) -> Int[Tensor, " slot"]:
    """The slots of a collection, which are adjacent."""
    return torch.nonzero(batch.species[0] == batch.collections.index(collection))[:, 0]


def shuffled(batch: EventBatch, *, seed: int) -> tuple[EventBatch, Int[Tensor, "event object"]]:
    """Events with objects in random order within their collections, padding last; and the original slot of each."""
    key = torch.rand(batch.mask.shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    # Keys of collections differ by four, and those of padding and objects by two.
    order = (4 * batch.species + 2 * ~batch.mask + key).argsort(dim=1)
    return _map_objects(batch, lambda tensor: _take(tensor, order)), order


def widened(batch: EventBatch, *, extra: int) -> EventBatch:
    """Events with ``extra`` more padded slots after each collection."""
    spare = batch.mask.shape[1]
    behind = [torch.cat((slots_of(batch, name), torch.full((extra,), spare))) for name in batch.collections]
    slots = torch.cat(behind)
    species = torch.cat([torch.full_like(part, position) for position, part in enumerate(behind)])

    def widen(tensor: Tensor) -> Tensor:
        return pad(tensor, (0, 0, 0, 1) if tensor.ndim == 3 else (0, 1))[:, slots]

    wide = _map_objects(batch, widen)
    return replace(wide, species=species.expand(len(batch), -1), index=torch.where(wide.mask, wide.index, -1))


def narrowed(batch: EventBatch) -> tuple[EventBatch, dict[str, int]]:
    """Events without unneeded padded slots, but at least one slot per collection; and the slots of each collection."""
    number = {name: max(int(batch.collection(name).mask.sum(dim=1).max()), 1) for name in batch.collections}
    slots = torch.cat([slots_of(batch, name)[: number[name]] for name in batch.collections])
    return _map_objects(batch, lambda tensor: tensor[:, slots]), number


def in_order(batch: EventBatch) -> EventBatch:
    """Events with each collection ordered by decreasing pt, padding last."""
    by_pt = (-batch.momenta[..., 1:3].norm(dim=-1)).argsort(dim=1, stable=True)
    behind = _take(batch.species * 2 + (~batch.mask).long(), by_pt).argsort(dim=1, stable=True)
    order = _take(by_pt, behind)
    return _map_objects(batch, lambda tensor: _take(tensor, order))


def soiled(batch: EventBatch, *, seed: int) -> EventBatch:
    """Events with large random numbers in the padded slots of momenta and features."""
    generator = torch.Generator().manual_seed(seed)

    def soil(tensor: Tensor) -> Tensor:
        garbage = 1000 * torch.rand(tensor.shape, generator=generator, dtype=tensor.dtype)
        return torch.where(batch.mask[..., None] if tensor.ndim == 3 else batch.mask, tensor, garbage)

    features = {name: soil(feature) for name, feature in batch.features.items()}
    return replace(batch, momenta=soil(batch.momenta), features=features)


def per_object(
    found: Mapping[str, Tensor], *, columns: tuple[Column, ...], function: Callable[[Tensor, str], Tensor]
) -> dict[str, Tensor]:
    """Apply a function of (values, collection) to the columns that have one entry per object."""
    collection = {column.name: column.per for column in columns}
    return {
        name: function(value, per) if isinstance(per := collection.get(name), str) else value
        for name, value in found.items()
    }


def follow(value: Tensor, collection: str, *, batch: EventBatch, order: Int[Tensor, "event object"]) -> Tensor:
    """Values per object, in the order of the objects after a shuffle."""
    slots = slots_of(batch, collection)
    return _take(value, order[:, slots] - slots[0])


def _take(tensor: Tensor, order: Tensor) -> Tensor:
    return torch.take_along_dim(tensor, order.reshape(*order.shape, *(1 for _ in tensor.shape[2:])), dim=1)


def _map_objects(batch: EventBatch, function: Callable[[Tensor], Tensor]) -> EventBatch:
    return replace(
        batch,
        momenta=function(batch.momenta),
        mask=function(batch.mask),
        species=function(batch.species),
        index=function(batch.index),
        features={name: function(feature) for name, feature in batch.features.items()},
    )
