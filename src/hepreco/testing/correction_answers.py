"""Asking a correction, and comparing two of its answers."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, NoReturn

import awkward as ak
import numpy as np
from numpy.typing import NDArray

from hepreco.plugin import Correction, CorrectionInput, ObjectCorrection, WeightCorrection
from hepreco.plugin.corrections import CENTRAL
from hepreco.testing.answers import ABSOLUTE, RELATIVE, ConformanceError
from hepreco.testing.settings import restored

#: What a correction answers by the name of a variation and, of a changed column, its path after it.
Answer = dict[str, Any]


def fail(correction: Correction, problem: str, *, expected: str, remedy: str) -> NoReturn:
    """Raise the error of a failed check."""
    raise ConformanceError(f"{type(correction).__name__}: {problem}; expected {expected}", remedy)


def asked(correction: Correction, events: CorrectionInput, wanted: Sequence[str] = ()) -> Answer:
    """What a correction answers, as it gives it; everything by default."""
    wanted = wanted or (CENTRAL, *correction.variations)
    if isinstance(correction, WeightCorrection):
        return dict(correction.weights(events, wanted))
    changed = {name: correction.corrected(events, name) for name in wanted if isinstance(correction, ObjectCorrection)}
    return {f"{name} {path}": values for name, columns in changed.items() for path, values in columns.items()}


def ask(correction: Correction, events: CorrectionInput, wanted: Sequence[str] = ()) -> Answer:
    """What a correction answers, everything by default, which is found to be what it promises.

    Raises
    ------
    ConformanceError
        It raises, whatever it raises, or what it gives is not what it promises.
    """
    try:
        with restored():
            found = asked(correction, events, wanted)
    except Exception as error:
        raise ConformanceError(
            f"{type(correction).__name__}: {type(error).__name__} on {len(events)} events: {error}; expected an answer",
            "ask it about hepreco.testing.toy_columns(correction.reads) to see where",
        ) from error
    _require_names(correction, found, wanted or (CENTRAL, *correction.variations))
    for name, values in found.items():
        if isinstance(correction, ObjectCorrection):
            _require_column(correction, values, events=events, name=name)
        else:
            _require_weight(correction, values, events=events, name=name)
    return {name: ak.Array(values) for name, values in found.items()}


def rows_of(events: CorrectionInput, rows: slice | NDArray[np.int64]) -> CorrectionInput:
    """Some of the events, in another order where that is asked for."""
    columns = {path: ak.to_packed(values[rows]) for path, values in events.columns.items()}
    return replace(events, columns=columns, event_id=events.event_id[rows].copy())


def copy_of(events: CorrectionInput) -> CorrectionInput:
    """The same events in other memory."""
    return rows_of(events, np.arange(len(events)))


def joined(pieces: Sequence[Answer]) -> Answer:
    """Answers to pieces of a chunk as one."""
    return {name: ak.concatenate([piece[name] for piece in pieces]) for name in pieces[0]}


def require_same(expected: Answer, found: Answer, *, correction: Correction, when: str, remedy: str) -> None:
    """Compare answers up to rounding to float32.

    Raises
    ------
    ConformanceError
        Names the first column and event that differ.
    """
    if difference := first_difference(expected, found):
        fail(correction, f"{when}, {difference}", expected="the same answer", remedy=remedy)


def first_difference(expected: Answer, found: Answer) -> str:
    """What differs first between two answers, in words; empty where nothing does."""
    if expected.keys() != found.keys():
        return f"the answers change from {sorted(expected)} to {sorted(found)}"
    for name, values in expected.items():
        first, second = (_flat(each) for each in (values, found[name]))
        if not np.array_equal(first[1], second[1]):
            return f"the number of objects in {name} changes"
        differ = np.nonzero(~np.isclose(first[0], second[0], rtol=RELATIVE, atol=ABSOLUTE, equal_nan=True))[0]
        if len(differ):
            place = differ[0]
            return f"{name} of event {first[1][place]} changes from {first[0][place]} to {second[0][place]}"
    return ""


def _flat(values: Any) -> tuple[NDArray[Any], NDArray[np.int64]]:
    """Numbers, and the event of each."""
    array = ak.Array(values)
    events = np.arange(len(array))
    if array.ndim == 1:
        return ak.to_numpy(array), events
    return ak.to_numpy(ak.flatten(array, axis=None)), np.repeat(events, ak.to_numpy(ak.num(array, axis=1)))


def _require_names(correction: Correction, found: Answer, wanted: Sequence[str]) -> None:
    promised = list(wanted)
    if isinstance(correction, ObjectCorrection):
        promised = [f"{name} {path}" for name in promised for path in correction.changes]
    if missing := [name for name in promised if name not in found]:
        fail(correction, f"gives no {missing[0]!r}", expected="an answer", remedy="answer all that is promised")
    if superfluous := [name for name in found if name not in promised]:
        remedy = "give nothing but what is wanted, and name it in 'variations' or 'changes'"
        fail(correction, f"gives {superfluous[0]!r}", expected=f"only {', '.join(promised)}", remedy=remedy)


def _require_weight(correction: Correction, values: Any, *, events: CorrectionInput, name: str) -> None:
    remedy = "return a NumPy array with one finite number per event, and 1 where nothing is corrected"
    if not isinstance(values, np.ndarray) or values.shape != (len(events),) or values.dtype.kind not in "fiu":
        kind = f"of shape {values.shape}" if isinstance(values, np.ndarray) else f"a {type(values).__name__}"
        fail(correction, f"{name} is {kind}", expected=f"{len(events)} numbers", remedy=remedy)
    if len(wrong := np.nonzero(~np.isfinite(values))[0]):
        problem = f"{name} of event {wrong[0]} is {values[wrong[0]]}"
        fail(correction, problem, expected="a finite number", remedy=remedy)


def _require_column(correction: Correction, values: Any, *, events: CorrectionInput, name: str) -> None:
    path = name.rpartition(" ")[2]
    before = events.columns.get(path)
    if before is None:
        remedy = "return it from 'reads' as well: what is replaced is read"
        fail(correction, f"changes {path}, which it does not read", expected="a column that it reads", remedy=remedy)
    remedy = "return one finite number for each object, in the order in which they are read"
    try:
        numbers, places = _flat(values)
    except (TypeError, ValueError) as error:
        fail(correction, f"{name} is no array of numbers: {error}", expected="an awkward array", remedy=remedy)
    if len(ak.Array(values)) != len(events) or not np.array_equal(places, _flat(before)[1]):
        fail(correction, f"{name} has other objects than {path}", expected="one number for each", remedy=remedy)
    if numbers.dtype.kind not in "fiu" or not np.isfinite(numbers).all():
        place = places[~np.isfinite(numbers)][0] if numbers.dtype.kind == "f" else 0
        fail(correction, f"{name} of event {place} is no finite number", expected="one", remedy=remedy)
