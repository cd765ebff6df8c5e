"""Converts between awkward arrays and torch tensors; no other module does."""

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Any

import awkward as ak
import numpy as np
import torch
from coffea.nanoevents.methods import nanoaod
from numpy.typing import NDArray
from torch import Tensor

from hepreco.errors import DatasetError
from hepreco.events.arrays import column, flattened, passing
from hepreco.events.batch import EventBatch
from hepreco.events.columns import EVENT_ID
from hepreco.events.objects import MOMENTUM, InputSpec, ObjectSpec
from hepreco.events.selections import INDEX
from hepreco.kinematics import from_pt_eta_phi_mass, to_pt_eta_phi_mass


class Converter:
    """Converts the inputs of plugins to batches; each column is converted once for all plugins.

    Parameters
    ----------
    events
        NanoAOD events.
    weight
        One weight per event.

    Attributes
    ----------
    events
        The events, with what was attached to them since.
    """

    def __init__(self, events: ak.Array, weight: NDArray[np.floating[Any]]) -> None:
        self.events = events
        self._weight = torch.from_numpy(np.asarray(weight, dtype=np.float64))
        self._known: dict[tuple[object, ...], Any] = {}

    def __call__(
        self, inputs: InputSpec, *, bound: Mapping[str, str] = MappingProxyType({})
    ) -> tuple[EventBatch, NDArray[np.bool_]]:
        """Select, order and pad the objects that a plugin reads.

        Parameters
        ----------
        inputs
            The plugin's input specification.
        bound
            Names of selected objects that replace a collection of the specification and its cuts, by collection.

        Returns
        -------
        batch, enough
            The batch of the events that have the required objects, and a mask of these events.

        Raises
        ------
        DatasetError
            A branch of the specification is missing.
        """
        chosen = [_Chosen(bound.get(spec.collection), spec) for spec in inputs.objects]
        slots = [self._fitted(each.spec, self._once(self._slots, each.source, each.where), -1) for each in chosen]
        enough = np.ones(len(self.events), dtype=bool)
        for each, table in zip(chosen, slots, strict=True):
            enough &= (table >= 0).sum(axis=1) >= each.spec.at_least
        index, momenta = (
            [self._fitted(each.spec, self._once(make, each.source, each.where), empty) for each in chosen]
            for make, empty in ((self._index, -1), (self._momenta, 0.0))
        )
        features = {
            name: [
                self._fitted(each.spec, self._once(self._feature, each.source, each.where, name), 0.0)
                if name in each.spec.features
                else np.zeros(table.shape)
                for each, table in zip(chosen, slots, strict=True)
            ]
            for name in inputs.features
        }
        species = [np.full(table.shape, i, dtype=np.int64) for i, table in enumerate(slots)]
        batch = EventBatch(
            momenta=_joined(momenta),
            mask=_joined(index) >= 0,
            species=_joined(species),
            index=_joined(index),
            features={name: _joined(parts) for name, parts in features.items()},
            missing_momentum=self._once(self._missing_momentum, inputs.missing_momentum),
            event_id=self._once(self._event_id),
            weight=self._weight,
            collections=tuple(spec.collection for spec in inputs.objects),
            event_features={name: self._once(self._event_feature, name) for name in inputs.event_features},
        )
        return batch[torch.from_numpy(enough)], enough

    def attach(self, name: str, record: ak.Array) -> None:
        """Put a record beside the events: what a plugin has answered, which others may read."""
        self.events = ak.with_field(self.events, record, name)

    def _once(self, make: Callable[..., Any], *arguments: object) -> Any:
        key = (make.__name__, *arguments)
        if key not in self._known:
            self._known[key] = make(*arguments)
        return self._known[key]

    def _fitted(self, spec: ObjectSpec, table: NDArray[Any], empty: int | float) -> NDArray[Any]:
        """Pad or truncate to the number of slots of the specification; added slots hold ``empty``."""
        width = max(table.shape[1], spec.at_least, 1)
        width = width if spec.at_most is None else min(width, spec.at_most)
        extra = max(width - table.shape[1], 0)
        widths = ((0, 0), (0, extra), *((0, 0),) * (table.ndim - 2))
        return np.pad(table, widths, constant_values=empty) if extra else table[:, :width]

    def _slots(self, source: str, where: tuple[str, ...]) -> NDArray[np.int64]:
        """Position of each kept object in the chunk's flat collection, by decreasing pt; −1 in padding."""
        events, name = self._once(self._objects, source)
        pt = column(events, f"{name}.pt")
        counts = ak.to_numpy(ak.num(pt)).astype(np.int64)
        kept = np.flatnonzero(flattened(passing(events, name, where)))
        event = np.repeat(np.arange(len(counts)), counts)[kept]
        order = np.lexsort((kept, -flattened(pt)[kept].astype(np.float64), event))
        kept, event = kept[order], event[order]
        per_event = np.bincount(event, minlength=len(counts))
        rank = np.arange(len(kept)) - np.repeat(np.cumsum(per_event) - per_event, per_event)
        table = np.full((len(counts), int(per_event.max(initial=0))), -1, dtype=np.int64)
        table[event, rank] = kept
        return table

    def _index(self, source: str, where: tuple[str, ...]) -> NDArray[np.int64]:
        """Positions in the original collection."""
        events, name = self._once(self._objects, source)
        objects = column(events, name)
        local = objects[INDEX] if INDEX in objects.fields else ak.local_index(column(events, f"{name}.pt"))
        table = self._once(self._slots, source, where)
        return np.where(table >= 0, np.append(flattened(local).astype(np.int64), -1)[table], -1)

    def _feature(self, source: str, where: tuple[str, ...], name: str) -> NDArray[np.float64]:
        events, collection = self._once(self._objects, source)
        flat = _as_float64(flattened(column(events, f"{collection}.{name}")), f"{source}_{name}")
        table = self._once(self._slots, source, where)
        return np.where(table >= 0, np.append(flat, 0.0)[table], 0.0)

    def _momenta(self, source: str, where: tuple[str, ...]) -> NDArray[np.float64]:
        coordinates = [torch.from_numpy(self._feature(source, where, name)) for name in MOMENTUM]
        held = torch.from_numpy(self._once(self._slots, source, where) >= 0)
        momenta: NDArray[np.float64] = torch.where(held[..., None], from_pt_eta_phi_mass(*coordinates), 0.0).numpy()
        return momenta

    def _objects(self, source: str) -> tuple[ak.Array, str]:
        """The array and the field with the objects of a source: the events, or a record made of a plugin's column."""
        if "." not in source:
            return self.events, source
        found = column(self.events, source)
        listed = ak.fill_none(found, [], axis=0) if found.ndim > 1 else ak.singletons(found)
        listed = ak.with_field(listed, ak.local_index(listed.pt, axis=1), INDEX)
        return ak.zip({"found": listed[~ak.is_none(listed.pt, axis=1)]}, depth_limit=1), "found"

    def _event_feature(self, path: str) -> Tensor:
        values = column(self.events, path)
        if values.ndim != 1 or values.fields:
            raise DatasetError(f"{path} is not one number per event", "name a column of numbers, for example PV.npvs")
        return torch.from_numpy(ak.to_numpy(ak.fill_none(values, np.nan)).astype(np.float64))

    def _event_id(self) -> Tensor:
        numbers = [flattened(column(self.events, name)).astype(np.int64) for name in EVENT_ID]
        return torch.from_numpy(np.stack(numbers, axis=-1))

    def _missing_momentum(self, collection: str | None) -> Tensor:
        if collection is None:
            return torch.full((len(self.events), 2), torch.nan, dtype=torch.float64)
        pt, phi = (
            torch.from_numpy(flattened(column(self.events, f"{collection}.{name}")).astype(np.float64))
            for name in ("pt", "phi")
        )
        return torch.stack((pt * torch.cos(phi), pt * torch.sin(phi)), dim=-1)


