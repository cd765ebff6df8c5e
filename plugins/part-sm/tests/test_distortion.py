import math

import pytest
import torch

from hepreco.errors import ConfigError
from hepreco.kinematics import eta, mass, phi, pt
from hepreco_part_sm import Kind, Particles
from hepreco_part_sm.distortion import Distortion

from .conftest import toy_particles

#: Double precision through sinh and back.
CLOSE = 1e-9


def distorted(particles: Particles, *, seed: int = 1, **options: float) -> Particles:
    return Distortion(**options).distorted(particles, torch.Generator().manual_seed(seed))


def test_copies_are_events_as_the_models_expect_them():
    particles = toy_particles(events=500, seed=1)
    copies = distorted(particles)
    assert torch.equal(copies.mask, particles.mask)
    transverse = pt(copies.momenta)
    assert (transverse.diff(dim=1) <= 0).all()
    assert (copies.momenta[~copies.mask] == 0).all()
    assert copies.momenta.isfinite().all()
    assert (mass(copies.momenta[copies.mask]) > 0).all()


@pytest.mark.parametrize("spread", [0.1, 3.0])
def test_copies_stay_where_objects_are_found(spread):
    """At 3 most objects have been reflected, many of them more than once in η."""
    particles = toy_particles(events=500, seed=1)
    copies = distorted(particles, pt_spread=spread, angle_spread=spread)
    for kind in Kind:
        own, other = (some.momenta[some.kinds == kind] for some in (particles, copies))
        assert (
            len(own) == len(other) == 0
            or kind == Kind.NOTHING
            or (
                pt(other).min() >= pt(own).min() * (1 - CLOSE)
                and eta(other).abs().max() <= eta(own).abs().max() * (1 + CLOSE)
            )
        )


def test_spreads_are_those_that_are_asked_for():
    """One object of 10⁶ GeV among soft ones in every event is far from the edge, and stays the first."""
    particles = toy_particles(events=4000, seed=1)
    particles.momenta[:, 0] *= 1e6 / pt(particles.momenta[:, 0])[:, None]
    copies = distorted(particles, pt_spread=0.2, angle_spread=0.01, swap=0.0)
    assert torch.equal(copies.kinds[:, 0], particles.kinds[:, 0])
    one, other = particles.momenta[:, 0], copies.momenta[:, 0]
    factor = torch.log(pt(other) / pt(one))
    assert factor.std() == pytest.approx(0.2, rel=0.05)
    torch.testing.assert_close(mass(other) / pt(other), mass(one) / pt(one), rtol=1e-4, atol=0)
    turn = torch.remainder(phi(other) - phi(one) + math.pi, 2 * math.pi) - math.pi
    assert turn.std() == pytest.approx(0.01, rel=0.05)
    missing = copies.missing_momentum.norm(dim=1) / particles.missing_momentum.norm(dim=1)
    assert missing.log().std() == pytest.approx(0.2, rel=0.05)


def test_kinds_change_as_often_as_they_are_asked_to():
    particles = toy_particles(events=2000, seed=1)
    options = {"pt_spread": 0.0, "angle_spread": 0.0}
    same, changed = (distorted(particles, swap=swap, **(options | {"angle_spread": 0.01})) for swap in (0.0, 1.0))
    assert torch.equal(same.kinds, particles.kinds)
    one, other = (torch.bincount(some.kinds[some.mask], minlength=len(Kind)) for some in (particles, changed))
    assert torch.equal(one == 0, other == 0)
    torch.testing.assert_close(other / other.sum(), one / one.sum(), rtol=0, atol=0.02)
    some = distorted(particles, swap=0.3, **options)
    share = one / one.sum()
    expected = 0.3 * (1 - float(share.square().sum()))
    assert (some.kinds != particles.kinds)[particles.mask].double().mean() == pytest.approx(expected, abs=0.02)


def test_one_seed_gives_the_same_copies():
    particles = toy_particles(events=20, seed=1)
    one, again, other = (distorted(particles, seed=seed) for seed in (1, 1, 2))
    assert all(torch.equal(a, b) for a, b in zip(one, again, strict=True))
    assert not torch.equal(one.momenta, other.momenta)


def test_events_without_objects_stay_empty():
    nothing = Particles(torch.zeros(3, 2, 4), torch.zeros(3, 2, dtype=torch.int64), torch.ones(3, 2))
    copies = distorted(nothing)
    assert not copies.mask.any()
    assert (copies.momenta == 0).all()
    assert distorted(Particles(*(tensor[:0] for tensor in nothing))).momenta.shape == (0, 2, 4)


@pytest.mark.parametrize(
    "options",
    [
        {"pt_spread": -0.1},
        {"angle_spread": math.nan},
        {"swap": 1.1},
        {"pt_spread": 0.0, "angle_spread": 0.0, "swap": 0.0},
    ],
)
def test_distortions_that_are_none(options):
    with pytest.raises(ConfigError, match="no copies of events"):
        Distortion(**options)
