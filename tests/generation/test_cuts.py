import math
from itertools import combinations

import pytest
import torch

from hepreco.generation import Cuts
from hepreco.kinematics import from_pt_eta_phi_mass


def particles(*coordinates: tuple[float, float, float]) -> torch.Tensor:
    """One event of massless particles of these (pt, η, φ)."""
    pt, eta, phi = torch.tensor(coordinates, dtype=torch.float64).T
    return from_pt_eta_phi_mass(pt, eta, phi, torch.zeros_like(pt))[None]


@pytest.fixture(scope="module")
def events() -> torch.Tensor:
    """500 events of three particles, many of them close to each other or on either side of φ = π."""
    u = torch.rand(3, 500, 3, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    return from_pt_eta_phi_mass(10 + 90 * u[0], 4 * u[1] - 2, math.pi + 2 * (u[2] - 0.5), torch.zeros_like(u[0]))


def slow(event: list[list[float]], *, pt_min: float, eta_max: float, delta_r_min: float) -> bool:
    """Each particle and each pair, straight from the definitions."""
    coordinates = [
        (math.hypot(px, py), math.asinh(pz / math.hypot(px, py)), math.atan2(py, px)) for _, px, py, pz in event
    ]
    distances = [
        math.sqrt((one[1] - other[1]) ** 2 + min(abs(one[2] - other[2]), 2 * math.pi - abs(one[2] - other[2])) ** 2)
        for one, other in combinations(coordinates, 2)
    ]
    return (
        all(pt > pt_min for pt, _, _ in coordinates)
        and all(abs(eta) < eta_max for _, eta, _ in coordinates)
        and all(distance > delta_r_min for distance in distances)
    )


@pytest.mark.parametrize(
    "limits",
    [
        {"pt_min": 25.0, "eta_max": math.inf, "delta_r_min": 0.0},
        {"pt_min": 0.0, "eta_max": 1.6, "delta_r_min": 0.0},
        {"pt_min": 0.0, "eta_max": math.inf, "delta_r_min": 0.7},
        {"pt_min": 12.0, "eta_max": 1.9, "delta_r_min": 0.3},
    ],
)
def test_events_pass_as_in_the_slow_formula(events, limits):
    expected = [slow(event, **limits) for event in events.tolist()]
    assert Cuts(**limits)(events).tolist() == expected
    assert 50 < sum(expected) < 450


@pytest.mark.parametrize(
    ("one", "other", "distance"),
    [
        ((1.5, 0.1), (1.5, 0.5), 0.4),  # far from η = 0: a sum of rapidities would be 3
        ((-1.0, 0.0), (-0.7, 0.4), 0.5),
        ((0.2, math.pi - 0.1), (0.2, -math.pi + 0.1), 0.2),
        ((2.0, 1.0), (-2.0, 1.0), 4.0),
    ],
)
def test_distances_are_between_particles(one, other, distance):
    event = particles((30.0, *one), (40.0, *other))
    assert Cuts(delta_r_min=distance - 1e-9)(event).tolist() == [True]
    assert Cuts(delta_r_min=distance + 1e-9)(event).tolist() == [False]


def test_no_cuts_let_everything_pass(events):
    assert Cuts()(events).all()
    assert Cuts()(events[:0]).shape == (0,)
