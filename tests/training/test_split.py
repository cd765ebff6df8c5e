import numpy as np
import pytest
import torch
from torch import Tensor

from hepreco.errors import ConfigError
from hepreco.events import EventBatch
from hepreco.training import split
from hepreco.training.split import for_validation


def numbered(events: int) -> Tensor:
    number = torch.arange(events)
    return torch.stack((torch.ones_like(number), number // 1000, number), dim=1)


def batch(event_id: Tensor) -> EventBatch:
    events = len(event_id)
    return EventBatch(
        momenta=torch.zeros(events, 1, 4, dtype=torch.float64),
        mask=torch.ones(events, 1, dtype=torch.bool),
        species=torch.zeros(events, 1, dtype=torch.int64),
        index=torch.zeros(events, 1, dtype=torch.int64),
        features={},
        missing_momentum=torch.zeros(events, 2, dtype=torch.float64),
        event_id=event_id,
        weight=torch.ones(events, dtype=torch.float64),
        collections=("Jet",),
    )


def slow(event: list[int], *, seed: int) -> float:
    """The hash in Python's own integers."""

    def mixed(key: int) -> int:
        key = (key + 0x9E3779B97F4A7C15) % 2**64
        key = (key ^ key >> 30) * 0xBF58476D1CE4E5B9 % 2**64
        key = (key ^ key >> 27) * 0x94D049BB133111EB % 2**64
        return key ^ key >> 31

    key = seed % 2**64
    for number in event:
        key = mixed(key) ^ number % 2**64
    return (mixed(key) >> 11) / 2**53


def test_the_two_sides_are_all_events_once() -> None:
    training, validation = split(batch(numbered(500)), fraction=0.2, seed=1)
    both = torch.cat((training.event_id, validation.event_id))
    assert torch.equal(both[both[:, 2].argsort()], numbered(500))


def test_agrees_with_the_slow_formula() -> None:
    event_id = torch.tensor([[1, 2, 3], [-1, 0, 2**62], [362104, 2**31, -(2**63)], [0, 0, 0]])
    for seed in (0, 1, -5):
        uniform = [slow(event, seed=seed) for event in event_id.tolist()]
        for fraction in np.linspace(0.05, 0.95, 10):
            expected = torch.tensor([value < fraction for value in uniform])
            assert torch.equal(for_validation(event_id, fraction=fraction, seed=seed), expected)


@pytest.mark.parametrize("fraction", [0.1, 0.5])
def test_the_fraction_is_met_within_five_standard_deviations(fraction: float) -> None:
    events = 100_000
    chosen = for_validation(numbered(events), fraction=fraction, seed=1).sum().item()
    assert abs(chosen - fraction * events) < 5 * (events * fraction * (1 - fraction)) ** 0.5


def test_an_event_keeps_its_side_in_any_company() -> None:
    event_id = numbered(1000)
    order = torch.randperm(1000, generator=torch.Generator().manual_seed(1))[:300]
    everywhere = for_validation(event_id, fraction=0.3, seed=1)
    assert torch.equal(for_validation(event_id[order], fraction=0.3, seed=1), everywhere[order])


def test_seeds_are_independent() -> None:
    events = 100_000
    first, second = (for_validation(numbered(events), fraction=0.5, seed=seed) for seed in (1, 2))
    assert abs((first & second).sum().item() - events / 4) < 5 * (events * 3 / 16) ** 0.5


@pytest.mark.parametrize("fraction", [0.0, 1.0, -0.1, float("nan")])
def test_fraction_out_of_range(fraction: float) -> None:
    with pytest.raises(ConfigError, match="validation_fraction"):
        split(batch(numbered(5)), fraction=fraction, seed=1)


def test_no_events() -> None:
    training, validation = split(batch(numbered(0)), fraction=0.5, seed=1)
    assert len(training) == len(validation) == 0
