"""A plugin under examination: the events that it gets, and its answers."""

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache, wraps
from typing import Final, Protocol, cast

import torch
from jaxtyping import Bool
from torch import Tensor

from hepreco.events import EventBatch, InputSpec
from hepreco.plugin import Reconstructor
from hepreco.testing.answers import ConformanceError, NotAskedError, answers
from hepreco.testing.edges import with_undefined
from hepreco.testing.toys import toy_batch

#: Number of events for a plugin.
EVENTS: Final = 64
#: Number of events for a slow plugin, which takes longer than SLOW (seconds of CPU time) for them.
FEW: Final = 8
SLOW: Final = 0.1
#: Largest number of toy events, and seconds, to search for events with an answer if most have none.
SEARCHED: Final = 2000
SEARCH: Final = 2.0
#: Examinations that are kept in memory, so that checks may come in any order.
KEPT: Final = 16
#: Sufficient fraction of events with an answer.
ENOUGH: Final = 0.5


@dataclass(frozen=True, eq=False)
class Examination:
    """Events and answers that all checks of one plugin share.

    Parameters
    ----------
    reconstructor
        The plugin.
    given
        Events for the plugin; ``None`` for toy events.
    """

    reconstructor: Reconstructor
    given: EventBatch | None = None

    @property
    def name(self) -> str:
        """Name of the plugin's class."""
        return type(self.reconstructor).__name__

    @cached_property
    def set_up(self) -> Exception | None:
        """The exception that setting the plugin up raises, if any."""
        try:
            self.reconstructor.setup("cpu")
        except Exception as error:  # whatever a plugin raises is reported
            return error
        return None

    @property
    def events(self) -> EventBatch:
        """The events of all comparisons: fewer for a slow plugin, and if possible at least half with an answer.

        Raises
        ------
        NotAskedError
            No toy events can be drawn for the plugin's inputs, which another check reports.
        """
        if isinstance(self.drawn, Exception):
            raise NotAskedError(f"{self.name}: there are no events to ask about", "see the check 'answered'")
        return self._asked[0]

    @property
    def few(self) -> int:
        """Number of events for checks that pass each event alone."""
        return FEW if len(self.events) > FEW else FEW // 4

    @cached_property
    def drawn(self) -> EventBatch | Exception:
        """The first events, or the exception if there are none."""
        try:
            return self._drawn(EVENTS)
        except Exception as error:  # any exception of the plugin's inputs
            return error

    @property
    def outcome(self) -> dict[str, Tensor] | ConformanceError:
        """The answers for the events, or the error if there are none."""
        _ = self.events
        return self._asked[1]

    @cached_property
    def _asked(self) -> tuple[EventBatch, dict[str, Tensor] | ConformanceError]:
        """The events of the comparisons, and the answers or the error."""
        batch = cast("EventBatch", self.drawn)[:EVENTS]
        if self.set_up is not None:
            return batch, NotAskedError(f"{self.name}: cannot be set up", "see the check 'setup'")
        try:
            answers(self.reconstructor, batch[:2])  # the first call may still load something
            start = time.process_time()
            found = answers(self.reconstructor, batch[:FEW])
            seconds = max(time.process_time() - start, 1e-3)
            if seconds > SLOW:
                return batch[:FEW], found
            found = answers(self.reconstructor, batch)
            if found and float(has_answer(found).double().mean()) < ENOUGH:
                wide = self._drawn(min(SEARCHED, EVENTS + int(FEW * SEARCH / seconds)))
                batch = _with_answers(self.reconstructor, wide, number=len(batch))
                found = answers(self.reconstructor, batch)
        except ConformanceError as error:
            return batch, error
        return batch, found

    def _drawn(self, number: int) -> EventBatch:
        """The given events, or toy events; a larger number begins with the same events."""
        if self.given is not None:
            return self.given
        inputs = self.reconstructor.inputs
        return with_undefined(toy_batch(inputs, events=number), inputs)

    @property
    def found(self) -> dict[str, Tensor]:
        """The answers for the events, at least one of which is not missing.

        Raises
        ------
        NotAskedError
            There are no answers, which another check reports.
        """
        if isinstance(self.outcome, NotAskedError):
            raise self.outcome
        if isinstance(self.outcome, ConformanceError):
            raise NotAskedError(f"{self.name}: raises when it is asked", "see the check 'outputs'")
        if self.outcome and not bool(has_answer(self.outcome).any()):
            raise NotAskedError(f"{self.name}: answers none of {len(self.events)} events", "see the check 'answered'")
        return self.outcome

    @cached_property
    def others(self) -> EventBatch:
        """The second half of the events, with the identifiers of the first half."""
        half = (len(self.events) + 1) // 2
        last = self.events[len(self.events) - half :]
        return replace(last, event_id=self.events.event_id[:half])

    @cached_property
    def found_of_others(self) -> dict[str, Tensor]:
        """The answers for the other events, after the plugin has seen the first events."""
        _ = self.found
        return answers(self.reconstructor, self.others)


