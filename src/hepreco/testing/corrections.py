"""All checks of the contract between hepreco and a correction."""

import random
from collections.abc import Callable
from dataclasses import dataclass, fields
from functools import cached_property
from typing import Final

import cloudpickle
import numpy as np
import torch

from hepreco.errors import HepRecoError
from hepreco.plugin import Correction, CorrectionInput, ObjectCorrection
from hepreco.plugin.corrections import CENTRAL
from hepreco.testing.answers import ConformanceError, NotAskedError
from hepreco.testing.branches import is_truth
from hepreco.testing.column_toys import toy_columns
from hepreco.testing.conformance import CheckResult
from hepreco.testing.correction_answers import (
    Answer,
    ask,
    copy_of,
    fail,
    first_difference,
    joined,
    require_same,
    rows_of,
)
from hepreco.testing.elsewhere import plugin_elsewhere
from hepreco.testing.second_process import Reply

#: Events that are asked about one by one, and the size of the pieces of all.
FEW, PIECE = 4, 24
_BY_EVENT: Final = (
    "let the answer depend on the event and on options alone, and take random numbers from a hash of event_id and of "
    "the place of the object"
)


@dataclass(frozen=True, eq=False)
class CorrectionExamination:
    """What all checks of a correction share.

    Parameters
    ----------
    correction
        The one that is examined.
    events
        That it is asked about.
    data
        Whether it is to correct measured events.
    """

    correction: Correction
    events: CorrectionInput
    data: bool = False

    @cached_property
    def outcome(self) -> Answer | ConformanceError:
        """What it answers of all events, or why it does not."""
        if isinstance(self.set_up, Exception):
            return NotAskedError("it cannot be set up", "see the check 'setup'")
        try:
            return ask(self.correction, copy_of(self.events))
        except ConformanceError as error:
            return error

    @cached_property
    def set_up(self) -> Exception | None:
        """What setting it up raises, if anything."""
        try:
            self.correction.setup()
        except Exception as error:  # whatever a correction raises is reported
            return error
        return None

    @property
    def found(self) -> Answer:
        """What it answers; :class:`NotAskedError` where it does not, which another check reports."""
        if isinstance(self.outcome, ConformanceError):
            raise NotAskedError("there is no answer", "see the check 'answers'")
        return self.outcome

    @cached_property
    def elsewhere(self) -> Reply:
        """What it answers in another process, which has seen other events before."""
        _ = self.found
        others = rows_of(self.events, slice(len(self.events) // 2, None))
        return plugin_elsewhere(self.correction, (others, self.events))


def options(examined: CorrectionExamination) -> None:
    """Be a frozen dataclass of its own, with constant and well-formed names."""
    correction = examined.correction
    if not getattr(vars(type(correction)).get("__dataclass_params__"), "frozen", False):
        remedy = "decorate the class itself: @dataclass(frozen=True)"
        fail(correction, "not a frozen dataclass of its own", expected="options that are its fields", remedy=remedy)
    try:
        hash(correction)
    except TypeError as error:
        remedy = "hold tuples in place of lists, and a mapping with a hash in place of a dictionary"
        fail(correction, f"{error}", expected="options that can be hashed", remedy=remedy)
    _require_names(correction, "reads")
    _require_names(correction, "variations")
    if CENTRAL in correction.variations:
        fail(correction, "a variation is called 'nominal'", expected="names of shifts", remedy="leave it out")
    if isinstance(correction, ObjectCorrection):
        _require_names(correction, "changes")
        if not correction.changes:
            fail(correction, "changes nothing", expected="a column", remedy="return columns from 'changes'")


def setup(examined: CorrectionExamination) -> None:
    """Be set up: files are there, and hold what the options ask for."""
    error = examined.set_up
    if error is not None:
        remedy = error.remedy if isinstance(error, HepRecoError) else "let setup read files, and nothing else"
        problem = error.problem if isinstance(error, HepRecoError) else f"{type(error).__name__}: {error}"
        fail(examined.correction, f"cannot be set up: {problem}", expected="no error", remedy=remedy)


def answers(examined: CorrectionExamination) -> None:
    """Answer all that is wanted, from columns that are declared: one finite number for each event, or each object."""
    if isinstance(examined.outcome, ConformanceError):
        raise examined.outcome


def variations(examined: CorrectionExamination) -> str:
    """Every variation changes something."""
    names = examined.correction.variations
    for name in names:
        nominal, varied = _of(examined.found, CENTRAL), _of(examined.found, name)
        if len(examined.events) and not first_difference(nominal, varied):
            remedy = "leave it out, or ask about events that it changes, with 'hepreco plugins check NAME --files FILE'"
            fail(examined.correction, f"{name} changes no event", expected="another answer", remedy=remedy)
    return "" if names else "there are none"


def generator(examined: CorrectionExamination) -> str:
    """Read nothing that only simulation has, where measured events are corrected."""
    read = [path for path in examined.correction.reads if any(map(is_truth, path.split(".")))]
    if read and examined.data:
        problem = f"reads {read[0]}, which no measured event has"
        remedy = "offer an option that does without, or correct simulation alone"
        fail(examined.correction, problem, expected="columns that data has too", remedy=remedy)
    return f"for simulation alone: reads {', '.join(read)}" if read else ""


def purity(examined: CorrectionExamination) -> None:
    """Leave the columns as they are, and give the same when asked again, also after other events."""
    correction, events = examined.correction, copy_of(examined.events)
    found = examined.found
    _ = ask(correction, events)
    when, remedy = "after the correction has read them", "work on new arrays: no assignment into those that are given"
    require_same(dict(examined.events.columns), dict(events.columns), correction=correction, when=when, remedy=remedy)
    _ = ask(correction, rows_of(examined.events, slice(len(examined.events) // 2, None)))
    when, remedy = "when asked twice", "keep no state between calls; " + _BY_EVENT
    require_same(found, ask(correction, events), correction=correction, when=when, remedy=remedy)


def random_state(examined: CorrectionExamination) -> None:
    """The same for any state of the random generators that everybody shares."""
    found = examined.found
    for seed in (1, 2):
        torch.manual_seed(seed)
        np.random.seed(seed)  # noqa: NPY002  the state that everybody shares
        random.seed(seed)
        again = ask(examined.correction, copy_of(examined.events))
        when = "for another state of random generators"
        require_same(found, again, correction=examined.correction, when=when, remedy=_BY_EVENT)


def chunks(examined: CorrectionExamination) -> None:
    """The same for an event alone, among a few, and among all; and nothing for no events."""
    found, correction = examined.found, examined.correction
    for size, number in ((1, min(FEW, len(examined.events))), (PIECE, len(examined.events))):
        pieces = [rows_of(examined.events, slice(i, min(i + size, number))) for i in range(0, number, size)]
        again = joined([ask(correction, piece) for piece in pieces]) if pieces else {}
        expected = {name: values[:number] for name, values in found.items()} if pieces else {}
        when, remedy = f"when events come in pieces of {size}", "use no mean or maximum over events; " + _BY_EVENT
        require_same(expected, again, correction=correction, when=when, remedy=remedy)
    _ = ask(correction, rows_of(examined.events, slice(0)))


def order(examined: CorrectionExamination) -> None:
    """The same for events in another order."""
    other = np.random.default_rng(3).permutation(len(examined.events))
    expected = {name: values[other] for name, values in examined.found.items()}
    again = ask(examined.correction, rows_of(examined.events, other))
    when = "when events come in another order"
    require_same(expected, again, correction=examined.correction, when=when, remedy=_BY_EVENT)


def nominal_alone(examined: CorrectionExamination) -> None:
    """Give the same nominal weight where nothing else is wanted, and nothing else."""
    correction = examined.correction
    if isinstance(correction, ObjectCorrection):
        return
    again = ask(correction, copy_of(examined.events), wanted=(CENTRAL,))
    when, remedy = "when only 'nominal' is wanted", "compute each variation by itself"
    require_same({CENTRAL: examined.found[CENTRAL]}, again, correction=correction, when=when, remedy=remedy)


def picklable(examined: CorrectionExamination) -> None:
    """Be pickled to the workers, and come back as it was."""
    correction = examined.correction
    try:
        again = cloudpickle.loads(cloudpickle.dumps(correction))
    except Exception as error:
        remedy = "hold plain values; read files when they are needed"
        fail(correction, f"{type(error).__name__}: {error}", expected="a pickle", remedy=remedy)
    if any(getattr(again, option.name) != getattr(correction, option.name) for option in fields(correction)):
        fail(correction, "comes back with other options", expected="the same", remedy="hold plain values")


def another_process(examined: CorrectionExamination) -> None:
    """The same in a new process, after other events, with another folder, clock, environment and random state."""
    reply = examined.elsewhere
    if reply.error:
        fail(examined.correction, f"in another process, {reply.error}", expected="an answer", remedy=_BY_EVENT)
    when = "in another process that has seen other events before"
    require_same(examined.found, reply.answers[-1], correction=examined.correction, when=when, remedy=_BY_EVENT)


def side_effects(examined: CorrectionExamination) -> None:
    """Leave the process as it was: threads, seeds, folder, environment, warnings; and write nothing."""
    reply = examined.elsewhere
    for done in (*(f"changes {effect}" for effect in reply.effects), *reply.written):
        remedy = "put back what was set, or do without"
        fail(examined.correction, done, expected="a process as it was before", remedy=remedy)


CorrectionCheck = Callable[[CorrectionExamination], str | None]
#: Every check of a correction, in order.
CORRECTION_CHECKS: Final[tuple[CorrectionCheck, ...]] = (
    options,
    setup,
    answers,
    variations,
    generator,
    purity,
    random_state,
    chunks,
    order,
    nominal_alone,
    picklable,
    another_process,
    side_effects,
)


def check_correction(
    correction: Correction, events: CorrectionInput | None = None, *, data: bool = False
) -> tuple[CheckResult, ...]:
    """Run every check of a correction, in order; none stops the next.

    Parameters
    ----------
    correction
        With its options.
    events
        To ask it about, such as those of a file; toys by default.
    data
        Whether it is to correct measured events, of which no generator knows.

    Returns
    -------
    tuple[CheckResult, ...]
        One for each check that could be made: what cannot be, because of what another one reports, is not among them.
    """
    try:
        given = toy_columns(correction.reads) if events is None else events
    except Exception:  # which the check of options reports
        given = toy_columns(())
    examined = CorrectionExamination(correction, given, data)
    results = (_result(check, examined) for check in CORRECTION_CHECKS)
    return tuple(result for result in results if result is not None)


def _result(check: CorrectionCheck, examined: CorrectionExamination) -> CheckResult | None:
    try:
        remark = check(examined)
    except NotAskedError:
        return None
    except HepRecoError as error:
        return CheckResult(check.__name__, passed=False, detail=str(error))
    except Exception as error:  # a broken correction may raise anything, from anywhere
        return CheckResult(check.__name__, passed=False, detail=f"{type(error).__name__}: {error}")
    return CheckResult(check.__name__, passed=True, remark=remark or "")


def _require_names(correction: Correction, attribute: str) -> None:
    names: object = getattr(correction, attribute)
    if not isinstance(names, tuple) or not all(isinstance(name, str) for name in names):
        fail(correction, f"{attribute} is {names!r}", expected="a tuple of texts", remedy="end it with a comma")
    if len(set(names)) < len(names) or names != getattr(correction, attribute):
        remedy = "name each once, and compute them from the options alone"
        fail(correction, f"{attribute} repeats or changes names", expected="each once, always", remedy=remedy)


def _of(found: Answer, variation: str) -> Answer:
    """What is answered for one variation, by what is answered."""
    named = {name.partition(" "): values for name, values in found.items()}
    return {path: values for (name, _, path), values in named.items() if name == variation}
