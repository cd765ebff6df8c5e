"""Asking a plugin, and comparing two of its answers."""

from collections.abc import Mapping
from typing import Final, NoReturn

import torch
from torch import Tensor

from hepreco.errors import PluginError
from hepreco.events import EventBatch
from hepreco.plugin import Column, Reconstructor
from hepreco.testing.settings import restored

#: What NanoAOD's float32 may lose: a few units in the last place.
RELATIVE: Final = 1e-6
#: In the units of the column; settles differences of numbers that should be zero.
ABSOLUTE: Final = 1e-6


class ConformanceError(PluginError):
    """A plugin that breaks its contract: what it did, what was expected, and how to mend it."""


class NotAskedError(ConformanceError):
    """A check that could not be made, because of what another check reports in full."""


def fail(reconstructor: Reconstructor, problem: str, *, expected: str, remedy: str) -> NoReturn:
    """Raise the error of a failed check."""
    raise ConformanceError(f"{type(reconstructor).__name__}: {problem}; expected {expected}", remedy)


def ask(reconstructor: Reconstructor, batch: EventBatch, *, set_up: bool = True) -> dict[str, Tensor]:
    """Set the plugin up for the batch's device and take its answers as it gives them.

    Settings of the process that the plugin changes are put back, so that it troubles nobody but itself.

    Raises
    ------
    ConformanceError
        The plugin raises, whatever it raises, or gives something else than a tensor with one row per event.
    """
    try:
        with restored(), torch.no_grad():
            if set_up:
                reconstructor.setup(batch.device.type)
            found = dict(reconstructor.reconstruct(batch))
    except Exception as error:
        raise ConformanceError(
            f"{type(reconstructor).__name__}: {type(error).__name__} on a batch of {len(batch)} events: {error}; "
            "expected one tensor per column",
            "run it on hepreco.testing.toy_batch(plugin.inputs) to see where",
        ) from error
    for name, value in found.items():
        _require_rows(reconstructor, value, name=name, rows=len(batch))
    return found


def answers(reconstructor: Reconstructor, batch: EventBatch, *, set_up: bool = True) -> dict[str, Tensor]:
    """Ask on a copy of the batch, and clear what per-object columns say of padded slots, which nobody reads."""
    copy = batch[torch.arange(len(batch), device=batch.device)]
    return cleared(ask(reconstructor, copy, set_up=set_up), columns=reconstructor.outputs, batch=batch)


def cleared(found: Mapping[str, Tensor], *, columns: tuple[Column, ...], batch: EventBatch) -> dict[str, Tensor]:
    """The same answers, with NaN in what per-object columns say of padded slots."""
    clear = dict(found)
    for column in columns:
        if isinstance(column.per, str) and column.name in found:
            mask, value = batch.collection(column.per).mask, found[column.name]
            if value.shape[:2] == mask.shape:
                held = mask.reshape(*mask.shape, *(1 for _ in value.shape[2:]))
                clear[column.name] = torch.where(held, value, torch.nan if value.is_floating_point() else -1)
    return clear


def rows_of(found: Mapping[str, Tensor], rows: slice | Tensor) -> dict[str, Tensor]:
    """The answers to some of the events."""
    return {name: value[rows] for name, value in found.items()}


def require_same(
    expected: Mapping[str, Tensor], found: Mapping[str, Tensor], *, reconstructor: Reconstructor, when: str, remedy: str
) -> None:
    """Compare answers: indices exactly, numbers rounded to float32, NaN equal to NaN.

    Raises
    ------
    ConformanceError
        Names the first column and event that differ.
    """
    difference = first_difference(expected, found)
    if difference:
        fail(reconstructor, f"{when}, {difference}", expected="the same answer", remedy=remedy)


def first_difference(expected: Mapping[str, Tensor], found: Mapping[str, Tensor]) -> str:
    """What differs first between two answers, in words; empty where nothing does."""
    if expected.keys() != found.keys():
        return f"the columns change from {sorted(expected)} to {sorted(found)}"
    for name, value in expected.items():
        first, second = value.cpu(), found[name].cpu()
        if first.shape != second.shape:
            return f"the shape of {name} changes from {tuple(first.shape)} to {tuple(second.shape)}"
        differ = torch.nonzero(~_equal(first, second))
        if len(differ):
            place = tuple(differ[0].tolist())
            return f"{name} of event {place[0]} changes from {first[place].item()} to {second[place].item()}"
    return ""


def _equal(first: Tensor, second: Tensor) -> Tensor:
    if first.is_floating_point() or second.is_floating_point():
        return torch.isclose(first.float(), second.float(), rtol=RELATIVE, atol=ABSOLUTE, equal_nan=True)
    return first == second


def _require_rows(reconstructor: Reconstructor, value: object, *, name: str, rows: int) -> None:
    """Whatever else a column is, it must be a tensor with one row per event for the checks to read it."""
    if not isinstance(value, Tensor) or value.shape[:1] != (rows,):
        kind = f"shape {tuple(value.shape)}" if isinstance(value, Tensor) else f"a {type(value).__name__}"
        remedy = "return torch tensors whose first axis is the event"
        fail(reconstructor, f"{name} is {kind}", expected=f"a tensor with {rows} rows", remedy=remedy)
