"""Checks that a plugin's answer for an event depends only on that event."""

from dataclasses import replace
from typing import Final

import torch
from jaxtyping import Bool
from torch import Tensor

from hepreco.errors import PluginError
from hepreco.events import EventBatch
from hepreco.kinematics import pt
from hepreco.plugin.answers import check_outputs
from hepreco.testing.answers import answers, ask, fail, first_difference, require_same, rows_of
from hepreco.testing.branches import known_range
from hepreco.testing.edges import equal_pt
from hepreco.testing.examination import Examination, check
from hepreco.testing.rearranging import follow, narrowed, per_object, shuffled, slots_of, soiled, widened
from hepreco.testing.toys import toy_batch

EXTRA_SLOTS: Final = 3
#: Number of events in the pieces of all events.
PIECE: Final = 7
_LOOK_AT_MASK: Final = "look only at slots where batch.mask is True, for example torch.where(batch.mask, values, 0.0)"


@check
def masks_and_padding(examined: Examination) -> None:
    """Give the same with more padded slots, with other numbers in them, and without any."""
    batch, expected = examined.events, examined.found
    wide = widened(batch, extra=EXTRA_SLOTS)
    if _padding_matters(examined, soiled(wide, seed=2)):
        for when, variant in {
            "when padded slots are added": wide,
            "when padded slots hold other numbers than zero": soiled(batch, seed=2),
            "when padded slots are added that hold other numbers than zero": soiled(wide, seed=2),
        }.items():
            _require_padding_blind(examined, expected, variant, when=when, remedy=_LOOK_AT_MASK)
    _without_padding(examined)
    tied = equal_pt(batch[: examined.few])
    when, remedy = "when padded slots are added to events with equal pt", "order by a stable sort: objects_ordered_by"
    _require_padding_blind(
        examined,
        answers(examined.reconstructor, tied),
        widened(tied, extra=EXTRA_SLOTS),
        when=when,
        remedy=remedy,
    )


@check
def permutation(examined: Examination) -> None:
    """Give the same if the objects of a collection are shuffled; columns with a value per object follow the objects."""
    reconstructor, batch = examined.reconstructor, examined.events
    found, distinct = examined.found, torch.nonzero(~_tied(examined))[:, 0]
    batch, found = (batch[distinct], rows_of(found, distinct)) if len(distinct) else (batch, found)
    other, order = shuffled(batch, seed=3)

    def reorder(value: Tensor, collection: str) -> Tensor:
        return follow(value, collection, batch=batch, order=order)

    expected = per_object(found, columns=reconstructor.outputs, function=reorder)
    remedy = "choose objects by what they are, for example with batch.objects_ordered_by(pt(batch.momenta), at_most=2)"
    when = "when the objects of a collection are shuffled"
    require_same(expected, answers(reconstructor, other), reconstructor=reconstructor, when=when, remedy=remedy)


@check
def empty_chunk(examined: Examination) -> None:
    """Return columns without rows for a batch without events."""
    reconstructor = examined.reconstructor
    _ = examined.found
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


@check
def chunk_determinism(examined: Examination) -> None:
    """Give the same answer for an event alone, among a few events, and among all."""
    reconstructor = examined.reconstructor
    remedy = "use no mean, maximum or normalisation over events, and take random numbers only from event_id"
    for size, events in ((1, min(examined.few, len(examined.events))), (PIECE, len(examined.events))):
        batch, expected = examined.events[:events], rows_of(examined.found, slice(events))
        pieces = [answers(reconstructor, batch[i : i + size]) for i in range(0, events, size)]
        found = {name: torch.cat([piece[name] for piece in pieces if name in piece]) for name in pieces[0]}
        when = f"when events come in pieces of {size}"
        require_same(expected, found, reconstructor=reconstructor, when=when, remedy=remedy)


@check
def purity(examined: Examination) -> None:
    """Do not change the batch, and give the same for it again, also after other events."""
    reconstructor, events = examined.reconstructor, examined.events
    expected = examined.found
    batch, untouched = _copy(events), _copy(events)
    _ = ask(reconstructor, batch)
    remedy = "work on new tensors: no methods that end in _, no assignment into slices of the batch"
    when = "after the plugin has read the batch"
    require_same(_tensors(untouched), _tensors(batch), reconstructor=reconstructor, when=when, remedy=remedy)
    _ = examined.found_of_others
    remedy = "keep no state between calls, and take random numbers only from event_id"
    found = answers(reconstructor, events)
    require_same(expected, found, reconstructor=reconstructor, when="when asked twice", remedy=remedy)


