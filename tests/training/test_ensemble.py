import pytest
import torch
from torch import Tensor, nn

from hepreco.plugin import TrainingOptions
from hepreco.training import Ensemble, fit, initialised, loss_of_all

#: Single precision, after some dozens of steps in another order of operations.
CLOSE = 1e-4
OPTIONS = TrainingOptions(epochs=4, batch_size=25, learning_rate=1e-2, patience=4)


class WithBuffer(nn.Module):
    """A network that divides by something that is not trained."""

    def __init__(self, scale: float = 1.0) -> None:
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(2, 8), nn.Tanh(), nn.Linear(8, 1))
        self.register_buffer("scale", torch.tensor(scale))

    def forward(self, x: Tensor) -> Tensor:
        return self.layers(x / self.scale)


def squared(network: nn.Module, x: Tensor, y: Tensor) -> Tensor:
    return (network(x) - y).square().mean()


def members() -> list[WithBuffer]:
    return [initialised(lambda scale=scale: WithBuffer(scale), seed=seed) for seed, scale in ((1, 1.0), (2, 2.0))]


@pytest.fixture
def samples() -> list[tuple[Tensor, Tensor]]:
    x = torch.randn(2, 120, 2, generator=torch.Generator().manual_seed(3))
    return [(x[0], x[0].sum(dim=1, keepdim=True)), (x[1], x[1].diff(dim=1))]


def test_members_become_what_they_become_alone(samples):
    alone = members()
    for network, (x, y) in zip(alone, samples, strict=True):
        fit(network, squared, training=(x[:100], y[:100]), validation=(x[100:], y[100:]), options=OPTIONS)
    x, y = (torch.stack(part, dim=1) for part in zip(*samples, strict=True))
    ensemble = Ensemble(members(), squared)
    result = fit(ensemble, loss_of_all, training=(x[:100], y[:100]), validation=(x[100:], y[100:]), options=OPTIONS)
    assert result.best_epoch == OPTIONS.epochs  # so the choice of the best epoch makes no difference here
    for network, state in zip(alone, ensemble.states(), strict=True):
        assert state.keys() == network.state_dict().keys()
        for name, tensor in network.state_dict().items():
            torch.testing.assert_close(state[name], tensor, rtol=CLOSE, atol=CLOSE)


def test_losses_are_those_of_the_members(samples):
    x, y = (torch.stack(part, dim=1) for part in zip(*samples, strict=True))
    losses = Ensemble(members(), squared)(x, y)
    expected = torch.stack([squared(network, *sample) for network, sample in zip(members(), samples, strict=True)])
    torch.testing.assert_close(losses, expected)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_recorded_steps_are_those_of_the_cpu(samples):
    found = {}
    for device in ("cpu", "cuda"):
        network = members()[0]
        x, y = samples[0]
        options = TrainingOptions(**{**vars(OPTIONS), "device": device, "batch_size": 33})
        fit(network, squared, training=(x[:100], y[:100]), validation=(x[100:], y[100:]), options=options)
        found[device] = {name: tensor.cpu() for name, tensor in network.state_dict().items()}
    for name, tensor in found["cpu"].items():
        torch.testing.assert_close(found["cuda"][name], tensor, rtol=1e-3, atol=1e-3)
