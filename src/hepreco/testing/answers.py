"""Runs a plugin, and compares two of its answers."""

from collections.abc import Mapping
from typing import Final, NoReturn

import torch
from torch import Tensor

from hepreco.errors import PluginError
from hepreco.events import EventBatch
from hepreco.plugin import Column, Reconstructor
from hepreco.testing.settings import restored

#: Relative tolerance: a few units in the last place of NanoAOD's float32.
RELATIVE: Final = 1e-6
#: Absolute tolerance in the unit of the column, for numbers that should be zero.
ABSOLUTE: Final = 1e-6


class ConformanceError(PluginError):
    """A plugin that breaks its contract: what it did, what was expected, and the remedy."""


class NotAskedError(ConformanceError):
    """A check that could not be made because another check fails, which reports the reason."""


def fail(reconstructor: Reconstructor, problem: str, *, expected: str, remedy: str) -> NoReturn:
    """Raise the error of a failed check."""
    raise ConformanceError(f"{type(reconstructor).__name__}: {problem}; expected {expected}", remedy)


def ask(reconstructor: Reconstructor, batch: EventBatch, *, set_up: bool = True) -> dict[str, Tensor]:
    """Set the plugin up for the batch's device and return its unchanged answers.

    Settings of the process that the plugin changes are restored, so that later checks are not affected.

    Raises
    ------
    ConformanceError
        The plugin raises any exception, or a column is not a tensor with one row per event.
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
    """The answers for a copy of the batch, with undefined values of padded slots cleared."""
    copy = batch[torch.arange(len(batch), device=batch.device)]
    return cleared(ask(reconstructor, copy, set_up=set_up), columns=reconstructor.outputs, batch=batch)


def cleared(found: Mapping[str, Tensor], *, columns: tuple[Column, ...], batch: EventBatch) -> dict[str, Tensor]:
    """The same answers, with NaN (or −1) for padded slots in columns with one value per object."""
    clear = dict(found)
    for column in columns:
        if isinstance(column.per, str) and column.name in found:
            mask, value = batch.collection(column.per).mask, found[column.name]
            if value.shape[:2] == mask.shape:
                held = mask.reshape(*mask.shape, *(1 for _ in value.shape[2:]))
                clear[column.name] = torch.where(held, value, torch.nan if value.is_floating_point() else -1)
    return clear


def rows_of(found: Mapping[str, Tensor], rows: slice | Tensor) -> dict[str, Tensor]:
    """The answers for some of the events."""
    return {name: value[rows] for name, value in found.items()}


def require_same(
    expected: Mapping[str, Tensor], found: Mapping[str, Tensor], *, reconstructor: Reconstructor, when: str, remedy: str
) -> None:
    """Compare answers: indices exactly, numbers rounded to float32, NaN equal to NaN.

    Raises
    ------
    ConformanceError
        Answers differ; the error names the first column and event.
    """
    difference = first_difference(expected, found)
    if difference:
        fail(reconstructor, f"{when}, {difference}", expected="the same answer", remedy=remedy)


def first_difference(expected: Mapping[str, Tensor], found: Mapping[str, Tensor]) -> str:
    """The first difference between two answers in words; empty if there is none."""
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
    """Refuse a column that is not a tensor with one row per event, which the checks could not read."""
    if not isinstance(value, Tensor) or value.shape[:1] != (rows,):
        kind = f"shape {tuple(value.shape)}" if isinstance(value, Tensor) else f"a {type(value).__name__}"
        remedy = "return torch tensors whose first axis is the event"
        fail(reconstructor, f"{name} is {kind}", expected=f"a tensor with {rows} rows", remedy=remedy)
