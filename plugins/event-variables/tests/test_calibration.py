import numpy as np
import pytest
import torch
from torch import Tensor

from hepreco.generation import sample_topology
from hepreco.kinematics import mass
from hepreco_event_variables import calibration
from hepreco_event_variables.calibration import calibrate, mode
from hepreco_event_variables.network import KNOTS, EventVariable

#: Relative distance of masses, of which V is the logarithm, and of quantiles of a few thousand masses.
CLOSE = 0.05


class Known(EventVariable):
    """V falls with a known feature: the mass of what is visible, which is the scale, or digits that mean nothing."""

    def __init__(self, *, feature: int) -> None:
        super().__init__(topology="visible-pair")
        self.feature, self.sign = feature, -1.0

    def features(self, visible: Tensor, missing_momentum: Tensor) -> Tensor:
        del missing_momentum
        return torch.stack((mass(visible.sum(dim=1)).log(), visible[:, 0, 1] % 1), dim=-1)[:, None]

    def forward(self, features: Tensor) -> Tensor:
        return self.sign * features[:, 0, [self.feature]]

    def flip(self) -> None:
        self.sign *= -1


@pytest.fixture
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(calibration, "EVENTS", 100)


@pytest.mark.usefixtures("few")
def test_a_v_that_follows_the_scale_becomes_the_scale() -> None:
    network = Known(feature=0)
    spread = calibrate(network, seed=1)
    sample = sample_topology("visible-pair", events=500, seed=2)
    found = network.in_gev(network(network.features(sample.visible, sample.missing_momentum)).float())
    assert spread < CLOSE
    assert ((found / sample.topology.scale(sample.parameters) - 1).abs() < CLOSE).double().mean() > 0.95


@pytest.mark.usefixtures("few")
def test_a_v_that_does_not_follow_the_scale_is_distributed_like_it() -> None:
    network = Known(feature=1)
    assert calibrate(network, seed=1) > calibration.LARGEST_SPREAD
    sample = sample_topology("visible-pair", events=5000, seed=2)
    found = network.in_gev(network(network.features(sample.visible, sample.missing_momentum)).float()).numpy()
    shares, scale = (0.1, 0.5, 0.9), sample.topology.scale(sample.parameters).numpy()
    assert np.quantile(found, shares) == pytest.approx(np.quantile(scale, shares), rel=CLOSE)


def test_beyond_its_ends_the_calibration_goes_on_with_its_mean_slope() -> None:
    network = EventVariable(topology="visible-pair")
    at = torch.linspace(0, 1, KNOTS)
    network.knots.copy_(torch.stack((at, 100 + 50 * at**2)))
    assert network.in_gev(torch.tensor([[-1.0], [0.0], [1.0], [3.0]])).tolist() == pytest.approx([50, 100, 150, 250])


def test_a_few_values_far_away_do_not_move_the_mode() -> None:
    values = np.concatenate((np.random.default_rng(1).exponential(size=2000), np.full(8, 1e4)))
    assert mode(values) < 0.3
