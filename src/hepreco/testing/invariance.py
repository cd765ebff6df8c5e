"""Checks that a plugin's answer for an event depends on nothing but that event."""

from dataclasses import replace
from typing import Final

import torch
from torch import Tensor

from hepreco.errors import PluginError
from hepreco.events import EventBatch
from hepreco.plugin import Reconstructor
from hepreco.plugin.columns import check_outputs
from hepreco.testing.answers import answers, ask, fail, require_same
from hepreco.testing.rearranging import follow, per_object, shuffled, slots_of, soiled, widened
from hepreco.testing.toys import toy_batch

EXTRA_SLOTS: Final = 3
PIECES: Final = (1, 7)


def masks_and_padding(reconstructor: Reconstructor) -> None:
    """More padded slots, and other numbers in them, change nothing."""
    batch = toy_batch(reconstructor.inputs)
    wide = widened(batch, extra=EXTRA_SLOTS)
    variants = {
        "when padded slots are added": wide,
        "when padded slots hold other numbers than zero": soiled(wide, seed=2),
    }

    def trim(value: Tensor, collection: str) -> Tensor:
        return value[:, : len(slots_of(batch, collection))]

    expected = answers(reconstructor, batch)
    for when, variant in variants.items():
        found = per_object(answers(reconstructor, variant), columns=reconstructor.outputs, function=trim)
        remedy = "look only at slots where batch.mask is True, for example torch.where(batch.mask, values, 0.0)"
        require_same(expected, found, reconstructor=reconstructor, when=when, remedy=remedy)


def permutation(reconstructor: Reconstructor) -> None:
    """Shuffling the objects of a collection changes nothing; per-object columns follow their objects."""
    batch = toy_batch(reconstructor.inputs)
    other, order = shuffled(batch, seed=3)

    def reorder(value: Tensor, collection: str) -> Tensor:
        return follow(value, collection, batch=batch, order=order)

    expected = per_object(answers(reconstructor, batch), columns=reconstructor.outputs, function=reorder)
    remedy = "choose objects by what they are, for example with batch.objects_ordered_by(pt(batch.momenta), at_most=2)"
    when = "when the objects of a collection are shuffled"
    require_same(expected, answers(reconstructor, other), reconstructor=reconstructor, when=when, remedy=remedy)


def empty_chunk(reconstructor: Reconstructor) -> None:
    """Expect columns without rows from a batch without events."""
    batch = toy_batch(reconstructor.inputs)[:0]
    try:
        check_outputs(
            ask(reconstructor, batch), columns=reconstructor.outputs, batch=batch, plugin=type(reconstructor).__name__
        )
    except PluginError as error:
        fail(
            reconstructor,
            f"on a batch without events: {error.problem}",
            expected="columns of the promised shapes, with no rows",
            remedy="give sizes in full instead of −1 in reshape, and take no minimum or maximum over all events",
        )


def chunk_determinism(reconstructor: Reconstructor) -> None:
    """Expect the same answer for an event alone, among a few, and among all."""
    batch = toy_batch(reconstructor.inputs)
    expected = answers(reconstructor, batch)
    remedy = "use no mean, maximum or normalisation over events, and take random numbers only from event_id"
    for size in PIECES:
        pieces = [answers(reconstructor, batch[i : i + size]) for i in range(0, len(batch), size)]
        found = {name: torch.cat([piece[name] for piece in pieces if name in piece]) for name in pieces[0]}
        when = f"when events come in pieces of {size}"
        require_same(expected, found, reconstructor=reconstructor, when=when, remedy=remedy)


def purity(reconstructor: Reconstructor) -> None:
    """Leave the batch as it was, and give the same when asked again."""
    batch, untouched = toy_batch(reconstructor.inputs), toy_batch(reconstructor.inputs)
    first = {name: value.clone() for name, value in ask(reconstructor, batch).items()}
    remedy = "work on new tensors: no methods that end in _, no assignment into slices of the batch"
    when = "after the plugin has read the batch"
    require_same(_tensors(untouched), _tensors(batch), reconstructor=reconstructor, when=when, remedy=remedy)
    remedy = "keep no state between calls, and take random numbers only from event_id"
    require_same(first, ask(reconstructor, batch), reconstructor=reconstructor, when="when asked twice", remedy=remedy)


def device(reconstructor: Reconstructor) -> None:
    """Answers are where the batch is, and the same on a GPU, where there is one."""
    batch = toy_batch(reconstructor.inputs)
    expected = answers(reconstructor, batch)
    remedy = "make new tensors with device=batch.device, and load networks for the batch's device"
    for place in ("cpu", "cuda") if torch.cuda.is_available() else ("cpu",):
        there = batch.to(place)
        found = answers(reconstructor, there)
        for name, value in found.items():
            if value.device != there.device:
                problem = f"{name} is on {value.device} when the batch is on {there.device}"
                fail(reconstructor, problem, expected="the device of the batch", remedy=remedy)
        require_same(expected, found, reconstructor=reconstructor, when=f"when computed on {place}", remedy=remedy)


def weight_blindness(reconstructor: Reconstructor) -> None:
    """Event weights, which know the process that an event was simulated for, change nothing."""
    batch = toy_batch(reconstructor.inputs)
    expected = answers(reconstructor, batch)
    for when, weight in {
        "when event weights change": -2 * batch.weight,
        "when events exchange their weights": batch.weight.flip(0),
    }.items():
        found = answers(reconstructor, replace(batch, weight=weight))
        remedy = "do not read batch.weight: it is for histograms"
        require_same(expected, found, reconstructor=reconstructor, when=when, remedy=remedy)


def _tensors(batch: EventBatch) -> dict[str, Tensor]:
    """All tensors of a batch by name."""
    names = ("momenta", "mask", "species", "index", "missing_momentum", "event_id", "weight")
    return {name: getattr(batch, name) for name in names} | dict(batch.features)
