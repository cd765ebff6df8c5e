"""A check of the time per event, relative to a reference that is measured in the same run."""

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
        """Number of voluntary context switches of the process."""
        return getrusage(RUSAGE_SELF).ru_nvcsw


#: Number of jets in the reference's events.
JETS: Final = 8
#: Functions that take longer than this, in seconds, are not measured again.
ENOUGH: Final = 0.2
#: Number of measurements, of which the best counts.
ROUNDS: Final = 5
#: Number of voluntary waits above which a call is measured in real time.
WAITS: Final = 20
#: Time relative to the reference above which a plugin must not process events one by one in Python.
ONE_BY_ONE: Final = 10.0
#: Largest time relative to the reference of any plugin.
SLOWEST: Final = 10_000.0
#: More function calls per event than this mean that events are processed one by one.
CALLS: Final = 5.0
#: Numbers of copies of one event for which calls are counted.
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
    """The smallest χ² of assignments of jets to tt̄ → 6 quarks, for all events at once: the reference."""
    first, second, third = _triplets(jets.shape[1]).unbind(dim=1)
    w = jets[:, second] + jets[:, third]
    chi2 = ((mass(w) - W_MASS) / 8).square() + ((mass(w + jets[:, first]) - TOP_MASS) / 12).square()
    best = torch.stack([chi2[:, i] + chi2[:, _disjoint(jets.shape[1], i)].amin(dim=1) for i in range(len(first))])
    return best.amin(dim=0)


def yardstick_jets() -> Float[Tensor, "event jet 4"]:
    """The jets of the reference's toy events."""
    return _toy_jets()


@cache
def _toy_jets() -> Tensor:
    return toy_batch(InputSpec((ObjectSpec("Jet", at_least=JETS, at_most=JETS),)), events=EVENTS).momenta


@lru_cache(maxsize=16)
def _triplets(jets: int) -> Tensor:
    """Triplets (b, q, q′) for every choice of three jets, with each of them as the b."""
    return torch.tensor(
        [(b, *(q for q in three if q != b)) for three in combinations(range(jets), 3) for b in three], dtype=torch.int64
    )


@lru_cache(maxsize=4096)
def _disjoint(jets: int, number: int) -> Tensor:
    """Triplets that share no jet with triplet ``number``."""
    triplets = _triplets(jets)
    shared = (triplets[:, :, None] == triplets[number][None, None, :]).any(dim=(1, 2))
    return torch.nonzero(~shared)[:, 0]


def _side_by_side(one: Callable[[], object], other: Callable[[], object]) -> tuple[float, float]:
    """The best times (s) of two functions, called alternately; slow functions are called once."""
    best = [float("inf"), float("inf")]
    _ = other()
    for _ in range(ROUNDS):
        for number, function in enumerate((one, other)):
            if best[number] > ENOUGH:
                best[number] = min(best[number], _seconds(function))
    return best[0], best[1]


def _seconds(function: Callable[[], object]) -> float:
    """CPU time, which does not depend on other processes, or real time of a function that waits often."""
    waits, start, work = _waits(), time.perf_counter(), time.process_time()
    function()
    work, passed = time.process_time() - work, time.perf_counter() - start
    return passed if _waits() - waits > WAITS else work


def _calls_per_event(examined: Examination) -> float:
    """The number of additional function calls per additional copy of an event."""
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
