"""Checks of a plugin's declarations: its options, inputs and columns."""

from collections import Counter
from dataclasses import fields
from difflib import get_close_matches
from keyword import iskeyword

import cloudpickle
import torch
from torch import Tensor, nn

from hepreco.errors import HepRecoError, PluginError
from hepreco.events import EventBatch, InputSpec
from hepreco.events.objects import Comparison
from hepreco.plugin import Column, Reconstructor
from hepreco.plugin.answers import check_outputs
from hepreco.testing.answers import ConformanceError, answers, fail, require_same
from hepreco.testing.branches import COLLECTIONS, MISSING_MOMENTA, is_truth
from hepreco.testing.examination import Examination, check
from hepreco.testing.invariance import weight_blindness


@check
def options(examined: Examination) -> None:
    """Be a frozen, hashable value that holds no tensors, with constant and well-formed inputs and outputs."""
    reconstructor = examined.reconstructor
    cls = type(reconstructor)
    if not getattr(vars(cls).get("__dataclass_params__"), "frozen", False):
        remedy = "decorate the class itself: @dataclass(frozen=True)"
        fail(reconstructor, "not a frozen dataclass of its own", expected="options that are its fields", remedy=remedy)
    for name in (option.name for option in fields(cls)):
        value = getattr(reconstructor, name)
        if isinstance(value, Tensor | nn.Module):
            remedy = "load weights with hepreco.weights.load_network"
            fail(reconstructor, f"option {name} is a {type(value).__name__}", expected="a plain value", remedy=remedy)
        if not _hashable(value):
            remedy = "make it a tuple, or another immutable value"
            fail(
                reconstructor,
                f"option {name} is a {type(value).__name__}",
                expected="a hash",
                remedy=remedy,
            )
    _inputs(reconstructor)
    _columns(reconstructor)


@check
def branches(examined: Examination) -> None:
    """Read only collections that NanoAOD has; with given files, reading them checks this instead."""
    if examined.given is not None:
        return
    spec = examined.reconstructor.inputs
    named = [(part.collection, COLLECTIONS, "collection") for part in spec.objects]
    if spec.missing_momentum is not None:
        named.append((spec.missing_momentum, MISSING_MOMENTA, "missing momentum"))
    for name, known, kind in named:
        if name not in known:
            close = get_close_matches(name, known, n=2, cutoff=0.5) or sorted(known)[:3]
            remedy = (
                "name it as NanoAOD does; if your files have it, check with 'hepreco plugins check NAME --files FILE'"
            )
            problem = f"reads the {kind} {name!r}, which NanoAOD does not have"
            fail(examined.reconstructor, problem, expected=f"for example {' or '.join(close)}", remedy=remedy)


@check
def setup(examined: Examination) -> None:
    """Be set up on the CPU: weights exist, and match the options."""
    error = examined.set_up
    if error is not None:
        remedy = error.remedy if isinstance(error, HepRecoError) else "let setup load what is needed, and nothing else"
        said = error.problem if isinstance(error, HepRecoError) else f"{type(error).__name__}: {error}"
        problem = f"cannot be set up: {said}"
        fail(examined.reconstructor, problem, expected="everything that it needs, in its package", remedy=remedy)


@check
def outputs(examined: Examination) -> None:
    """Return columns with the promised names, shapes and types, without infinities."""
    reconstructor = examined.reconstructor
    remedy = "return what outputs promises: see Reconstructor.reconstruct"
    if type(examined.outcome) is ConformanceError:
        raise examined.outcome
    found = examined.found
    try:
        check_outputs(found, columns=reconstructor.outputs, batch=examined.events, plugin=examined.name)
    except PluginError as error:
        fail(reconstructor, error.problem, expected="what outputs promises", remedy=remedy)
    for column in reconstructor.outputs:
        allowed = (torch.int64,) if column.kind == "index" else (torch.float32, torch.float64)
        dtype = found[column.name].dtype
        if dtype not in allowed:
            names = " or ".join(str(kind) for kind in allowed)
            fail(reconstructor, f"{column.name} is {dtype}", expected=names, remedy=remedy)


@check
def picklable(examined: Examination) -> None:
    """Be equal after pickling, without a second setup in the same process."""
    reconstructor = examined.reconstructor
    remedy = "let options be plain values, compared by value: numbers, strings, tuples, paths"
    try:
        copy = cloudpickle.loads(cloudpickle.dumps(reconstructor))
    except Exception as error:  # a field may raise anything when it is pickled
        fail(reconstructor, f"pickling raises {type(error).__name__}: {error}", expected="a copy", remedy=remedy)
    if copy != reconstructor or hash(copy) != hash(reconstructor):
        fail(reconstructor, "a pickled copy is another value", expected="an equal copy of equal hash", remedy=remedy)
    expected = examined.found
    try:
        found = answers(copy, examined.events, set_up=False)
    except ConformanceError as error:
        when, remedy = (
            "in a pickled copy that was not set up",
            "keep what setup loads in the process: load_network does",
        )
        fail(reconstructor, f"{when}, {error.problem}", expected="an answer", remedy=remedy)
    require_same(expected, found, reconstructor=reconstructor, when="when pickled", remedy=remedy)


