"""Checks of the contents of columns: that there are answers, of the right size, also in extreme events."""

from dataclasses import replace
from functools import lru_cache
from math import pi
from typing import Final

import torch
from torch import Tensor

from hepreco.errors import HepRecoError
from hepreco.events import EventBatch
from hepreco.plugin import Column, Reconstructor
from hepreco.testing.answers import ConformanceError, answers, fail, rows_of
from hepreco.testing.branches import known_range
from hepreco.testing.edges import edge_cases, joined
from hepreco.testing.examination import FEW, Examination, check, has_answer, told
from hepreco.testing.promises import require_positions
from hepreco.testing.toys import toy_batch

#: Largest ratio of a column in GeV to the energy of its event; values in MeV exceed it.
FACTOR: Final = 100.0
#: The same for the median of all events.
USUAL_FACTOR: Final = 5.0
#: Mass in GeV that a plugin may assume even in nearly empty events.
MASS_SCALE: Final = 200.0
#: Smallest ratio of a column in GeV to the energy of toy events; values in TeV are below it.
LEAST: Final = 1e-3
#: A column without unit that scales with energies is in GeV if its median exceeds this.
LARGE: Final = 20.0
#: Factor by which momenta are scaled: close to 1, so that the same objects are chosen, and exact in floating point.
SCALE: Final = 1 + 2**-10
#: Relative tolerance for equal numbers.
RELATIVE: Final = 1e-6
#: Fraction of entries that must agree on a dimension, and smallest number of entries.
MOST: Final = 0.9
ENTRIES: Final = 8
#: Number of events for other option sets.
ASKED: Final = 4
#: One in this number of events is used for each extreme case.
EDGES: Final = 10
_NAMES: Final = {0: "does not change", 1: "grows in proportion", 2: "grows with the square"}
_UNITS: Final = {0: "", 1: "GeV", 2: "GeV^2"}


@check
def answered(examined: Examination) -> None:
    """Answer some of the events, and fill every column with numbers that are not all the same."""
    reconstructor = examined.reconstructor
    if isinstance(examined.drawn, Exception):
        problem = f"no toy events can be drawn for its inputs: {examined.drawn}"
        fail(reconstructor, problem, expected="an InputSpec that objects can pass", remedy="see ObjectSpec")
    if isinstance(examined.outcome, ConformanceError):
        _ = examined.found
    elif not bool(has_answer(examined.outcome).any()):
        have = told(examined.events, reconstructor.inputs)
        remedy = (
            "give events that it can answer, with check(plugin, events=batch) or 'hepreco plugins check NAME --files "
            "FILE', or return options that suit these from Reconstructor.examples"
        )
        problem = f"answers none of {len(examined.events)} events, which have {have}"
        fail(reconstructor, problem, expected="an answer for some", remedy=remedy)
    enough = len(examined.events) > FEW  # a few events of a slow plugin may all be of one kind
    for column in reconstructor.outputs if enough else ():
        if column.name in examined.found:
            _require_contents(examined, column)


@check
def units(examined: Examination) -> None:
    """Give columns in GeV that are of the order of the event's energy and scale with it, and angles within a turn."""
    batch, columns = examined.events, examined.reconstructor.outputs
    larger = replace(
        batch,
        momenta=SCALE * batch.momenta,
        missing_momentum=SCALE * batch.missing_momentum,
        features=_scaled_features(examined),
    )
    found, scaled = examined.found, answers(examined.reconstructor, larger)
    for column in columns:
        if column.kind != "index" and column.name in found and column.name in scaled:
            _require_size(examined, column)
            _require_dimension(examined, column, found[column.name], scaled[column.name])


