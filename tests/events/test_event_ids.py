import numpy as np
import pytest

from hepreco.events import event_ids
from hepreco.events.event_ids import EventIds


def numbers(size, seed=1):
    rng = np.random.default_rng(seed)
    return rng.integers(1, 5, size), rng.integers(1, 100, size), rng.permutation(10 * size)[:size]


def added(*parts):
    total = EventIds()
    for part in parts:
        total.add(EventIds(*part))
    return total


def test_repeated_events_are_counted_in_any_order():
    run, section, event = numbers(1000)
    again = run[:30], section[:30], event[:30]
    assert added((run, section, event)).repeated() == 0
    assert added((run, section, event), again).repeated() == 30
    assert added(again, (run, section, event), again).repeated() == 60
    assert added(again, (run, section, event)) == added((run, section, event), again)


@pytest.mark.parametrize("changed", [0, 1, 2])
def test_events_that_differ_in_one_number_are_others(changed):
    one = [np.array([7]), np.array([8]), np.array([9])]
    other = [each + (place == changed) for place, each in enumerate(one)]
    assert added(one, other).repeated() == 0
    assert EventIds(*one).common(EventIds(*other)) == 0
    assert EventIds(*one).common(EventIds(*one)) == 1


def test_it_survives_as_text():
    ids = EventIds(*numbers(100))
    assert EventIds.from_text(ids.as_text()) == ids
    assert EventIds.from_text(EventIds().as_text()) == EventIds()


def test_of_more_events_a_sample_estimates(monkeypatch):
    monkeypatch.setattr(event_ids, "LIMIT", 2000)
    run, section, event = numbers(100_000)
    pieces = [(run[i::7], section[i::7], event[i::7]) for i in range(7)]
    again = run[:20_000], section[:20_000], event[:20_000]
    one, other = added(*pieces, again), added(again, *reversed(pieces))
    assert one == other
    assert one.fraction == pytest.approx(2000 / 120_000, rel=0.1)
    # 333 ± 18 of the sample come again, if the hash is a good one.
    assert one.repeated() == pytest.approx(20_000, rel=0.2)
    assert one.common(added(again)) == pytest.approx(20_000, rel=0.3)
    assert EventIds.from_text(one.as_text()) == one
    assert len(one.as_text()) < 8 * 2000 * 1.4 + 100