@check
def no_label_leakage(examined: Examination) -> None:
    """Read nothing that only simulated events have: generator branches, or event weights."""
    spec = examined.reconstructor.inputs
    read = [(part.collection, *part.features, *_cut_on(part.where)) for part in spec.objects]
    for name in (name for names in (*read, (spec.missing_momentum or "",)) for name in names):
        if is_truth(name):
            remedy = "read what data has too; truth is for training labels and for studies"
            fail(examined.reconstructor, f"reads {name}", expected="reconstructed quantities only", remedy=remedy)
    weight_blindness(examined)


@check
def index_range(examined: Examination) -> str:
    """Return indices that are −1 or the original position of an object of the same event and of their collection."""
    columns = [column for column in examined.reconstructor.outputs if column.kind == "index"]
    for column in columns:
        if column.name in examined.found:
            require_positions(examined, examined.found[column.name], column=column, batch=examined.events)
            _require_several(examined, examined.found[column.name], column=column)
    return "" if columns or not examined.found else "no column holds indices"


def require_positions(
    examined: Examination, value: Tensor, *, column: Column, batch: EventBatch, when: str = ""
) -> None:
    """Raise unless every index is −1 or the position of an object of its event in the column's collection."""
    value = value.reshape(len(batch), -1)
    collection = column.collection(examined.reconstructor.inputs)
    batch = batch.collection(collection) if collection in batch.collections else batch
    stray = torch.nonzero((value >= 0) & ~_held(value, batch) | (value < -1))
    if len(stray):
        event, entry = stray[0].tolist()
        fail(
            examined.reconstructor,
            f"{when}{column.name} of event {event} is {int(value[event, entry])}",
            expected=f"−1 or one of {sorted(batch.index[event][batch.mask[event]].tolist())}",
            remedy="return batch.index of the chosen slots, not the slots",
        )


def _require_several(examined: Examination, value: Tensor, *, column: Column) -> None:
    """Refuse entries that are the same object in all events, which cannot be chance."""
    if value.ndim == 2 and value.shape[1] > 1:
        chosen = value[(value >= 0).all(dim=1)]
        if len(chosen) > 1 and bool((chosen == chosen[:, :1]).all()):
            problem = f"all entries of {column.name} are the same object, in all of {len(chosen)} events"
            remedy = "leave out pairs of an object with itself, for example by triu_indices(..., offset=1)"
            fail(examined.reconstructor, problem, expected="different objects", remedy=remedy)


def _cut_on(where: tuple[str, ...]) -> list[str]:
    return [Comparison.parse(cut).field for cut in where]


def _inputs(reconstructor: Reconstructor) -> None:
    first: object = reconstructor.inputs
    remedy = "compute inputs and outputs from the options alone"
    if not isinstance(first, InputSpec):
        fail(reconstructor, f"inputs is {first!r}", expected="an InputSpec", remedy=remedy)
    if first != reconstructor.inputs:
        fail(reconstructor, "inputs changes between two calls", expected="a constant", remedy=remedy)
    if reconstructor.outputs != reconstructor.outputs:
        fail(reconstructor, "outputs changes between two calls", expected="a constant", remedy=remedy)


def _columns(reconstructor: Reconstructor) -> None:
    columns: object = reconstructor.outputs
    if not isinstance(columns, tuple) or not columns or not all(isinstance(column, Column) for column in columns):
        fail(reconstructor, f"outputs is {columns!r}", expected="a tuple of Column", remedy="end it with a comma")
    collections = [spec.collection for spec in reconstructor.inputs.objects]
    count = Counter(column.name for column in columns)
    for column in columns:
        name, per = column.name, column.per
        remedy = "name a column with letters, digits and underscores, each once"
        if not name.isidentifier() or iskeyword(name):
            fail(reconstructor, f"column {name!r}", expected="a Python identifier", remedy=remedy)
        if count[name] > 1:
            fail(reconstructor, f"{count[name]} columns are named {name!r}", expected="one", remedy=remedy)
        if per is not None and per not in collections and not (isinstance(per, int) and per > 0):
            expected = f"None, a positive number, or one of {', '.join(collections)}"
            fail(reconstructor, f"column {name!r} is per {per!r}", expected=expected, remedy="see Column")
        if column.kind == "index" and column.collection(reconstructor.inputs) not in collections:
            problem = f"the index {name!r} is of {column.of or 'a collection that it does not name'}"
            remedy = f'say which: Column({name!r}, "index", of={collections[0]!r})'
            fail(reconstructor, problem, expected=f"one of {', '.join(collections)}", remedy=remedy)


def _hashable(value: object) -> bool:
    try:
        hash(value)
    except TypeError:
        return False
    return True


def _held(value: Tensor, batch: EventBatch) -> Tensor:
    """Whether each index is the position of an object in its event."""
    return ((value[:, :, None] == batch.index[:, None, :]) & batch.mask[:, None, :]).any(dim=2)
