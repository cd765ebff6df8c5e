"""Checks that a plugin is what it says it is: its options, its columns, and what it reads."""

import re
from collections import Counter
from keyword import iskeyword
from math import pi
from typing import Final

import cloudpickle
import torch
from torch import Tensor, nn

from hepreco.errors import PluginError
from hepreco.events import EventBatch, InputSpec
from hepreco.plugin import Column, Reconstructor
from hepreco.plugin.columns import check_outputs
from hepreco.testing.answers import answers, ask, fail, require_same
from hepreco.testing.invariance import weight_blindness
from hepreco.testing.toys import toy_batch

#: A column in GeV may be that many times the energy of its event, which leaves no room for MeV.
FACTOR: Final = 100.0
#: GeV: the heaviest mass that a plugin may answer with where an event holds next to nothing.
MASS_SCALE: Final = 200.0
#: Words of NanoAOD names that tell what was simulated.
TRUTH_WORDS: Final = frozenset(("gen", "generator", "lhe", "parton", "truth"))
#: Branches of reconstructed collections that do so in other words.
TRUTH_BRANCHES: Final = frozenset(("hadronFlavour", "nBHadrons", "nCHadrons", "statusFlags"))
_WORD = re.compile(r"[A-Z]+(?=[A-Z][a-z])|[A-Z]?[a-z]+|[A-Z]+")


def options(reconstructor: Reconstructor) -> None:
    """Be a frozen, hashable value that holds no tensors, with constant and well-formed inputs and outputs."""
    cls = type(reconstructor)
    if not getattr(vars(cls).get("__dataclass_params__"), "frozen", False):
        remedy = "decorate the class itself: @dataclass(frozen=True)"
        fail(reconstructor, "not a frozen dataclass of its own", expected="options that are its fields", remedy=remedy)
    for name in cls.__dataclass_fields__:
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


def outputs(reconstructor: Reconstructor) -> None:
    """Columns have the promised names, shapes and types, without infinities."""
    batch, remedy = toy_batch(reconstructor.inputs), "return what outputs promises: see Reconstructor.reconstruct"
    found = ask(reconstructor, batch)
    try:
        check_outputs(found, columns=reconstructor.outputs, batch=batch, plugin=type(reconstructor).__name__)
    except PluginError as error:
        fail(reconstructor, error.problem, expected="what outputs promises", remedy=remedy)
    for column in reconstructor.outputs:
        allowed = (torch.int64,) if column.kind == "index" else (torch.float32, torch.float64)
        dtype = found[column.name].dtype
        if dtype not in allowed:
            names = " or ".join(str(kind) for kind in allowed)
            fail(reconstructor, f"{column.name} is {dtype}", expected=names, remedy=remedy)


def picklable(reconstructor: Reconstructor) -> None:
    """Arrive at a worker, by pickle, as the same plugin."""
    remedy = "let options be plain values, compared by value: numbers, strings, tuples, paths"
    try:
        copy = cloudpickle.loads(cloudpickle.dumps(reconstructor))
    except Exception as error:  # whatever a field raises when it is pickled
        fail(reconstructor, f"pickling raises {type(error).__name__}: {error}", expected="a copy", remedy=remedy)
    if copy != reconstructor or hash(copy) != hash(reconstructor):
        fail(reconstructor, "a pickled copy is another value", expected="an equal copy of equal hash", remedy=remedy)
    batch = toy_batch(reconstructor.inputs)
    expected, found = answers(reconstructor, batch), answers(copy, batch)
    require_same(expected, found, reconstructor=reconstructor, when="when pickled", remedy=remedy)


def units(reconstructor: Reconstructor) -> None:
    """Columns in GeV are of the order of their event's energy, angles in rad within a turn."""
    batch = toy_batch(reconstructor.inputs)
    found = answers(reconstructor, batch)
    energy = batch.momenta[..., 0].sum(dim=1) + batch.missing_momentum.nan_to_num().norm(dim=1) + MASS_SCALE
    limits = {"GeV": FACTOR * energy, "GeV^2": (FACTOR * energy) ** 2, "rad": torch.full_like(energy, 2 * pi)}
    for column in reconstructor.outputs:
        unit = "GeV" if column.kind == "four-vector" else column.unit
        if unit in limits and column.name in found:
            size = found[column.name].abs().nan_to_num(posinf=0.0).reshape(len(batch), -1).amax(dim=1)
            beyond = torch.nonzero(size > limits[unit])
            if len(beyond):
                event = int(beyond[0])
                problem = f"{column.name} of event {event} is {size[event]:.4g} {unit}"
                at_most = f"at most {limits[unit][event]:.4g} for an event of {energy[event]:.4g} GeV"
                fail(reconstructor, problem, expected=at_most, remedy="compute in GeV and rad, or state the unit truly")


def no_label_leakage(reconstructor: Reconstructor) -> None:
    """Nothing that is known of simulated events only is read: generator branches, or event weights."""
    spec = reconstructor.inputs
    read = [(part.collection, *part.features) for part in spec.objects] + [(spec.missing_momentum or "",)]
    for name in (name for names in read for name in names):
        if _is_truth(name):
            remedy = "read what data has too; truth is for training labels and for studies"
            fail(reconstructor, f"reads {name}", expected="reconstructed quantities only", remedy=remedy)
    weight_blindness(reconstructor)


def index_range(reconstructor: Reconstructor) -> None:
    """Index columns hold −1 or the original position of an object of the same event."""
    batch = toy_batch(reconstructor.inputs)
    found = answers(reconstructor, batch)
    for column in reconstructor.outputs:
        if column.kind == "index" and column.name in found:
            value = found[column.name].reshape(len(batch), -1)
            stray = torch.nonzero((value >= 0) & ~_held(value, batch) | (value < -1))
            if len(stray):
                event, entry = stray[0].tolist()
                fail(
                    reconstructor,
                    f"{column.name} of event {event} is {int(value[event, entry])}",
                    expected=f"−1 or one of {sorted(batch.index[event][batch.mask[event]].tolist())}",
                    remedy="return batch.index of the chosen slots, not the slots",
                )


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


def _hashable(value: object) -> bool:
    try:
        hash(value)
    except TypeError:
        return False
    return True


def _is_truth(name: str) -> bool:
    words = {word.lower() for word in _WORD.findall(name)}
    return name in TRUTH_BRANCHES or bool(words & TRUTH_WORDS)


def _held(value: Tensor, batch: EventBatch) -> Tensor:
    """Whether each index is that of an object in its event."""
    return ((value[:, :, None] == batch.index[:, None, :]) & batch.mask[:, None, :]).any(dim=2)
