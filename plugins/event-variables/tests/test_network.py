import math

import pytest
import torch

from hepreco.generation import TOPOLOGIES, find_topology, sample_topology
from hepreco.testing import assert_invariant, rotation_about_beam
from hepreco.training import initialised
from hepreco_event_variables.features import arrangements, momentum_components, symmetric_features
from hepreco_event_variables.network import (
    LARGEST_LOGIT,
    EventVariable,
    RatioEstimator,
    loss_of_labelled,
    loss_of_pairs,
)
from hepreco_event_variables.sampling import labelled

#: Double precision of logarithms of squared masses, near zero.
CLOSE = 1e-6


def network_of(name: str, **options: object) -> EventVariable:
    return initialised(lambda: EventVariable(topology=name, **options), seed=1).double().eval()


def test_layers_of_the_paper():
    """128-64-64-64-32 and 16-16-16 (arXiv:2105.10126): counted by hand for 10 inputs, and V with 2 masses."""
    network = EventVariable(topology="pair-semi-visible", recipe="paper")
    variable = 10 * 128 + 128 + 128 * 64 + 64 + 2 * (64 * 64 + 64) + 64 * 32 + 32 + 32 + 1
    classifier = 3 * 16 + 16 + 2 * (16 * 16 + 16) + 16 + 1
    assert sum(p.numel() for p in network.parameters()) == variable + classifier
    assert isinstance(network.classifier, RatioEstimator)
    assert network(torch.zeros(1, 1, 10)).item() == 0.0  # biases begin at zero


def test_components_are_those_of_the_paper():
    sample = sample_topology("pair-semi-visible", events=3, seed=1)
    found = momentum_components(sample.visible, sample.missing_momentum, topology=sample.topology)
    torch.testing.assert_close(found[:, 0], sample.inputs / 100)


@pytest.mark.parametrize("name", TOPOLOGIES)
def test_symmetries_of_the_features(name):
    sample = sample_topology(name, events=200, seed=1)
    network = network_of(name)
    network.standardise(network.features(sample.visible, sample.missing_momentum))
    missing = torch.cat((torch.zeros(200, 1), sample.missing_momentum, torch.zeros(200, 1)), dim=1)
    together = torch.cat((sample.visible, missing[:, None].double()), dim=1)

    def variable(momenta: torch.Tensor) -> torch.Tensor:
        return network(network.features(momenta[:, :-1], momenta[:, -1, 1:3]))

    with torch.no_grad():
        assert_invariant(variable, together, rotation_about_beam(1.3), rtol=CLOSE, atol=CLOSE)
        reflection = torch.tensor([1.0, 1.0, -1.0, -1.0], dtype=torch.float64)
        assert_invariant(variable, together, lambda momenta: momenta * reflection, rtol=CLOSE, atol=CLOSE)
        for order in arrangements(find_topology(name)):
            assert_invariant(
                variable, together, lambda p, o=order: torch.cat((p[:, o], p[:, -1:]), dim=1), rtol=CLOSE, atol=CLOSE
            )


@pytest.mark.parametrize("name", TOPOLOGIES)
def test_features_are_finite_for_particles_at_rest_in_a_corner(name):
    topology = find_topology(name)
    visible = torch.tensor([30.0, 0.0, 30.0, 0.0], dtype=torch.float64).expand(1, len(topology.visible), 4)
    found = symmetric_features(visible, torch.zeros(1, 2, dtype=torch.float64), topology=topology)
    assert found.isfinite().all()


def test_a_pair_and_the_sum_of_two_particles_have_one_mass():
    visible = torch.tensor([[[50.0, 30.0, 0.0, 40.0], [50.0, -30.0, 0.0, -40.0]]], dtype=torch.float64)
    found = symmetric_features(visible, torch.zeros(1, 2, dtype=torch.float64), topology=find_topology("visible-pair"))
    for arrangement in found[0].tolist():
        assert sum(feature == pytest.approx(math.log(100.0**2)) for feature in arrangement) == 2


def test_a_feature_that_never_varies_is_ignored():
    """In semi-visible decays the missing momentum always points away from b, which has no mass."""
    sample = sample_topology("semi-visible", events=1000, seed=1)
    network = network_of("semi-visible")
    network.standardise(network.features(sample.visible, sample.missing_momentum))
    assert network.deviation.isinf().sum() == 2
    assert network(network.features(sample.visible, -sample.missing_momentum)).isfinite().all()


def test_losses_know_nothing_at_zero_logits():
    network = network_of("visible-pair")
    for parameter in network.classifier.parameters():
        torch.nn.init.zeros_(parameter)
    sample = sample_topology("visible-pair", events=50, seed=1)
    inputs = network.features(sample.visible, sample.missing_momentum)
    assert loss_of_pairs(network, inputs, sample.parameters).item() == pytest.approx(math.log(2))
    assert loss_of_labelled(network, *labelled(inputs, sample.parameters)).item() == pytest.approx(math.log(2))


def test_logits_are_bounded():
    network = network_of("visible-pair")
    with torch.no_grad():
        network.classifier.layers[-1].bias.fill_(1e9)
    assert network.classifier(torch.ones(1, 1).double(), torch.ones(1, 1).double()).item() == LARGEST_LOGIT


def test_labelled_pairs_keep_every_theta_of_their_class():
    theta = torch.arange(10.0)[:, None]
    inputs, paired, label = labelled(theta.clone(), theta)
    assert torch.equal(inputs, theta)
    assert torch.equal(paired[label == 1], theta[1::2])
    assert torch.equal(paired[label == 0].sort(dim=0).values, theta[0::2])
    assert (paired[label == 0] != theta[0::2]).all()


def test_flipping_changes_the_sign_of_v_alone():
    network, sample = network_of("pair-semi-visible"), sample_topology("pair-semi-visible", events=20, seed=1)
    inputs = network.features(sample.visible, sample.missing_momentum)
    before = network(inputs), loss_of_pairs(network, inputs, sample.parameters)
    network.flip()
    torch.testing.assert_close(network(inputs), -before[0])
    torch.testing.assert_close(loss_of_pairs(network, inputs, sample.parameters), before[1])