def to_batch(
    events: ak.Array, inputs: InputSpec, *, weight: NDArray[np.floating[Any]]
) -> tuple[EventBatch, NDArray[np.bool_]]:
    """The input of one plugin, see :class:`Converter`."""
    return Converter(events, weight)(inputs)


def four_vector_records(momenta: Tensor) -> ak.Array:
    """Four-momenta ``(event, ..., 4)`` as NanoAOD-like records (pt, eta, phi, mass), float32; NaN becomes missing."""
    coordinates = to_pt_eta_phi_mass(momenta.cpu())
    fields = {name: _to_awkward(coordinates[..., i].float()) for i, name in enumerate(("pt", "eta", "phi", "mass"))}
    records = ak.zip(fields, with_name="PtEtaPhiMLorentzVector", behavior=nanoaod.behavior)
    return ak.mask(records, _to_awkward(~torch.isnan(momenta.cpu()).any(dim=-1)))


def missing_where_nan(values: Tensor) -> ak.Array:
    """Numbers ``(event, ...)`` as an awkward array: floats become float32 with NaN as missing, integers stay."""
    values = values.cpu()
    if not values.is_floating_point():
        return _to_awkward(values)
    return ak.mask(_to_awkward(values.float()), _to_awkward(~torch.isnan(values)))


def parallel_to_collection(values: Tensor, index: Tensor, counts: NDArray[np.int64]) -> ak.Array:
    """Values per slot ``(event, slot)`` as one list per event, parallel to the original collection.

    ``index`` (event, slot) is the position of a slot's object in the original collection (−1: none), and ``counts`` the
    length of that collection in each event. Objects without a slot have missing values.
    """
    offsets = np.concatenate(([0], np.cumsum(counts)))[:-1]
    flat = np.full(int(counts.sum()), np.nan, dtype=np.float32)
    position, held = index.cpu().numpy(), index.cpu().numpy() >= 0
    flat[(offsets[:, None] + position)[held]] = values.cpu().numpy()[held]
    return ak.unflatten(ak.mask(flat, ~np.isnan(flat)), counts)


def _to_awkward(tensor: Tensor) -> ak.Array:
    """All axes but the first become variable-length lists, so that the output of all plugins has the same type."""
    array = ak.from_numpy(tensor.numpy())
    return ak.from_regular(array, axis=None) if tensor.ndim > 1 else array


def _as_float64(values: NDArray[Any], branch: str) -> NDArray[np.float64]:
    """The same numbers as float64; integers beyond its exact range are refused."""
    numbers: NDArray[np.float64] = values.astype(np.float64)
    if values.dtype.kind in "iu" and values.dtype.itemsize == 8 and (np.abs(numbers) > 2.0**53).any():
        raise DatasetError(
            f"the branch {branch!r} holds integers beyond 2⁵³, which a tensor of float64 would round",
            "do not ask for it as a feature, or split its bits into branches of 32",
        )
    return numbers


def _joined(parts: Sequence[NDArray[Any]]) -> Tensor:
    """Concatenate the slots of all collections."""
    return torch.from_numpy(np.concatenate(parts, axis=1))


class _Chosen:
    """The collection that an object specification reads from, and the cuts that remain to be applied."""

    def __init__(self, bound: str | None, spec: ObjectSpec) -> None:
        self.spec = spec
        self.source, self.where = (spec.collection, spec.where) if bound is None else (bound, ())
