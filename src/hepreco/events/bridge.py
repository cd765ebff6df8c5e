"""Between awkward arrays and torch tensors: the only place where one becomes the other."""

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
from hepreco.events.objects import InputSpec, ObjectSpec
from hepreco.kinematics import from_pt_eta_phi_mass, to_pt_eta_phi_mass


def to_batch(
    events: ak.Array, inputs: InputSpec, *, weight: NDArray[np.floating[Any]]
) -> tuple[EventBatch, NDArray[np.bool_]]:
    """Select, order and pad what a plugin reads.

    Parameters
    ----------
    events
        NanoAOD events.
    inputs
        The plugin's input specification.
    weight
        One weight per event.

    Returns
    -------
    batch, enough
        The batch of those events that have at least the required objects, and which those are.

    Raises
    ------
    DatasetError
        A branch that the specification names is missing.
    """
    slots = [_slots(events, spec) for spec in inputs.objects]
    enough = np.ones(len(events), dtype=bool)
    for spec, table in zip(inputs.objects, slots, strict=True):
        enough &= (table >= 0).sum(axis=1) >= spec.at_least
    index = np.concatenate([_local(events, spec, t) for spec, t in zip(inputs.objects, slots, strict=True)], axis=1)
    momenta = [
        _gather(events, spec, t, ("pt", "eta", "phi", "mass")) for spec, t in zip(inputs.objects, slots, strict=True)
    ]
    pt, eta, phi, mass = (torch.from_numpy(np.concatenate(parts, axis=1)) for parts in zip(*momenta, strict=True))
    mask = torch.from_numpy(index >= 0)
    batch = EventBatch(
        momenta=torch.where(mask[..., None], from_pt_eta_phi_mass(pt, eta, phi, mass), 0.0),
        mask=mask,
        species=torch.from_numpy(
            np.concatenate([np.full(t.shape, i, dtype=np.int64) for i, t in enumerate(slots)], axis=1)
        ),
        index=torch.from_numpy(index),
        features={
            name: torch.from_numpy(
                np.concatenate(
                    [
                        _gather(events, spec, table, (name,))[0] if name in spec.features else np.zeros(table.shape)
                        for spec, table in zip(inputs.objects, slots, strict=True)
                    ],
                    axis=1,
                )
            )
            for name in inputs.features
        },
        missing_momentum=_missing_momentum(events, inputs.missing_momentum),
        event_id=torch.from_numpy(
            np.stack(
                [flattened(column(events, name)).astype(np.int64) for name in ("run", "luminosityBlock", "event")], -1
            )
        ),
        weight=torch.from_numpy(np.asarray(weight, dtype=np.float64)),
        collections=tuple(spec.collection for spec in inputs.objects),
    )
    return batch[torch.from_numpy(enough)], enough


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
    """Per-slot values ``(event, slot)`` as a list per event that runs parallel to the original collection.

    ``index`` (event, slot) says which original object a slot holds (−1: none), ``counts`` how many there were;
    objects that no slot holds are missing.
    """
    offsets = np.concatenate(([0], np.cumsum(counts)))[:-1]
    flat = np.full(int(counts.sum()), np.nan, dtype=np.float32)
    position, held = index.cpu().numpy(), index.cpu().numpy() >= 0
    flat[(offsets[:, None] + position)[held]] = values.cpu().numpy()[held]
    return ak.unflatten(ak.mask(flat, ~np.isnan(flat)), counts)


def _to_awkward(tensor: Tensor) -> ak.Array:
    """Every axis but the first becomes a list, so that events of all plugins look alike."""
    array = ak.from_numpy(tensor.numpy())
    return ak.from_regular(array, axis=None) if tensor.ndim > 1 else array


def _slots(events: ak.Array, spec: ObjectSpec) -> NDArray[np.int64]:
    """Position of each kept object in the chunk's flat collection, by decreasing pt; −1 in padding."""
    pt = column(events, f"{spec.collection}.pt")
    counts = ak.to_numpy(ak.num(pt)).astype(np.int64)
    kept = np.flatnonzero(flattened(passing(events, spec.collection, spec.where)))
    event = np.repeat(np.arange(len(counts)), counts)[kept]
    order = np.lexsort((kept, -flattened(pt)[kept].astype(np.float64), event))
    kept, event = kept[order], event[order]
    per_event = np.bincount(event, minlength=len(counts))
    rank = np.arange(len(kept)) - np.repeat(np.cumsum(per_event) - per_event, per_event)
    width = max(int(per_event.max(initial=0)), spec.at_least, 1)
    width = width if spec.at_most is None else min(width, spec.at_most)
    table = np.full((len(counts), width), -1, dtype=np.int64)
    within = rank < width
    table[event[within], rank[within]] = kept[within]
    return table


def _local(events: ak.Array, spec: ObjectSpec, table: NDArray[np.int64]) -> NDArray[np.int64]:
    """Positions within each event's own list."""
    counts = ak.to_numpy(ak.num(column(events, f"{spec.collection}.pt"))).astype(np.int64)
    return np.where(table >= 0, table - (np.cumsum(counts) - counts)[:, None], -1)


def _gather(
    events: ak.Array, spec: ObjectSpec, table: NDArray[np.int64], fields: tuple[str, ...]
) -> list[NDArray[np.float64]]:
    gathered = []
    for field in fields:
        flat = _as_float64(flattened(column(events, f"{spec.collection}.{field}")), f"{spec.collection}_{field}")
        gathered.append(np.where(table >= 0, np.append(flat, 0.0)[table], 0.0))
    return gathered


def _as_float64(values: NDArray[Any], branch: str) -> NDArray[np.float64]:
    """The same numbers; integers that no float64 holds are refused."""
    numbers: NDArray[np.float64] = values.astype(np.float64)
    if values.dtype.kind in "iu" and values.dtype.itemsize == 8 and (np.abs(numbers) > 2.0**53).any():
        raise DatasetError(
            f"the branch {branch!r} holds integers beyond 2⁵³, which a tensor of float64 would round",
            "do not ask for it as a feature, or split its bits into branches of 32",
        )
    return numbers


def _missing_momentum(events: ak.Array, collection: str | None) -> Tensor:
    if collection is None:
        return torch.full((len(events), 2), torch.nan, dtype=torch.float64)
    pt, phi = (
        torch.from_numpy(flattened(column(events, f"{collection}.{name}")).astype(np.float64)) for name in ("pt", "phi")
    )
    return torch.stack((pt * torch.cos(phi), pt * torch.sin(phi)), dim=-1)