class Check(Protocol):
    """A check of one clause of the contract."""

    __name__: str

    def __call__(self, reconstructor: Reconstructor, events: EventBatch | None = None) -> str:
        """Raise ConformanceError unless the plugin keeps the clause; return a remark, which is usually empty."""


def check(function: Callable[[Examination], str | None]) -> Check:
    """Make a check of a plugin from a function of its examination."""

    @wraps(function)
    def checked(reconstructor: Reconstructor, events: EventBatch | None = None) -> str:
        return function(examination(reconstructor, events)) or ""

    return checked


def examination(reconstructor: Reconstructor, events: EventBatch | None = None) -> Examination:
    """The examination of exactly this object, which is kept for its other checks."""
    return _kept(_Identity(reconstructor, events))


def has_answer(found: dict[str, Tensor]) -> Bool[Tensor, " event"]:
    """Whether events have a number that is not NaN or, for plugins with only indices, an index that is not −1."""
    numbers = {name: value for name, value in found.items() if value.is_floating_point()}
    held = [~value.isnan() for value in numbers.values()] or [value >= 0 for value in found.values()]
    return torch.stack([here.reshape(len(here), -1).any(dim=1) for here in held]).any(dim=0)


def told(batch: EventBatch, inputs: InputSpec) -> str:
    """A description of the events' objects."""
    numbers = [
        f"{int(count.min())} to {int(count.max())} of {spec.collection}"
        for spec in inputs.objects
        for count in [batch.collection(spec.collection).mask.sum(dim=1)]
    ]
    leading = torch.where(batch.mask, batch.momenta[..., 1:3].norm(dim=-1), 0.0).amax(dim=1)
    spread = f"leading pt {float(leading.min()):.0f} to {float(leading.max()):.0f} GeV"
    features = "".join(
        f", {spec.collection}.{name} {_span(batch.collection(spec.collection), name)}"
        for spec in inputs.objects
        for name in spec.features
    )
    return f"{', '.join(numbers)}, {spread}{features}"


def _span(batch: EventBatch, name: str) -> str:
    values = batch.features[name][batch.mask]
    return f"{float(values.min()):.3g} to {float(values.max()):.3g}" if len(values) else "of nothing"


def _with_answers(reconstructor: Reconstructor, batch: EventBatch, *, number: int) -> EventBatch:
    """Events in their order, three quarters of them with an answer if there are enough."""
    held = has_answer(answers(reconstructor, batch))
    with_answer, without = torch.nonzero(held)[:, 0], torch.nonzero(~held)[:, 0]
    chosen = torch.cat((with_answer[: 3 * number // 4], without))[:number]
    return batch[chosen.sort().values]


@dataclass(frozen=True, eq=False)
class _Identity:
    """A key for exactly these objects, since plugins that compare equal may still differ."""

    reconstructor: Reconstructor
    events: EventBatch | None

    def __eq__(self, other: object) -> bool:
        return (
            isinstance(other, _Identity) and other.reconstructor is self.reconstructor and other.events is self.events
        )

    def __hash__(self) -> int:
        return hash((id(self.reconstructor), id(self.events)))


@lru_cache(maxsize=KEPT)
def _kept(identity: _Identity) -> Examination:
    return Examination(identity.reconstructor, identity.events)
