from itertools import permutations

import pytest
import torch

from hepreco.events import EventBatch
from hepreco.training import initialised
from hepreco_me_assigner import Hypothesis
from hepreco_me_assigner.deep_q_learning import Replay, Schedule, learn, rollout
from hepreco_me_assigner.environment import SwapEnvironment
from hepreco_me_assigner.q_network import QNetwork
from hepreco_me_assigner.search import evaluate


@pytest.fixture(scope="module")
def environment(ttbar: EventBatch) -> SwapEnvironment:
    return SwapEnvironment(Hypothesis("ttbar"), ttbar.momenta[:40])


@pytest.mark.parametrize(("particles", "parameters"), [(8, 813_328), (10, 815_261), (14, 820_675)])
def test_the_network_is_that_of_the_paper(particles: int, parameters: int) -> None:
    assert sum(parameter.numel() for parameter in QNetwork(particles=particles).parameters()) == parameters


def test_rewards_add_up_to_the_gain(environment: SwapEnvironment) -> None:
    generator = torch.Generator().manual_seed(1)
    state = start = environment.reset(torch.arange(40))
    total = torch.zeros(40, dtype=torch.float64)
    assert environment.steps == 5
    assert len(environment.actions) == 16
    for _ in range(environment.steps):
        action = torch.multinomial((~state.used).double(), 1, generator=generator)[:, 0]
        state, reward = environment.step(state, action)
        total += reward
    torch.testing.assert_close(total, state.log_me2 - start.log_me2)
    direct = evaluate(environment.hypothesis, environment.momenta, state.order[:, None])[:, 0]
    torch.testing.assert_close(state.log_me2, direct)
    assert (environment.momenta[:, 1:, 0] <= environment.momenta[:, :-1, 0]).all()


def test_an_exchange_is_made_once_and_nothing_always(environment: SwapEnvironment) -> None:
    state = environment.reset(torch.arange(40))
    state, _ = environment.step(state, torch.full((40,), 3))
    assert state.used[:, 3].all()
    assert state.used.sum() == 40
    idle, reward = environment.step(state, torch.full((40,), 15))
    assert not idle.used[:, 15].any()
    assert (reward == 0).all()
    assert (idle.order == state.order).all()


def test_the_table_knows_every_order(environment: SwapEnvironment) -> None:
    orders = torch.tensor(list(permutations(range(6))))
    events = torch.zeros(720, dtype=torch.int64)
    direct = evaluate(environment.hypothesis, environment.momenta[:1], orders[None])[0]
    torch.testing.assert_close(environment.log_me2(events, orders), direct)


def test_buffers_are_drawn_from_evenly() -> None:
    replay = Replay(8)
    rewards = torch.tensor([-20.0, -5.0, -5.0, 5.0, 5.0, 5.0] * 4)
    replay.add({"reward": rewards})
    assert replay.added == [4, 8, 12, 0]
    drawn = replay.draw(300, torch.Generator().manual_seed(1))["reward"]
    assert [int((drawn == value).sum()) for value in (-20.0, -5.0, 5.0)] == [100, 100, 100]


def test_learning_gains(ttbar: EventBatch) -> None:
    """From one event a small network learns to improve on the order of energy."""
    environment = SwapEnvironment(Hypothesis("ttbar"), ttbar.momenta[:4])
    network = initialised(lambda: QNetwork(particles=8, width=32, layers=1, heads=2, dropout=0.0), seed=3)
    start = environment.reset(torch.arange(4)).log_me2
    schedule = Schedule(rounds=60, parallel=16, updates=2, batch_size=64, learning_rate=3e-3, target_every=10)
    seen: list[float] = []
    learn(network, environment, schedule, seed=1, report=lambda _round, values: seen.append(values["loss"]))
    final = rollout(network, environment).log_me2
    assert (final - start).mean() > 10
    assert len(seen) == 60
