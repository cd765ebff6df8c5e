"""The input of a plugin: a frozen batch of events as padded tensors."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor
from torch.nn.functional import pad

PER_OBJECT: Final = ("momenta", "mask", "species", "index")
PER_EVENT: Final = ("missing_momentum", "event_id", "weight")


@dataclass(frozen=True)
class EventBatch:
    """Selected objects of some events, padded to a common number of slots.

    The objects of one collection are adjacent, ordered by decreasing pt and followed by padding. A collection has at
    least as many slots as required objects, and at least one. Padded slots hold zeros, a mask of False and an index of
    −1, and must never change a result.

    Parameters
    ----------
    momenta
        Four-momenta (E, px, py, pz) in GeV, float64.
    mask
        True where a slot holds an object.
    species
        Position of the object's collection in ``collections``.
    index
        Position of the object in the original NanoAOD collection, −1 in padding.
    features
        The additional features of objects that the :class:`~hepreco.InputSpec` requests, by name; zeros for collections
        without that feature.
    missing_momentum
        Missing transverse momentum (px, py) in GeV; NaN if the input specification requests none.
    event_id
        (run, luminosity block, event), int64.
    weight
        Weight of the event, for histograms; it must not influence the reconstruction.
    collections
        Names of the NanoAOD collections, in the order of the input specification.
    event_features
        The numbers per event that the input specification asks for, by their columns; NaN where one is missing.
    """

    momenta: Float[Tensor, "event object 4"]
    mask: Bool[Tensor, "event object"]
    species: Int[Tensor, "event object"]
    index: Int[Tensor, "event object"]
    features: Mapping[str, Float[Tensor, "event object"]]
    missing_momentum: Float[Tensor, "event 2"]
    event_id: Int[Tensor, "event 3"]
    weight: Float[Tensor, " event"]
    collections: tuple[str, ...]
    event_features: Mapping[str, Float[Tensor, " event"]] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.momenta)

    @property
    def device(self) -> torch.device:
        """The device of the tensors."""
        return self.momenta.device

    def collection(self, name: str) -> "EventBatch":
        """The same events with the slots of one collection only; ``ValueError`` if the batch has no such collection."""
        held = (self.species == self.collections.index(name)).any(dim=0)
        slots = torch.nonzero(held)[:, 0] if len(self) else torch.arange(len(held), device=self.device)
        return self._map_objects(lambda tensor: tensor[:, slots])

    def objects_ordered_by(self, key: Float[Tensor, "event object"], *, at_most: int) -> "EventBatch":
        """The ``at_most`` objects of largest ``key`` per event, in decreasing order; padding comes last."""
        order = torch.where(self.mask, key, -torch.inf).sort(dim=1, descending=True, stable=True).indices[:, :at_most]
        return self._map_objects(
            lambda tensor: torch.take_along_dim(tensor, order[(...,) + (None,) * (tensor.ndim - 2)], dim=1)
        )

    def padded(self, objects: int) -> "EventBatch":
        """The same events with at least ``objects`` slots; added slots belong to the last collection."""
        extra = max(objects - self.mask.shape[1], 0)

        def widen(tensor: Tensor) -> Tensor:
            return pad(tensor, (0, 0, 0, extra) if tensor.ndim == 3 else (0, extra))

        wide = self._map_objects(widen)
        species = torch.cat((self.species, self.species[:, -1:].expand(-1, extra)), dim=1)
        return replace(wide, species=species, index=torch.where(wide.mask, wide.index, -1))

    def __getitem__(self, events: slice | Tensor) -> "EventBatch":
        return self._map(lambda tensor: tensor[events])

    def to(self, device: str | torch.device) -> "EventBatch":
        """The same batch on another device."""
        return self._map(lambda tensor: tensor.to(device))

    @staticmethod
    def concatenate(batches: Sequence["EventBatch"]) -> "EventBatch":
        """Join batches of the same input specification, in order, padded as needed.

        Each collection is padded separately, so that its slots stay adjacent.
        """
        batches = [batch for batch in batches if len(batch)] or batches[:1]
        first = batches[0]
        widths = [max(b.collection(name).mask.shape[1] for b in batches) for name in first.collections]
        aligned = [
            [b.collection(name).padded(width) for name, width in zip(first.collections, widths, strict=True)]
            for b in batches
        ]
        rows = [_join(parts, dim=1) for parts in aligned]
        return _join(rows, dim=0)

    def _map(self, function: Callable[[Tensor], Tensor]) -> "EventBatch":
        return self._replaced(function, (*PER_OBJECT, *PER_EVENT))

    def _map_objects(self, function: Callable[[Tensor], Tensor]) -> "EventBatch":
        return self._replaced(function, PER_OBJECT)

    def _replaced(self, function: Callable[[Tensor], Tensor], names: tuple[str, ...]) -> "EventBatch":
        changed: dict[str, Any] = {name: function(getattr(self, name)) for name in names}
        changed["features"] = {name: function(feature) for name, feature in self.features.items()}
        if names != PER_OBJECT:
            changed["event_features"] = {name: function(feature) for name, feature in self.event_features.items()}
        return replace(self, **changed)


def _join(batches: Sequence[EventBatch], *, dim: int) -> EventBatch:
    """Concatenate along events (0) or along objects (1)."""
    first = batches[0]
    names = (*PER_OBJECT, *PER_EVENT) if dim == 0 else PER_OBJECT
    joined: dict[str, Any] = {name: torch.cat([getattr(batch, name) for batch in batches], dim=dim) for name in names}
    for kind in ("features", "event_features")[: 2 - dim]:
        values = [getattr(batch, kind) for batch in batches]
        joined[kind] = {name: torch.cat([each[name] for each in values], dim=dim) for name in values[0]}
    return replace(first, **joined)
