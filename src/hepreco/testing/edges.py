"""Extreme events: ties, coincident objects, no missing momentum, undefined features, objects at the edge of cuts."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Final

import torch
from torch import Tensor

from hepreco.events import EventBatch, InputSpec, ObjectSpec
from hepreco.events.objects import Comparison
from hepreco.kinematics import from_pt_eta_phi_mass, to_pt_eta_phi_mass
from hepreco.testing.branches import known_range
from hepreco.testing.rearranging import in_order, slots_of
from hepreco.testing.toys import passes

#: Relative distance to a cut.
CLOSE: Final = 1e-6
#: Very large pt in GeV.
HARD: Final = 3000.0
#: One in this number of events has an object with an undefined feature.
ONE_IN: Final = 4


def edge_cases(batch: EventBatch, inputs: InputSpec) -> dict[str, EventBatch]:
    """Variants of the events by name, each with one extreme property in all events."""
    made: dict[str, EventBatch] = {
        "two objects of equal pt": equal_pt(batch),
        "two objects with the same momentum": _second(batch, lambda first: first),
        "two objects back to back": _second(batch, lambda first: first * first.new_tensor([1.0, -1.0, -1.0, -1.0])),
        "massless objects": _massless(batch),
        "no more objects than it asks for": _fewest(batch, inputs),
        "objects at the edge of the cuts": _at_cuts(batch, inputs),
        "an object of 3 TeV": _hard(batch),
    }
    if len(batch.collections) > 1:
        made["objects of all collections with the same momentum"] = _all_alike(batch)
    if inputs.missing_momentum is not None:
        nothing = torch.zeros_like(batch.missing_momentum)
        made["no missing momentum"] = replace(batch, missing_momentum=nothing)
    present = {value for spec in inputs.objects for name in spec.features for value in _undefined(spec, name)}
    for value in sorted(present):
        made[f"features of {value:g}"] = _features(batch, inputs, value)
    return {name: in_order(some) for name, some in made.items()}


def equal_pt(batch: EventBatch) -> EventBatch:
    """Events in which the second object of each collection has exactly the pt of the first, a quarter turn away."""
    return in_order(_second(batch, lambda p: torch.stack((p[..., 0], -p[..., 2], p[..., 1], -p[..., 3]), dim=-1)))


def with_undefined(batch: EventBatch, inputs: InputSpec) -> EventBatch:
    """Set a feature of one object undefined (−1 or 0 in NanoAOD) in some events, never of two objects of an event."""
    features = {name: values.clone() for name, values in batch.features.items()}
    for spec in inputs.objects:
        first = slots_of(batch, spec.collection)[0] if len(batch) else 0
        for name in spec.features:
            known = known_range(spec.collection, name)
            for number, value in enumerate(_undefined(spec, name) if known else ()):
                rows = slice(number, None, ONE_IN)
                held = batch.mask[rows, first]
                features[name][rows, first] = torch.where(held, value, features[name][rows, first])
    return replace(batch, features=features)


def _undefined(spec: ObjectSpec, name: str) -> tuple[float, ...]:
    """Undefined values of a feature that pass the cuts on it, fewer than ``ONE_IN``."""
    known = known_range(spec.collection, name)
    values = torch.tensor(known.undefined[: ONE_IN - 1] if known else (), dtype=torch.float64)
    for cut in (cut for cut in map(Comparison.parse, spec.where) if cut.field == name):
        values = values[passes(cut, values)]
    return tuple(values.tolist())


def _second(batch: EventBatch, function: Callable[[Tensor], Tensor]) -> EventBatch:
    """Replace the second object of each collection, if there is one, by a function of the first."""
    momenta = batch.momenta.clone()
    for name in batch.collections:
        slots = slots_of(batch, name)
        if len(slots) > 1:
            first, second = slots[0], slots[1]
            held = batch.mask[:, second, None]
            momenta[:, second] = torch.where(held, function(momenta[:, first]), momenta[:, second])
    return replace(batch, momenta=momenta)


def _all_alike(batch: EventBatch) -> EventBatch:
    """Give the leading objects of all collections the same momentum, like a lepton that is also a jet."""
    momenta = batch.momenta.clone()
    leading = [slots_of(batch, name)[0] for name in batch.collections]
    for slot in leading[1:]:
        held = (batch.mask[:, slot] & batch.mask[:, leading[0]])[:, None]
        momenta[:, slot] = torch.where(held, momenta[:, leading[0]], momenta[:, slot])
    return replace(batch, momenta=momenta)


def _massless(batch: EventBatch) -> EventBatch:
    momenta = batch.momenta.clone()
    momenta[..., 0] = momenta[..., 1:].norm(dim=-1)
    return replace(batch, momenta=momenta)


def _fewest(batch: EventBatch, inputs: InputSpec) -> EventBatch:
    mask = batch.mask.clone()
    for spec in inputs.objects:
        mask[:, slots_of(batch, spec.collection)[spec.at_least :]] = False
    held = mask[..., None]
    return replace(
        batch,
        mask=mask,
        momenta=torch.where(held, batch.momenta, 0.0),
        index=torch.where(mask, batch.index, -1),
        features={name: torch.where(mask, values, 0.0) for name, values in batch.features.items()},
    )


def _at_cuts(batch: EventBatch, inputs: InputSpec) -> EventBatch:
    """Put all objects of each collection just inside the cuts on pt and η."""
    coordinates = to_pt_eta_phi_mass(batch.momenta).clone()
    for spec in inputs.objects:
        slots = slots_of(batch, spec.collection)
        for position, name in enumerate(("pt", "eta")):
            for cut in (cut for cut in map(Comparison.parse, spec.where) if cut.field == name and cut.value):
                inside = 1 + CLOSE if cut.sign.startswith(">") else 1 - CLOSE
                edge = torch.full_like(coordinates[:, slots, position], cut.value * inside)
                if cut.absolute:
                    edge = torch.copysign(edge, coordinates[:, slots, position])
                coordinates[:, slots, position] = edge
    momenta = from_pt_eta_phi_mass(*coordinates.unbind(dim=-1))
    return replace(batch, momenta=torch.where(batch.mask[..., None], momenta, 0.0))


def _hard(batch: EventBatch) -> EventBatch:
    momenta = batch.momenta.clone()
    transverse = momenta[:, 0, 1:3].norm(dim=-1).clamp(min=1.0)
    momenta[:, 0] = momenta[:, 0] * (HARD / transverse)[:, None]
    return replace(batch, momenta=momenta)


def _features(batch: EventBatch, inputs: InputSpec, value: float) -> EventBatch:
    """Set all features to this value whose range contains it and whose cuts it passes."""
    features = {name: values.clone() for name, values in batch.features.items()}
    for spec in inputs.objects:
        slots = slots_of(batch, spec.collection)
        for name in spec.features:
            if value in _undefined(spec, name):
                features[name][:, slots] = torch.where(batch.mask[:, slots], value, 0.0).to(features[name])
    return replace(batch, features=features)


def joined(batches: Mapping[str, EventBatch], *, first: EventBatch) -> EventBatch:
    """Concatenate the first batch and all others."""
    return EventBatch.concatenate([first, *batches.values()])
