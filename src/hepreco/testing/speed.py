"""A check of the time that an event takes, beside a yardstick that is measured in the same run."""

import sys
import time
from collections.abc import Callable
from functools import cache, lru_cache
from itertools import combinations
from types import FrameType
from typing import Any, Final

import torch
from jaxtyping import Float
from torch import Tensor

from hepreco.conventions import TOP_MASS, W_MASS
from hepreco.events import EventBatch, InputSpec, ObjectSpec
from hepreco.kinematics import mass
from hepreco.testing.answers import ask, fail
from hepreco.testing.examination import EVENTS, Examination, check
from hepreco.testing.toys import toy_batch

try:
    from resource import RUSAGE_SELF, getrusage
except ImportError:  # Windows

    def _waits() -> int:
        return 0
else:

    def _waits() -> int:
        """How often the process has given up the processor by itself."""
        return getrusage(RUSAGE_SELF).ru_nvcsw


#: Jets of the yardstick's events.
JETS: Final = 8
#: Seconds after which nothing is measured a second time.
ENOUGH: Final = 0.2
#: Best of that many.
ROUNDS: Final = 5
#: Of its own accord a call may wait that often.
WAITS: Final = 20
#: Times the yardstick: slower, a plugin must not work through its events one by one in Python.
ONE_BY_ONE: Final = 10.0
#: Times the yardstick: slower, no plugin is of use, whatever it does.
SLOWEST: Final = 10_000.0
#: Calls of functions per event, in Python, from which on events are worked on one by one.
CALLS: Final = 5.0
#: Copies of one event whose calls are counted.
SMALL, LARGE = 2, 6


@check
def speed(examined: Examination) -> str:
    """Be vectorised: no function is called event by event, unless that is as fast as a χ² assignment."""
    batch = examined.events
    _ = examined.found
    own, yardstick = _side_by_side(lambda: ask(examined.reconstructor, batch), lambda: chi2_of_jets(yardstick_jets()))
    own, yardstick = own / len(batch), yardstick / EVENTS
    times = own / yardstick
    chi2 = f"a χ² assignment of {JETS} jets to tt̄ ({1e3 * yardstick:.3g} ms)"
    told = f"{1e3 * own:.3g} ms per event, {times:.2g} times {chi2}"
    calls = _calls_per_event(examined) if times > ONE_BY_ONE else 0.0
    if times > SLOWEST or calls > CALLS:
        why = f", with {calls:.0f} calls of functions per event" if calls > CALLS else ""
        remedy = "work on all events at once; loop over numbers of objects, or over blocks of events"
        fail(examined.reconstructor, f"takes {told}{why}", expected="less", remedy=remedy)
    return told


def chi2_of_jets(jets: Float[Tensor, "event jet 4"]) -> Float[Tensor, " event"]:
    """The smallest χ² of an assignment of jets to tt̄ → 6 quarks, for all events at once: the yardstick."""
    first, second, third = _triplets(jets.shape[1]).unbind(dim=1)
    w = jets[:, second] + jets[:, third]
    chi2 = ((mass(w) - W_MASS) / 8).square() + ((mass(w + jets[:, first]) - TOP_MASS) / 12).square()
    best = torch.stack([chi2[:, i] + chi2[:, _disjoint(jets.shape[1], i)].amin(dim=1) for i in range(len(first))])
    return best.amin(dim=0)


def yardstick_jets() -> Float[Tensor, "event jet 4"]:
    """Toy events with as many jets as the yardstick takes."""
    return _toy_jets()


@cache
def _toy_jets() -> Tensor:
    return toy_batch(InputSpec((ObjectSpec("Jet", at_least=JETS, at_most=JETS),)), events=EVENTS).momenta


@lru_cache(maxsize=16)
def _triplets(jets: int) -> Tensor:
    """(b, q, q′) for every choice of three jets, each of which may be the b."""
    return torch.tensor(
        [(b, *(q for q in three if q != b)) for three in combinations(range(jets), 3) for b in three], dtype=torch.int64
    )


@lru_cache(maxsize=4096)
def _disjoint(jets: int, number: int) -> Tensor:
    """Triplets that share no jet with that one."""
    triplets = _triplets(jets)
    shared = (triplets[:, :, None] == triplets[number][None, None, :]).any(dim=(1, 2))
    return torch.nonzero(~shared)[:, 0]


def _side_by_side(one: Callable[[], object], other: Callable[[], object]) -> tuple[float, float]:
    """The best times of two functions (s), called in turns; once is enough for slow ones."""
    best = [float("inf"), float("inf")]
    _ = other()
    for _ in range(ROUNDS):
        for number, function in enumerate((one, other)):
            if best[number] > ENOUGH:
                best[number] = min(best[number], _seconds(function))
    return best[0], best[1]


def _seconds(function: Callable[[], object]) -> float:
    """CPU time, which others on the machine do not lengthen; real time of a function that waits again and again."""
    waits, start, work = _waits(), time.perf_counter(), time.process_time()
    function()
    work, passed = time.process_time() - work, time.perf_counter() - start
    return passed if _waits() - waits > WAITS else work


def _calls_per_event(examined: Examination) -> float:
    """How many more functions are called for each further copy of the same event."""
    event = examined.events[:1]
    few, many = (_calls(examined, event[torch.zeros(copies, dtype=torch.int64)]) for copies in (SMALL, LARGE))
    return (many - few) / (LARGE - SMALL)


def _calls(examined: Examination, batch: EventBatch) -> int:
    counted = [0]

    def count(_frame: FrameType, event: str, _argument: Any) -> None:
        counted[0] += event in ("call", "c_call")

    before = sys.getprofile()
    sys.setprofile(count)
    try:
        ask(examined.reconstructor, batch)
    finally:
        sys.setprofile(before)
    return counted[0]