@check
def device(examined: Examination) -> None:
    """Return answers on the device of the batch, and the same answers on a GPU if there is one."""
    reconstructor, batch = examined.reconstructor, examined.events
    expected = examined.found
    remedy = "make new tensors with device=batch.device, and load networks for the batch's device"
    for place in ("cpu", "cuda") if torch.cuda.is_available() else ("cpu",):
        there = batch.to(place)
        found = expected if place == "cpu" else answers(reconstructor, there)
        for name, value in found.items():
            if value.device != there.device:
                problem = f"{name} is on {value.device} when the batch is on {there.device}"
                fail(reconstructor, problem, expected="the device of the batch", remedy=remedy)
        require_same(expected, found, reconstructor=reconstructor, when=f"when computed on {place}", remedy=remedy)


def weight_blindness(examined: Examination) -> None:
    """Require that answers do not depend on event weights, which reveal the simulated process."""
    reconstructor, batch, expected = examined.reconstructor, examined.events, examined.found
    found = answers(reconstructor, replace(batch, weight=-2 * batch.weight.flip(0)))
    remedy = "do not read batch.weight: it is for histograms"
    when = "when event weights change"
    require_same(expected, found, reconstructor=reconstructor, when=when, remedy=remedy)


def _padding_matters(examined: Examination, variant: EventBatch) -> bool:
    """Whether all changes of padding together change the answers; usually they do not, which saves further tests."""
    return bool(first_difference(examined.found, _trimmed(examined, answers(examined.reconstructor, variant))))


def _require_padding_blind(
    examined: Examination, expected: dict[str, Tensor], variant: EventBatch, *, when: str, remedy: str
) -> None:
    found = _trimmed(examined, answers(examined.reconstructor, variant))
    require_same(expected, found, reconstructor=examined.reconstructor, when=when, remedy=remedy)


def _trimmed(examined: Examination, found: dict[str, Tensor]) -> dict[str, Tensor]:
    """Answers with the slots of the examined events in columns with a value per object."""

    def trim(value: Tensor, collection: str) -> Tensor:
        return value[:, : len(slots_of(examined.events, collection))]

    return per_object(found, columns=examined.reconstructor.outputs, function=trim)


def _without_padding(examined: Examination) -> None:
    """Require the same answers for events with the fewest objects in a batch of only such events."""
    reconstructor, batch = examined.reconstructor, examined.events
    number_of_objects = batch.mask.sum(dim=1)
    few = batch[torch.nonzero(number_of_objects == number_of_objects.min())[: examined.few, 0]]
    narrow, number = narrowed(few)

    def trim(value: Tensor, collection: str) -> Tensor:
        return value[:, : number[collection]]

    expected = per_object(answers(reconstructor, few), columns=reconstructor.outputs, function=trim)
    when, remedy = (
        "when no event has more objects than these few",
        "a batch may have as few slots as at_least: padded(n)",
    )
    try:
        found = answers(reconstructor, narrow)
    except PluginError as error:
        fail(reconstructor, f"{when}, {error.problem}", expected="an answer", remedy=remedy)
    require_same(expected, found, reconstructor=reconstructor, when=when, remedy=remedy)


def _tied(examined: Examination) -> Bool[Tensor, " event"]:
    """Events of a file with two objects of equal pt or score, of which a plugin may take the first."""
    batch = examined.events
    tied = torch.zeros(len(batch), dtype=torch.bool)
    if examined.given is None:  # toy events have no ties
        return tied
    for spec in examined.reconstructor.inputs.objects:
        part = batch.collection(spec.collection)
        known = [(part.features[name], known_range(spec.collection, name)) for name in spec.features]
        both = part.mask[:, :, None] & part.mask[:, None, :] & ~torch.eye(part.mask.shape[1], dtype=torch.bool)
        for values in (pt(part.momenta), *(values for values, kind in known if kind is None or kind.undefined)):
            tied |= (both & (values[:, :, None] == values[:, None, :])).flatten(1).any(dim=1)
    return tied


def _copy(batch: EventBatch) -> EventBatch:
    return batch[torch.arange(len(batch), device=batch.device)]


def _tensors(batch: EventBatch) -> dict[str, Tensor]:
    """All tensors of a batch by name."""
    names = ("momenta", "mask", "species", "index", "missing_momentum", "event_id", "weight")
    return {name: getattr(batch, name) for name in names} | dict(batch.features)
