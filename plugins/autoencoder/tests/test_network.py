import pytest
import torch
from torch import nn

from hepreco.training import initialised
from hepreco_autoencoder import Autoencoder, reconstruction_error


@pytest.fixture
def network() -> Autoencoder:
    return initialised(lambda: Autoencoder(objects=6, hidden=(64, 64), latent=6, scale=100.0), seed=1)


def test_layers_are_those_of_the_paper(network: Autoencoder) -> None:
    """arXiv:2507.13447, section 5."""

    def sizes(layers: nn.Sequential) -> list[tuple[int, int]]:
        return [(layer.in_features, layer.out_features) for layer in layers if isinstance(layer, nn.Linear)]

    assert sizes(network.encoder) == [(24, 64), (64, 64), (64, 6)]
    assert sizes(network.decoder) == [(6, 64), (64, 64), (64, 24)]
    for layers in (network.encoder, network.decoder):
        assert [type(layer) for layer in layers] == [nn.Linear, nn.ReLU, nn.Linear, nn.ReLU, nn.Linear]


def test_hidden_layers_are_free() -> None:
    network = Autoencoder(objects=3, hidden=(10,), latent=2, scale=1.0)
    assert [tuple(p.shape) for p in network.parameters() if p.ndim == 2] == [(10, 12), (2, 10), (10, 2), (12, 10)]
    assert Autoencoder(objects=1, hidden=(), latent=2, scale=1.0)(torch.ones(5, 1, 4)).shape == (5, 1, 4)


def test_error_is_zero_for_the_identity() -> None:
    """One linear layer each way, as wide as the input, can do nothing at all."""
    network = Autoencoder(objects=2, hidden=(), latent=8, scale=50.0).double()
    for layer in (network.encoder[0], network.decoder[0]):
        nn.init.eye_(layer.weight)
        nn.init.zeros_(layer.bias)
    momenta = torch.randn(7, 2, 4, dtype=torch.float64)
    assert reconstruction_error(network, momenta).max() < 1e-30


def test_error_has_no_unit() -> None:
    """The network sees momenta over its scale: both in other units give the same error."""
    momenta = torch.rand(5, 6, 4, dtype=torch.float64)
    errors = []
    for unit in (1.0, 1000.0):
        network = initialised(lambda: Autoencoder(objects=6, hidden=(8,), latent=3, scale=100 * unit), seed=1)  # noqa: B023
        errors.append(reconstruction_error(network.double(), unit * momenta))
    torch.testing.assert_close(*errors)
    # Which is no constant: it is the mean square of 24 differences, over the scale, and other momenta have another one.
    expected = ((network(1000 * momenta) - 1000 * momenta) / 100_000).flatten(1).square().sum(dim=1) / 24
    torch.testing.assert_close(errors[1], expected)
    assert len(errors[0].unique()) == 5
    assert (reconstruction_error(network, 500 * momenta) - errors[1]).abs().min() > 1e-9


def test_gradient(network: Autoencoder) -> None:
    momenta = 100 * torch.rand(3, 6, 4, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda p: reconstruction_error(network.double(), p), momenta)


def test_training_and_evaluation_modes_agree(network: Autoencoder) -> None:
    momenta = 100 * torch.rand(3, 6, 4)
    assert torch.equal(network.train()(momenta), network.eval()(momenta))
