"""Asking a plugin, and comparing two of its answers."""

from collections.abc import Mapping
from typing import Final, NoReturn

import torch
from torch import Tensor

from hepreco.errors import PluginError
from hepreco.events import EventBatch
from hepreco.plugin import Reconstructor

#: What NanoAOD's float32 may lose: a few units in the last place.
RELATIVE: Final = 1e-6
#: In the units of the column; settles differences of numbers that should be zero.
ABSOLUTE: Final = 1e-6


class ConformanceError(PluginError):
    """A plugin that breaks its contract: what it did, what was expected, and how to mend it."""


def fail(reconstructor: Reconstructor, problem: str, *, expected: str, remedy: str) -> NoReturn:
    """Raise the error of a failed check."""
    raise ConformanceError(f"{type(reconstructor).__name__}: {problem}; expected {expected}", remedy)


def ask(reconstructor: Reconstructor, batch: EventBatch) -> dict[str, Tensor]:
    """Set the plugin up for the batch's device and take its answers as it gives them.

    Raises
    ------
    ConformanceError
        The plugin raises, whatever it raises, or gives something else than a tensor with one row per event.
    """
    try:
        reconstructor.setup(batch.device.type)
        with torch.no_grad():
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


def answers(reconstructor: Reconstructor, batch: EventBatch) -> dict[str, Tensor]:
    """Ask on a copy of the batch, and clear what per-object columns say of padded slots, which nobody reads."""
    found = ask(reconstructor, batch[torch.arange(len(batch), device=batch.device)])
    for column in reconstructor.outputs:
        if isinstance(column.per, str) and column.name in found:
            mask, value = batch.collection(column.per).mask, found[column.name]
            if value.shape[:2] == mask.shape:
                held = mask.reshape(*mask.shape, *(1 for _ in value.shape[2:]))
                found[column.name] = torch.where(held, value, 0.0 if value.is_floating_point() else -1)
    return found


def require_same(
    expected: Mapping[str, Tensor], found: Mapping[str, Tensor], *, reconstructor: Reconstructor, when: str, remedy: str
) -> None:
    """Compare answers: indices exactly, numbers rounded to float32, NaN equal to NaN.

    Raises
    ------
    ConformanceError
        Names the first column and event that differ.
    """
    same_remedy = {"expected": "the same answer", "remedy": remedy}
    if expected.keys() != found.keys():
        fail(reconstructor, f"{when}, the columns change from {sorted(expected)} to {sorted(found)}", **same_remedy)
    for name, value in expected.items():
        first, second = value.cpu(), found[name].cpu()
        if first.shape != second.shape:
            shapes = f"{tuple(first.shape)} to {tuple(second.shape)}"
            fail(reconstructor, f"{when}, the shape of {name} changes from {shapes}", **same_remedy)
        differ = torch.nonzero(~_equal(first, second))
        if len(differ):
            place = tuple(differ[0].tolist())
            change = f"{name} of event {place[0]} changes from {first[place].item()} to {second[place].item()}"
            fail(reconstructor, f"{when}, {change}", **same_remedy)


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
