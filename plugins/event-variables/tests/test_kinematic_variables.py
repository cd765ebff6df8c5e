import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from hepreco.errors import ConfigError
from hepreco.events import EventBatch
from hepreco.generation import sample_topology
from hepreco_event_variables import KinematicVariables
from hepreco_event_variables.kinematic_variables import (
    invariant_mass,
    largest_paired_mass,
    paired_stransverse_mass,
    stransverse_mass,
    transverse_mass,
)

#: Double precision after boosts.
ROUNDING = 1e-9
EVENTS = 20_000


def test_stransverse_mass_of_the_authors():
    """The value that the package mt2 documents, after arXiv:1411.4312."""
    one = torch.tensor([[math.sqrt(100**2 + 410**2 + 20**2), 410.0, 20.0, 0.0]], dtype=torch.float64)
    other = torch.tensor([[math.sqrt(150**2 + 210**2 + 300**2), -210.0, -300.0, 0.0]], dtype=torch.float64)
    missing = torch.tensor([[-200.0, 280.0]], dtype=torch.float64)
    assert stransverse_mass(one, other, missing, trial_mass=100.0).item() == pytest.approx(412.628, abs=1e-3)


def test_masses_end_where_they_must():
    pair = sample_topology("visible-pair", events=EVENTS, seed=1)
    torch.testing.assert_close(invariant_mass(pair.visible), pair.parameters[:, 0], rtol=ROUNDING, atol=0)
    semi = sample_topology("semi-visible", events=EVENTS, seed=1, parameters=(400.0, 100.0))
    for trial, end in ((0.0, 375.0), (100.0, 400.0)):
        mt = transverse_mass(semi.visible, semi.missing_momentum, trial_mass=trial)
        assert end * (1 - 2e-3) < mt.max() < end * (1 + ROUNDING)
    tops = sample_topology("top-pair-dilepton", events=EVENTS, seed=1, parameters=(172.5,))
    b, leptons = tops.visible[:, :2], tops.visible[:, 2:]
    assert 165.0 < paired_stransverse_mass(b, leptons, tops.missing_momentum).max() < 172.5 * (1 + 1e-6)
    end = math.sqrt(172.5**2 - 80.379**2)
    assert end * 0.99 < largest_paired_mass(b, leptons).max() < end * (1 + ROUNDING)


@given(st.floats(5.0, 500.0), st.floats(0.0, math.pi), st.floats(1.0, 500.0))
def test_transverse_mass_of_massless_particles(pt, angle, missing):
    visible = torch.tensor([[[pt, pt, 0.0, 0.0]]], dtype=torch.float64)
    other = torch.tensor([[missing * math.cos(angle), missing * math.sin(angle)]], dtype=torch.float64)
    expected = math.sqrt(2 * pt * missing * (1 - math.cos(angle)))
    assert transverse_mass(visible, other).item() == pytest.approx(expected, abs=1e-5 * (pt + missing))


def test_columns(two_jets: EventBatch):
    found = KinematicVariables().reconstruct(two_jets)
    assert found["mass"][0].item() == pytest.approx(math.sqrt(63**2 - 30**2 - 35**2 - 12**2))
    assert found["ht"].tolist() == pytest.approx([55.0, 50.0])
    assert found["missing_pt"][1].item() == pytest.approx(50.0)
    assert found["effective_mass"][1].item() == pytest.approx(100.0)
    assert found["missing_significance"][1].item() == pytest.approx(50 / math.sqrt(50))
    assert found["min_delta_phi"][1].item() == pytest.approx(math.pi)
    assert found["mt"][1].item() == pytest.approx(100.0)
    assert found["mt2"].isnan().tolist() == [False, True]
    assert KinematicVariables(at_least=2).reconstruct(two_jets)["ht"].isnan().tolist() == [False, True]


def test_options_that_make_no_sense():
    with pytest.raises(ConfigError, match="at least one object"):
        KinematicVariables(at_least=0)
    with pytest.raises(ConfigError, match="trial mass of 0"):
        KinematicVariables(trial_mass=-1.0)
