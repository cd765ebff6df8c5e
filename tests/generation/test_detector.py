"""What a detector does to particles."""

from dataclasses import replace

import pytest
import torch

from hepreco.conventions import B_TAG_THRESHOLD
from hepreco.errors import ConfigError
from hepreco.generation import Detector, PartonEvents
from hepreco.generation.detector import measure, radiate, to_objects
from hepreco.kinematics import from_pt_eta_phi_mass, mass, pt

PERFECT = Detector(
    radiation=0.0, jet_stochastic=0.0, jet_constant=0.0, jet_angle=0.0, lepton_resolution=0.0, lepton_efficiency=1.0,
    jet_pt_min=0.0, jet_eta_max=99.0, lepton_pt_min=0.0, lepton_eta_max=99.0, missing_noise=0.0,
)  # fmt: skip


def event(*particles, events=1):
    """Two gluons that make particles of (pdg_id, pt, η, φ), balanced by one of them along the beam's plane."""
    rows = torch.tensor([particle[1:] for particle in particles], dtype=torch.float64)
    final = from_pt_eta_phi_mass(*rows.T, torch.zeros(len(rows), dtype=torch.float64))
    total = final.sum(0)
    plus, minus = (total[0] + total[3]) / 2, (total[0] - total[3]) / 2
    beams = torch.stack(
        (torch.stack((plus, 0 * plus, 0 * plus, plus)), torch.stack((minus, 0 * minus, 0 * minus, -minus)))
    )
    momenta = torch.cat((beams, final)).expand(events, -1, 4)
    size = 2 + len(particles)
    pdg_id = torch.tensor([21, 21, *(particle[0] for particle in particles)]).expand(events, -1)
    status = torch.tensor([-1, -1] + [1] * len(particles)).expand(events, -1)
    return PartonEvents(
        momenta=momenta,
        pdg_id=pdg_id,
        status=status,
        mother=torch.full((events, size), -1),
        colour=torch.zeros((events, size, 2), dtype=torch.int64),
        weight=torch.ones(events, dtype=torch.float64),
    )


def see(events, detector, *, seed=1, first=0):
    recoiled, radiation = radiate(events, detector, seed=seed, first=first)
    objects = to_objects(recoiled, radiation, radius=detector.jet_radius)
    return measure(objects, detector, seed=seed, first=first)


FOUR = event((5, 80.0, 0.5, 0.0), (-11, 60.0, -0.5, 2.0), (12, 50.0, 1.0, 4.0), (2, 40.0, 0.1, 5.0))


def test_a_perfect_detector_sees_what_is_there():
    seen = see(FOUR, PERFECT)
    torch.testing.assert_close(seen.jets[0, 2], FOUR.momenta[0, 2])
    torch.testing.assert_close(seen.leptons[0, 3], FOUR.momenta[0, 3])
    torch.testing.assert_close(seen.missing_momentum[0], FOUR.momenta[0, 4, 1:3])
    assert seen.jet_parton[0, 2].item() == 0
    assert seen.jet_parton[0, 5].item() == 3  # leptons are counted
    assert seen.jet_flavour[0, [2, 5]].tolist() == [5, 0]
    assert seen.lepton_pdg_id[0, 3].item() == -11
    assert (seen.jets[0, :, 0] > 0).sum() == 2


def test_near_jets_become_one_and_name_the_harder_parton():
    seen = see(event((1, 40.0, 0.0, 0.0), (5, 60.0, 0.3, 0.1), (21, 50.0, 0.0, 3.0)), PERFECT)
    held = seen.jets[0, :, 0] > 0
    assert held.sum() == 2
    assert sorted(seen.jet_parton[0][held].tolist()) == [1, 2]
    merged = int((seen.jet_parton[0] == 1).nonzero())
    assert seen.jet_flavour[0, merged] == 5
    assert pt(seen.jets[0, merged]) == pytest.approx(99.8, abs=0.3)


def test_leptons_in_a_jet_are_part_of_it():
    seen = see(event((5, 60.0, 0.0, 0.0), (13, 30.0, 0.1, 0.1), (2, 50.0, 0.0, 3.0)), PERFECT)
    assert not (seen.leptons[..., 0] > 0).any()
    assert pt(seen.jets[0]).max() == pytest.approx(90.0, abs=0.5)


def test_radiation_and_recoil_balance():
    many = event((6, 150.0, 0.3, 1.0), (-6, 150.0, -0.3, 1.0 - torch.pi), events=4000)
    recoiled, radiation = radiate(many, Detector(radiation=2.0), seed=1, first=0)
    total = recoiled.momenta[:, 2:].sum(1) + radiation.sum(1)
    assert total[:, 1:3].abs().max() < 1e-9
    pair = recoiled.momenta[:, 2:].sum(1)
    torch.testing.assert_close(mass(pair), mass(many.momenta[:, 2:].sum(1)))
    number = (radiation[..., 0] > 0).sum(1).double()
    assert number.mean().item() == pytest.approx(2.0, abs=0.1)
    assert number.var().item() == pytest.approx(2.0, abs=0.25)
    torch.testing.assert_close(recoiled.momenta[:, :2], many.momenta[:, :2])


def test_resolutions_and_efficiencies():
    many = event((5, 100.0, 0.0, 0.0), (2, 100.0, 0.0, 3.0), (11, 50.0, 0.5, 1.5), events=20_000)
    seen = see(many, Detector(radiation=0.0))
    energy = seen.jets[:, 2, 0]
    assert energy.std().item() / 100 == pytest.approx((0.64 / 100 + 0.0025) ** 0.5, rel=0.03)
    assert energy.mean().item() == pytest.approx(100.0, rel=0.005)
    tagged = seen.jet_btag > B_TAG_THRESHOLD
    assert tagged[:, 2].double().mean().item() == pytest.approx(0.77, abs=0.01)
    assert tagged[:, 3].double().mean().item() == pytest.approx(0.02, abs=0.004)
    assert (seen.leptons[:, 4, 0] > 0).double().mean().item() == pytest.approx(0.9, abs=0.01)
    assert seen.jet_btag.min() >= 0
    assert seen.jet_btag.max() <= 1


def test_what_is_mismeasured_is_missing():
    many = event((5, 100.0, 0.0, 0.0), (2, 100.0, 0.0, 3.0), events=100)
    seen = see(many, replace(Detector(), radiation=0.0, missing_noise=0.0))
    unseen = many.momenta[:, 2:].sum(1)[:, 1:3]  # these two do not balance
    torch.testing.assert_close(seen.jets.sum(1)[:, 1:3] + seen.missing_momentum, unseen)


def test_an_event_does_not_depend_on_its_batch():
    many = event((5, 100.0, 0.0, 0.0), (2, 100.0, 0.0, 3.0), (11, 50.0, 0.5, 1.5), events=50)
    whole, late = see(many, Detector(), seed=7), see(many[20:], Detector(), seed=7, first=20)
    assert torch.equal(whole.jets[20:], late.jets)
    assert torch.equal(whole.missing_momentum[20:], late.missing_momentum)
    assert not torch.equal(whole.jets, see(many, Detector(), seed=8).jets)


def test_no_events():
    assert len(see(FOUR[:0], Detector())) == 0


def test_negative_parameters_are_refused():
    with pytest.raises(ConfigError, match="negative"):
        Detector(radiation=-1.0)
