"""Runs programs."""

import ctypes
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from threading import local

import numpy as np
import torch
from torch import Tensor

from hepreco.amplitudes.compiled.objects import Library
from hepreco.amplitudes.compiled.parameters import parameter_values
from hepreco.amplitudes.compiled.program import UNIT, Program
from hepreco.amplitudes.fillings import Fillings, Slots
from hepreco.amplitudes.model import StandardModel

_POINTER, _NUMBER = ctypes.c_void_p, ctypes.c_int64
#: Memory is aligned to this many bytes, the largest vector.
_ALIGNMENT = 64
_memory = local()


@dataclass(frozen=True)
class Layout:
    """Where a program's quantities are for some assignments, in vectors of events.

    Parameters
    ----------
    size
        How many vectors there are.
    tables
        The offsets of the groups of every kernel, for each filling.
    calls
        The start and the number of rows of the table of each kernel.
    cleared, results
        The ranges of what is set to zero and of the results.
    faults
        The place of the faults.
    """

    size: int
    tables: np.ndarray
    calls: np.ndarray
    cleared: tuple[int, int]
    results: tuple[int, int]
    faults: int


def lay_out(program: Program, fillings: Fillings) -> Layout:
    """Where the quantities of a program are."""
    order = [0, 1, 2, *program.cleared]
    order += [number for number in range(len(program.places)) if number not in order and number != program.result]
    starts, top = {}, 0
    cleared = []
    for number in (*order, program.result):
        place = program.places[number]
        starts[number] = top
        if number in program.cleared:
            cleared.append(top)
        top += place.stride * (len(fillings) if number == program.result else len(fillings.table(place.slots)))
        if number in program.cleared:
            cleared.append(top)
    rows, calls, position = [], [], 0
    for call in program.calls:
        count = len(fillings) if call.slots is None else len(fillings.table(call.slots))
        table = np.empty((count, len(call.sources)), dtype=np.int32)
        for column, source in enumerate(call.sources):
            place, start = program.places[source.quantity], starts[source.quantity]
            if source.final is not None:
                assert call.slots is not None
                index = fillings.momenta(call.slots)[:, source.final].numpy()
                table[:, column] = start + 4 * program.incoming + 4 * index
            elif source.quantity == program.result:
                table[:, column] = start + place.stride * np.arange(count)
            else:
                index = _index(fillings, place.slots, call.slots)
                table[:, column] = start + place.stride * index
        rows.append(table.ravel())
        calls += [position, count]
        position += table.size
    results = (starts[program.result], top - starts[program.result])
    span = (min(cleared), max(cleared)) if cleared else (0, 0)
    return Layout(top, np.concatenate(rows), np.array(calls, dtype=np.int64), span, results, starts[2])


def _index(fillings: Fillings, source: Slots, target: Slots | None) -> np.ndarray | int:
    if target is None:
        return fillings.table(source).of_assignment.numpy()
    if len(fillings.table(source)) == 1:
        return 0
    index = fillings.transfer(source, target)
    return np.arange(len(fillings.table(target))) if index is None else index.numpy()


class Engine:
    """The machine code of a program."""

    def __init__(self, program: Program, code: bytes) -> None:
        self.program, self._library = program, Library(code)
        self._prepare = self._library.function("prepare", _POINTER, _POINTER)
        self._run = self._library.function("run", _POINTER, _NUMBER, *[_POINTER] * 5, *[_NUMBER] * 4)

    def __call__(self, momenta: Tensor, layout: Layout, *, model: StandardModel, any_leg: bool) -> Tensor | None:
        """The results (event, result) for momenta (event, leg, 4) in GeV; None if a check of theirs failed."""
        program, momenta = self.program, momenta.contiguous()
        parameters = np.array(_values(model, program.parameters))
        uniforms = np.empty(program.uniforms + 1)
        results = torch.empty((len(momenta), layout.results[1]), dtype=torch.float64)
        memory = _aligned(layout.size * program.lanes)
        faults = memory[layout.faults * program.lanes :][: 2 * program.lanes]
        faults[:] = 0
        self._prepare(parameters.ctypes.data, uniforms.ctypes.data)
        self._run(
            momenta.data_ptr(), len(momenta), results.data_ptr(), memory.ctypes.data, uniforms.ctypes.data,
            layout.tables.ctypes.data, layout.calls.ctypes.data, *layout.cleared, *layout.results,
        )  # fmt: skip
        some, own = faults.reshape(2, -1).any(axis=1)
        return None if some or (own and not any_leg) else results


@lru_cache
def _values(model: StandardModel, names: Sequence[str]) -> list[float]:
    return parameter_values(model.in_units_of(UNIT), names)


def _aligned(count: int) -> np.ndarray:
    """Memory for some numbers, which belongs to this thread."""
    kept = getattr(_memory, "kept", None)
    if kept is None or len(kept) < count + _ALIGNMENT // 8:
        _memory.kept = kept = np.empty(count + _ALIGNMENT // 8)
    start = -kept.ctypes.data % _ALIGNMENT // 8
    return kept[start : start + count]
