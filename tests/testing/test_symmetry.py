import pytest
import torch

from hepreco.events import InputSpec, ObjectSpec
from hepreco.kinematics import mass, phi, pt
from hepreco.testing import assert_invariant, boost_along_beam, rotation_about_beam, toy_batch

MOMENTA = toy_batch(InputSpec((ObjectSpec("Jet", at_least=3, at_most=3),))).momenta
TRANSFORMATIONS = [boost_along_beam(1.3), rotation_about_beam(2.1)]
CLOSE = {"rtol": 1e-9, "atol": 1e-9}


def rapidity(momenta):
    return torch.atanh(momenta[..., 3] / momenta[..., 0])


@pytest.mark.parametrize("transformation", TRANSFORMATIONS)
@pytest.mark.parametrize("function", [pt, mass, lambda momenta: mass(momenta.sum(dim=1))])
def test_invariants_pass(function, transformation):
    assert_invariant(function, MOMENTA, transformation, atol=1e-6)


@pytest.mark.parametrize(("function", "transformation"), list(zip([rapidity, phi], TRANSFORMATIONS, strict=True)))
def test_others_fail(function, transformation):
    with pytest.raises(AssertionError, match="not close"):
        assert_invariant(function, MOMENTA, transformation)


def test_boost_adds_rapidity():
    torch.testing.assert_close(rapidity(boost_along_beam(0.4)(MOMENTA)), rapidity(MOMENTA) + 0.4, **CLOSE)


def test_rotation_adds_azimuth():
    turned = phi(rotation_about_beam(0.4)(MOMENTA)) - phi(MOMENTA)
    torch.testing.assert_close(torch.remainder(turned, 2 * torch.pi), torch.full_like(turned, 0.4), **CLOSE)


@pytest.mark.parametrize("transform", [boost_along_beam, rotation_about_beam])
def test_inverse(transform):
    torch.testing.assert_close(transform(-0.8)(transform(0.8)(MOMENTA)), MOMENTA, **CLOSE)
