from itertools import permutations

import pytest
import torch

from hepreco.conventions import TOP_MASS, W_MASS
from hepreco.kinematics import mass
from hepreco.testing.speed import JETS, chi2_of_jets, yardstick_jets


def slow_chi2(jets):
    best = float("inf")
    for order in permutations(range(len(jets)), 6):
        total = 0.0
        for b, first, second in (order[:3], order[3:]):
            w = jets[first] + jets[second]
            total += ((mass(w).item() - W_MASS) / 8) ** 2 + ((mass(w + jets[b]).item() - TOP_MASS) / 12) ** 2
        best = min(best, total)
    return best


def test_the_yardstick_is_a_chi2_assignment():
    jets = yardstick_jets()[:2, :6]
    expected = torch.tensor([slow_chi2(event) for event in jets], dtype=torch.float64)
    torch.testing.assert_close(chi2_of_jets(jets), expected, rtol=1e-9, atol=0)


def test_its_events_have_as_many_jets_as_it_says():
    assert yardstick_jets().shape[1:] == (JETS, 4)
    assert chi2_of_jets(yardstick_jets()).min() > 0


@pytest.mark.parametrize("jets", [7, 8])
def test_more_jets_never_fit_worse(jets):
    events = yardstick_jets()
    assert (chi2_of_jets(events[:, :jets]) <= chi2_of_jets(events[:, : jets - 1])).all()
