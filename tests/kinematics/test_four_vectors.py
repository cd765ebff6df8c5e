import math

import pytest
import torch
import vector
from hypothesis import given
from hypothesis import strategies as st

from hepreco import kinematics

TOLERANCE = {"rtol": 1e-10, "atol": 1e-8}


def random_momenta(events=200):
    generator = torch.Generator().manual_seed(1)
    pt, mass = (100 * torch.rand(events, generator=generator, dtype=torch.float64) for _ in range(2))
    eta, phi = (3 * (2 * torch.rand(events, generator=generator, dtype=torch.float64) - 1) for _ in range(2))
    return pt, eta, phi, mass


def test_agrees_with_the_vector_library():
    pt, eta, phi, mass = random_momenta()
    ours = kinematics.from_pt_eta_phi_mass(pt, eta, phi, mass)
    theirs = vector.array({"pt": pt.numpy(), "eta": eta.numpy(), "phi": phi.numpy(), "mass": mass.numpy()})
    for component, name in enumerate(("energy", "px", "py", "pz")):
        torch.testing.assert_close(ours[:, component], torch.from_numpy(getattr(theirs, name)), **TOLERANCE)


def test_collider_coordinates_invert():
    coordinates = torch.stack(random_momenta(), dim=-1)
    momenta = kinematics.from_pt_eta_phi_mass(*coordinates.unbind(-1))
    torch.testing.assert_close(kinematics.to_pt_eta_phi_mass(momenta), coordinates, rtol=1e-7, atol=1e-6)


def test_negative_mass_survives_the_round_trip():
    one = torch.ones(1, dtype=torch.float64)
    momenta = kinematics.from_pt_eta_phi_mass(50 * one, one, one, -2 * one)
    assert kinematics.mass(momenta).item() == pytest.approx(-2.0, rel=1e-9)


def test_mass_is_invariant_under_boosts():
    momenta = kinematics.from_pt_eta_phi_mass(*random_momenta())
    velocity = torch.tensor([0.3, -0.5, 0.6], dtype=torch.float64).expand(len(momenta), 3)
    boosted = kinematics.boost(momenta, velocity=velocity)
    torch.testing.assert_close(kinematics.mass(boosted), kinematics.mass(momenta), rtol=1e-8, atol=1e-6)
    torch.testing.assert_close(kinematics.boost(boosted, velocity=-velocity), momenta, rtol=1e-9, atol=1e-9)


def test_boost_of_a_particle_at_rest_moves_with_the_velocity():
    rest = torch.tensor([[2.0, 0.0, 0.0, 0.0]], dtype=torch.float64)
    moving = kinematics.boost(rest, velocity=torch.tensor([[0.0, 0.0, 0.6]], dtype=torch.float64))
    torch.testing.assert_close(moving, torch.tensor([[2.5, 0.0, 0.0, 1.5]], dtype=torch.float64))


def test_two_body_decay_conserves_momentum_and_masses():
    parent = kinematics.from_pt_eta_phi_mass(*(x + 20 if i == 3 else x for i, x in enumerate(random_momenta())))
    masses = (torch.full((200,), 4.7, dtype=torch.float64), torch.full((200,), 10.0, dtype=torch.float64))
    first, second = kinematics.two_body_decay(parent, masses=masses, generator=torch.Generator().manual_seed(2))
    torch.testing.assert_close(first + second, parent, **TOLERANCE)
    torch.testing.assert_close(kinematics.mass(first), masses[0], rtol=1e-6, atol=1e-6)
    torch.testing.assert_close(kinematics.mass(second), masses[1], rtol=1e-6, atol=1e-6)


def test_decay_is_isotropic_in_the_rest_frame():
    parent = torch.tensor([[100.0, 0.0, 0.0, 0.0]], dtype=torch.float64).expand(20_000, 4)
    zero = torch.zeros(20_000, dtype=torch.float64)
    first, _ = kinematics.two_body_decay(parent, masses=(zero, zero), generator=torch.Generator().manual_seed(3))
    cos_theta = first[:, 3] / first[:, 0]
    assert cos_theta.mean().abs() < 4 / math.sqrt(3 * 20_000)
    assert cos_theta.square().mean().item() == pytest.approx(1 / 3, abs=0.01)


@given(st.floats(-20, 20), st.floats(-20, 20))
def test_delta_phi_is_wrapped(first, second):
    difference = kinematics.delta_phi(torch.tensor(first), torch.tensor(second)).item()
    assert -math.pi - 1e-5 <= difference <= math.pi + 1e-5
    assert math.cos(difference) == pytest.approx(math.cos(first - second), abs=1e-4)


def test_eta_along_the_beam_and_at_rest():
    momenta = torch.tensor([[1.0, 0.0, 0.0, 1.0], [1.0, 0.0, 0.0, -1.0], [1.0, 0.0, 0.0, 0.0]])
    assert kinematics.eta(momenta).tolist() == [math.inf, -math.inf, 0.0]


def test_distances_and_products_agree_with_the_vector_library():
    first, second = (torch.stack(random_momenta(), dim=-1).flip(0)[half] for half in (slice(100), slice(100, 200)))
    ours = [kinematics.from_pt_eta_phi_mass(*coordinates.unbind(-1)) for coordinates in (first, second)]
    names = ("pt", "eta", "phi", "mass")
    theirs = [vector.array(dict(zip(names, x.numpy().T, strict=True))) for x in (first, second)]
    distance = torch.from_numpy(theirs[0].deltaR(theirs[1]))
    torch.testing.assert_close(kinematics.delta_r(*ours), distance, rtol=1e-7, atol=1e-6)
    product = theirs[0].E * theirs[1].E - theirs[0].to_3D().dot(theirs[1].to_3D())
    torch.testing.assert_close(kinematics.minkowski_dot(*ours), torch.from_numpy(product), **TOLERANCE)
    by_component = [momenta.mT.contiguous() for momenta in ours]
    found = kinematics.minkowski_dot(*by_component, dim=0)
    torch.testing.assert_close(found, torch.from_numpy(product), **TOLERANCE)


def test_rapidity_may_take_the_place_of_pseudorapidity():
    momenta = kinematics.from_pt_eta_phi_mass(*random_momenta())
    velocity = torch.tensor([0.0, 0.0, 0.6], dtype=torch.float64).expand(len(momenta), 3)
    boosted = kinematics.boost(momenta, velocity=velocity)

    def rapidity(momenta):
        return torch.atanh(momenta[..., 3] / momenta[..., 0])

    before, after = (kinematics.delta_r(p[:100], p[100:], longitudinal=rapidity) for p in (momenta, boosted))
    torch.testing.assert_close(before, after, rtol=1e-7, atol=1e-6)
