"""Hashes of integers, compared with published values."""

import numpy as np
import pytest

from hepreco.events import uniform_hash
from hepreco.events.hashes import mixed

#: The first outputs of SplitMix64 from the seed 1234567, as its authors' C program prints them (rosettacode.org).
FIRST = (6457827717110365317, 3203168211198807973, 9817491932198370423, 4593380528125082431, 16408922859458223821)
GOLDEN = 0x9E3779B97F4A7C15


def test_published_values():
    states = np.array([(1234567 + number * GOLDEN) % 2**64 for number in range(len(FIRST))], np.uint64)
    assert mixed(states).tolist() == list(FIRST)


def test_uniform_and_independent_of_neighbours():
    events = np.arange(20_000)
    found = uniform_hash([np.ones_like(events), events], seed=3)
    assert np.histogram(found, bins=20, range=(0, 1))[0] == pytest.approx(1000, abs=5 * 1000**0.5)
    assert uniform_hash([[1], [17]], seed=3)[0] == found[17]
    assert abs(np.corrcoef(found, uniform_hash([np.ones_like(events), events], seed=-4))[0, 1]) < 5 / 20_000**0.5