@check
def edge_events(examined: Examination) -> None:
    """Answer, or say NaN, where momenta coincide, nothing is missing, features are undefined or cuts just passed."""
    reconstructor, spec = examined.reconstructor, examined.reconstructor.inputs
    ordinary, expected = examined.events[: examined.few], rows_of(examined.found, slice(examined.few))
    cases = edge_cases(examined.events[: max(len(examined.events) // EDGES, 1)], spec)
    batch = joined(cases, first=ordinary)
    try:
        found = answers(reconstructor, batch)
    except ConformanceError as error:
        _blame(examined, cases, error)
    for number, (name, case) in enumerate(cases.items()):
        start = len(ordinary) + number * len(case)
        rows = slice(start, start + len(case))
        for column in reconstructor.outputs:
            if column.name in found and _sound(examined, column):
                _require_sane(examined, column, found[column.name][rows], case=case, name=name)
    for name, value in expected.items():
        lost = torch.nonzero(~value.isnan() & found[name][: len(ordinary)].isnan())
        if len(lost):
            remedy = "compute every event independently, also if another event has no answer"
            problem = f"{name} of event {int(lost[0][0])} is missing if other events are extreme"
            fail(reconstructor, problem, expected="the answer of the event alone", remedy=remedy)


def _blame(examined: Examination, cases: dict[str, EventBatch], error: ConformanceError) -> None:
    """Raise an error that names the extreme case in which the plugin fails."""
    for name, case in cases.items():
        try:
            answers(examined.reconstructor, case)
        except ConformanceError as found:
            problem = f"with {name}, {found.problem.partition(': ')[2]}"
            fail(
                examined.reconstructor, problem, expected="an answer or NaN", remedy="return NaN if there is no answer"
            )
    raise error


def _require_sane(examined: Examination, column: Column, value: Tensor, *, case: EventBatch, name: str) -> None:
    if _infinite(value):
        problem = f"with {name}, {column.name} is infinite"
        remedy = "return NaN if there is no answer: torch.where(..., torch.nan)"
        fail(examined.reconstructor, problem, expected="a number or NaN", remedy=remedy)
    if column.kind == "index" and value.dtype == torch.int64:
        require_positions(examined, value, column=column, batch=case, when=f"with {name}, ")


def _sound(examined: Examination, column: Column) -> bool:
    """Whether the column is valid in ordinary events, which other checks test."""
    value = examined.found[column.name]
    try:
        if column.kind == "index":
            require_positions(examined, value, column=column, batch=examined.events)
    except ConformanceError:
        return False
    return not _infinite(value)


def _infinite(value: Tensor) -> bool:
    return value.is_floating_point() and bool(value.isinf().any())


def _require_contents(examined: Examination, column: Column) -> None:
    """Require an answer in some event and, for numbers, different values; examples of the plugin count as well."""
    values = [examined.found[column.name]]
    if _state(values, column):
        values += [found[column.name] for found in _answers_of(type(examined.reconstructor)) if column.name in found]
    match _state(values, column):
        case "missing":
            problem, expected = f"{column.name} never has an answer", "an answer in some event"
        case "constant":
            held = torch.cat([value[~value.isnan()].flatten() for value in values])
            problem, expected = f"{column.name} is {float(held[0]):.6g} in every event", "more than one value"
        case _:
            return
    remedy = "leave the column out, or return options with which it has answers from Reconstructor.examples"
    fail(examined.reconstructor, problem, expected=expected, remedy=remedy)


def _state(values: list[Tensor], column: Column) -> str:
    """``missing``, ``constant``, or empty."""
    if column.kind == "index":
        return "" if any(bool((value != -1).any()) for value in values) else "missing"
    held = torch.cat([value.double()[~value.isnan()].flatten() for value in values])
    if not len(held):
        return "missing"
    rows = {len(value) for value in values}
    spread = float(held.max() - held.min())
    return "constant" if spread <= RELATIVE * float(held.abs().max()) and max(rows) > 1 and len(held) > 1 else ""


@lru_cache(maxsize=1)
def _answers_of(cls: type[Reconstructor]) -> tuple[dict[str, Tensor], ...]:
    """The answers of a plugin's examples for a few toy events."""
    found = []
    for other in cls.examples():
        try:
            found.append(answers(other, toy_batch(other.inputs, events=ASKED)))
        except HepRecoError:
            continue  # its own examination reports this
    return tuple(found)


def _require_size(examined: Examination, column: Column) -> None:
    """Refuse values in MeV or degrees, and angles that span more than one turn."""
    batch, value = examined.events, examined.found[column.name]
    energy = _energy(batch)
    limits = {"GeV": FACTOR * energy, "GeV^2": (FACTOR * energy) ** 2, "rad": torch.full_like(energy, 2 * pi)}
    unit = _unit(column)
    if unit not in limits:
        return
    flat = value.nan_to_num(posinf=0.0, neginf=0.0).reshape(len(batch), -1)
    size = flat.abs().amax(dim=1)
    remedy = "compute in GeV and rad, or state the correct unit"
    beyond = torch.nonzero(size > limits[unit])
    if len(beyond):
        event = int(beyond[0])
        problem = f"{column.name} of event {event} is {size[event]:.4g} {unit}"
        at_most = f"at most {limits[unit][event]:.4g} for an event of {energy[event]:.4g} GeV"
        fail(examined.reconstructor, problem, expected=at_most, remedy=remedy)
    power = {"GeV": 1, "GeV^2": 2}.get(unit)
    ratio = (size / energy**power)[size > 0] if power else size[:0]
    if power and len(ratio) and float(ratio.median()) > USUAL_FACTOR**power:
        problem = f"{column.name} is usually {float(ratio.median()):.4g} times the energy of its event, in {unit}"
        fail(examined.reconstructor, problem, expected="numbers of the order of that energy", remedy=remedy)
    if unit == "rad" and float(flat.max() - flat.min()) > 2 * pi * (1 + RELATIVE):
        problem = f"{column.name} is from {float(flat.min()):.4g} to {float(flat.max()):.4g} rad"
        fail(examined.reconstructor, problem, expected="one turn", remedy="subtract angles with kinematics.delta_phi")


def _require_dimension(examined: Examination, column: Column, value: Tensor, scaled: Tensor) -> None:
    """Compare the scaling of a column with momenta with its unit."""
    if value.shape != scaled.shape or not value.is_floating_point():
        return
    parts = value.unbind(dim=-1) if column.kind == "four-vector" else (value,)
    others = scaled.unbind(dim=-1) if column.kind == "four-vector" else (scaled,)
    unit = _unit(column)
    for number, (one, two) in enumerate(zip(parts, others, strict=True)):
        power = _power(one, two)
        if power is not None and _contradicts(examined, power, unit, one):
            name = f"component {number} of {column.name}" if column.kind == "four-vector" else column.name
            problem = f"{name} {_NAMES[power]} when all momenta grow, in {unit or 'no unit'}"
            remedy = "four-vectors are (E, px, py, pz)" if column.kind == "four-vector" else "state the correct unit"
            expected = f"the scaling of {unit or 'a number without unit'}" + (
                "" if column.kind == "four-vector" else f"; it looks like unit={_UNITS[power]!r}"
            )
            fail(examined.reconstructor, problem, expected=expected, remedy=remedy)
    if column.kind == "four-vector":
        _require_energy_first(examined, column, value)
    if unit == "GeV" and column.kind == "scalar" and _power(value, scaled) == 1 and examined.given is None:
        _require_not_small(examined, column, value)


def _contradicts(examined: Examination, power: int, unit: str, value: Tensor) -> bool:
    """Whether a power of the energy contradicts the unit; a power of 0 may be due to features of unknown unit."""
    if unit in ("", "rad"):
        return power > 0 and (unit == "rad" or float(value[~value.isnan()].abs().median()) > LARGE)
    wanted = {"GeV": 1, "GeV^2": 2}[unit]
    return power != wanted and (power > 0 or _features_known(examined))


def _power(value: Tensor, scaled: Tensor) -> int | None:
    """The power of the energy with which a column scales, if it is 0, 1 or 2 in nearly all entries."""
    held = ~value.isnan() & ~scaled.isnan() & (value.abs() > 1e-9)
    ratio = (scaled / value)[held]
    if len(ratio) < ENTRIES:
        return None
    for power in _NAMES:
        if float(((ratio / SCALE**power - 1).abs() < RELATIVE).double().mean()) >= MOST:
            return power
    return None


def _require_energy_first(examined: Examination, column: Column, value: Tensor) -> None:
    """Refuse four-vectors whose last component is the energy: only that is at least as large as the others' norm."""
    flat = value.reshape(-1, 4)
    flat = flat[~flat.isnan().any(dim=1)]
    first = flat[:, 0] >= flat[:, 1:].norm(dim=1) * (1 - RELATIVE)
    last = flat[:, 3] >= flat[:, :3].norm(dim=1) * (1 - RELATIVE)
    if len(flat) and not bool(first.any()) and bool(last.all()):
        problem = f"{column.name} has its energy last"
        fail(examined.reconstructor, problem, expected="(E, px, py, pz)", remedy="put the energy first")


def _require_not_small(examined: Examination, column: Column, value: Tensor) -> None:
    largest = float(value.abs().nan_to_num().max())
    usual = float(_energy(examined.events).median())
    if 0 < largest < LEAST * usual:
        problem = f"{column.name} is {largest:.4g} GeV at most, in events of about {usual:.4g} GeV"
        remedy = "compute in GeV, or state the correct unit"
        fail(examined.reconstructor, problem, expected=f"more than {LEAST * usual:.4g} GeV", remedy=remedy)


def _scaled_features(examined: Examination) -> dict[str, Tensor]:
    """The features, with those in GeV scaled as well."""
    features = dict(examined.events.features)
    for spec in examined.reconstructor.inputs.objects:
        for name in spec.features:
            known = known_range(spec.collection, name)
            if known is not None and known.unit == "GeV":
                features[name] = SCALE * examined.events.features[name]
    return features


def _features_known(examined: Examination) -> bool:
    return all(
        known_range(spec.collection, name) is not None
        for spec in examined.reconstructor.inputs.objects
        for name in spec.features
    )


def _energy(batch: EventBatch) -> Tensor:
    missing = batch.missing_momentum.nan_to_num().norm(dim=1)
    return torch.where(batch.mask, batch.momenta[..., 0], 0.0).sum(dim=1) + missing + MASS_SCALE


def _unit(column: Column) -> str:
    return "GeV" if column.kind == "four-vector" else column.unit
