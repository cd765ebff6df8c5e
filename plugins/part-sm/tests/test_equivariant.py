"""What equivariant networks give is the same in every frame of reference."""

import sys

import pytest
import torch

from hepreco.errors import ConfigError
from hepreco.training import initialised
from hepreco_part_sm.equivariant import REFERENCES, EventItems, Items
from hepreco_part_sm.models import build_member

from .conftest import toy_particles

EQUIVARIANT = ("lgatr", "lloca")
#: Double precision, after boosts.
CLOSE = 1e-6


def untrained(name):
    """A network that has seen events, in double precision."""
    network = initialised(lambda: build_member(name, size="small", outputs=3), seed=1).double().eval()
    network(toy_particles(events=20, seed=9))
    return network


def lorentz_transformation(beta, angle):
    """A boost along x after a rotation about it."""
    gamma = (1 - beta**2) ** -0.5
    boost, rotation = torch.eye(4, dtype=torch.float64), torch.eye(4, dtype=torch.float64)
    boost[:2, :2] = torch.tensor([[gamma, gamma * beta], [gamma * beta, gamma]])
    sine, cosine = torch.tensor(angle).sin(), torch.tensor(angle).cos()
    rotation[2:, 2:] = torch.tensor([[cosine, -sine], [sine, cosine]])
    return boost @ rotation


class InAnotherFrame(EventItems):
    """The same items after a Lorentz transformation, of references and all."""

    def __init__(self, transformation):
        super().__init__()
        self.transformation = transformation

    def forward(self, particles):
        momenta, scalars, mask = super().forward(particles)
        return Items(momenta @ self.transformation.T, scalars, mask)


@pytest.mark.parametrize("name", EQUIVARIANT)
@pytest.mark.parametrize(("beta", "angle"), [(0.0, 1.0), (0.6, 0.0), (-0.8, 2.0)])
def test_the_frame_of_reference_changes_nothing(name, beta, angle):
    network, particles = untrained(name), toy_particles(events=10, seed=4)
    found = network(particles)
    network.items = InAnotherFrame(lorentz_transformation(beta, angle))
    torch.testing.assert_close(network(particles), found, rtol=CLOSE, atol=CLOSE)


@pytest.mark.parametrize("name", EQUIVARIANT)
def test_the_detector_breaks_the_symmetry(name):
    network, particles = untrained(name), toy_particles(events=10, seed=4)
    turned = particles._replace(momenta=particles.momenta @ lorentz_transformation(0.0, 1.0).T)
    assert (network(turned) - network(particles)).abs().max() > 1e-3


def test_items_are_references_missing_momentum_and_objects(particles):
    momenta, scalars, mask = EventItems()(particles)
    torch.testing.assert_close(momenta[0, :3], torch.tensor(REFERENCES, dtype=torch.float64))
    torch.testing.assert_close(momenta[:, 3, 1:3] * 100, particles.missing_momentum)
    torch.testing.assert_close(momenta[:, 4:] * 100, particles.momenta)
    assert (scalars.sum(dim=2) == mask).all()
    kind = scalars[:, 4:].argmax(dim=2) - 3
    assert (kind[particles.mask] == particles.kinds[particles.mask]).all()


@pytest.mark.parametrize("name", EQUIVARIANT)
def test_a_package_that_is_missing_is_named(name, monkeypatch):
    for module in ("lgatr", "lloca.framesnet.equi_frames"):
        monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(ConfigError, match=f"{name} is not installed"):
        build_member(name, size="small", outputs=2)
