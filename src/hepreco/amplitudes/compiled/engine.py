"""Runs programs."""

import ctypes
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from threading import local

import numpy as np
import torch
from torch import Tensor

from hepreco.amplitudes.compiled.objects import Library
from hepreco.amplitudes.compiled.parameters import parameter_values
from hepreco.amplitudes.compiled.plan import CHECKS, FAULTS, GIVEN, MOMENTA
from hepreco.amplitudes.compiled.program import Program
from hepreco.amplitudes.fillings import Fillings, Slots
from hepreco.amplitudes.model import StandardModel
from hepreco.amplitudes.momenta import UNIT

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
    index = _Indices(fillings)
    first = (GIVEN, MOMENTA, FAULTS, *program.cleared)
    others = (number for number in range(len(program.places)) if number not in {*first, program.result})
    starts, top = {}, 0
    for number in (*first, *others, program.result):
        place = program.places[number]
        starts[number] = top
        top += place.stride * index.count(None if number == program.result else place.slots)
    tables, calls, position = [], [], 0
    for call in program.calls:
        table = np.empty((index.count(call.slots), len(call.sources)), dtype=np.int32)
        for column, source in enumerate(call.sources):
            place = program.places[source.quantity]
            table[:, column] = starts[source.quantity]
            if source.final is not None:
                table[:, column] += 4 * (program.incoming + index.momenta(call.slots or ())[:, source.final])
            elif source.quantity == program.result:
                table[:, column] += place.stride * np.arange(len(table), dtype=np.int32)
            elif index.count(place.slots) > 1:
                table[:, column] += place.stride * index.of(place.slots, call.slots)
        tables.append(table.ravel())
        calls += [position, len(table)]
        position += table.size
    cleared = starts[FAULTS] + program.places[FAULTS].stride
    end = cleared + sum(program.places[one].stride * index.count(program.places[one].slots) for one in program.cleared)
    return Layout(
        size=top,
        tables=np.concatenate(tables),
        calls=np.array(calls, dtype=np.int64),
        cleared=(cleared, end),
        results=(starts[program.result], top - starts[program.result]),
        faults=starts[FAULTS],
    )


class _Indices:
    """Fillings as arrays, each looked up once. No slots stand for all assignments, in order."""

    def __init__(self, fillings: Fillings) -> None:
        self._fillings = fillings
        self.count, self.of, self.momenta = cache(self._count), cache(self._of), cache(self._momenta)

    def _count(self, slots: Slots | None) -> int:
        return len(self._fillings) if slots is None else len(self._fillings.table(slots))

    def _momenta(self, slots: Slots) -> np.ndarray:
        return self._fillings.momenta(slots).to(torch.int32).numpy()

    def _of(self, source: Slots, target: Slots | None) -> np.ndarray:
        """The filling of ``source`` in each filling of ``target``."""
        if target is None:
            return self._fillings.table(source).of_assignment.to(torch.int32).numpy()
        found = self._fillings.transfer(source, target)
        return np.arange(self.count(target), dtype=np.int32) if found is None else found.to(torch.int32).numpy()


class Engine:
    """The machine code of a program."""

    def __init__(self, program: Program, code: bytes) -> None:
        self.program, self._library = program, Library(code)
        self._prepare = self._library.function("prepare", _POINTER, _POINTER)
        self._run = self._library.function("run", _POINTER, _NUMBER, *[_POINTER] * 5, *[_NUMBER] * 4)

    def __call__(self, momenta: Tensor, layout: Layout, *, model: StandardModel, any_leg: bool) -> Tensor | None:
        """The results (event, result) for momenta (event, leg, 4) in GeV; None if a check of theirs failed."""
        program, given = self.program, momenta.detach().double().contiguous()
        parameters = np.array(_values(model, program.parameters))
        uniforms = np.empty(program.uniforms + 1)
        results = torch.empty((len(momenta), layout.results[1]), dtype=torch.float64, device=momenta.device)
        memory = _aligned(layout.size * program.lanes)
        faults = memory[layout.faults * program.lanes :][: len(CHECKS) * program.lanes].reshape(len(CHECKS), -1)
        faults[:] = 0
        self._prepare(parameters.ctypes.data, uniforms.ctypes.data)
        self._run(
            given.data_ptr(), len(given), results.data_ptr(), memory.ctypes.data, uniforms.ctypes.data,
            layout.tables.ctypes.data, layout.calls.ctypes.data, *layout.cleared, *layout.results,
        )  # fmt: skip
        return None if faults[CHECKS.index((momenta.dtype, any_leg))].any() else results


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
