from collections.abc import Callable
from dataclasses import replace
from itertools import permutations
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

import hepreco.testing
from hepreco.errors import ConfigError, WeightsError
from hepreco.events import EventBatch
from hepreco.plugin import TrainedNetwork, TrainingOptions
from hepreco.training import initialised
from hepreco.weights import Card, save_weights
from hepreco_me_assigner import Hypothesis, MatrixElementAssigner
from hepreco_me_assigner.problems import Problem
from hepreco_me_assigner.training.deep_q_learning import Replay, Schedule, Transitions, learn, rollout
from hepreco_me_assigner.training.environment import SwapEnvironment
from hepreco_me_assigner.training.q_network import QNetwork


@pytest.fixture(scope="module")
def environment(ttbar: EventBatch) -> SwapEnvironment:
    return SwapEnvironment(Hypothesis("ttbar"), ttbar.momenta[:40])


@pytest.mark.parametrize(
    ("process", "parameters"), [("ttbar", 813_328), ("wwuu", 813_328), ("ttw", 815_261), ("tttt", 820_675)]
)
def test_the_network_is_that_of_the_paper(process: str, parameters: int) -> None:
    assert sum(parameter.numel() for parameter in QNetwork(process=process).parameters()) == parameters


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
    final = Problem(environment.hypothesis, environment.momenta).value(state.order[:, None])[:, 0]
    torch.testing.assert_close(total, final - environment.log_me2(start))
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


def test_the_table_knows_every_order(environment: SwapEnvironment, monkeypatch: pytest.MonkeyPatch) -> None:
    orders = torch.tensor(list(permutations(range(6))))
    events = torch.zeros(720, dtype=torch.int64)
    state = environment.reset(events, order=orders)
    direct = Problem(environment.hypothesis, environment.momenta[:1]).value(orders[None])[0]
    torch.testing.assert_close(environment.log_me2(state), direct)
    monkeypatch.setattr("hepreco_me_assigner.training.environment.MOST_TABULATED", 0)
    torch.testing.assert_close(environment.log_me2(state), direct)


def steps(rewards: Tensor) -> Transitions:
    nothing = torch.zeros(len(rewards), 2, dtype=torch.int64)
    return Transitions(
        nothing[:, 0], nothing, nothing[:, 0], rewards.double(), nothing, nothing == 1, nothing[:, 0] == 1
    )


def test_buffers_are_drawn_from_evenly() -> None:
    replay = Replay(8, legs=2, actions=2)
    replay.add(steps(torch.tensor([-20.0, -5.0, -5.0, 5.0, 5.0, 5.0] * 4)))
    assert replay.added.tolist() == [4, 8, 12, 0]
    drawn = replay.draw(300, torch.Generator().manual_seed(1)).reward
    assert [int((drawn == value).sum()) for value in (-20.0, -5.0, 5.0)] == [100, 100, 100]


def test_buffers_forget_the_oldest() -> None:
    replay = Replay(4, legs=2, actions=2)
    replay.add(steps(torch.arange(1.0, 4.0)))
    replay.add(steps(torch.arange(4.0, 7.0)))
    drawn = replay.draw(200, torch.Generator().manual_seed(1)).reward
    assert drawn.unique().tolist() == [3.0, 4.0, 5.0, 6.0]


def small() -> QNetwork:
    return QNetwork(process="ttbar", width=32, layers=1, heads=2, dropout=0.0)


def test_learning_gains(ttbar: EventBatch) -> None:
    """From a few events a small network learns to improve on the order of energy."""
    environment = SwapEnvironment(Hypothesis("ttbar"), ttbar.momenta[:4])
    options = TrainingOptions(epochs=30, batch_size=64, learning_rate=3e-3, patience=30)
    schedule = Schedule(updates=5, target_every=5, buffer=500)
    network = initialised(small, seed=3)
    result = learn(network, training=environment, validation=environment, schedule=schedule, options=options)
    start = environment.log_me2(environment.reset(torch.arange(4)))
    gain = (environment.log_me2(rollout(network, environment)) - start).mean()
    assert gain > 10
    assert float(gain) == pytest.approx(-result.best_loss)


def test_episodes_need_no_matrix_element(environment: SwapEnvironment, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(SwapEnvironment, "log_me2", None)
    final = rollout(initialised(small, seed=1), environment)
    assert (final.order.sort(dim=1).values == torch.arange(6)).all()
    assert (final.used.sum(dim=1) <= environment.steps).all()


@pytest.fixture(scope="module")
def learned(ttbar: EventBatch) -> Callable[..., TrainedNetwork]:
    def train(**options: Any) -> TrainedNetwork:
        plugin = MatrixElementAssigner(collection="LHEPart", at_most=6, recipe="paper")
        settings = TrainingOptions(batch_size=16, learning_rate=1e-4, **options)
        return plugin.train({"events": ttbar[:30]}, settings, report=lambda _epoch, _losses: None)

    return train


def test_an_interrupted_training_goes_on_as_if_nothing_had_happened(
    learned: Callable[..., TrainedNetwork], tmp_path: Path
) -> None:
    through = learned(epochs=3)
    learned(epochs=2, resume_from=tmp_path)
    resumed = learned(epochs=3, resume_from=tmp_path)
    assert resumed.history == through.history
    assert all(torch.equal(resumed.tensors[name], value) for name, value in through.tensors.items())
    with pytest.raises(WeightsError, match="seed"):
        learned(epochs=3, resume_from=tmp_path, seed=2)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_a_gpu_learns_and_goes_on(learned: Callable[..., TrainedNetwork], tmp_path: Path) -> None:
    learned(epochs=1, device="cuda", resume_from=tmp_path)
    resumed = learned(epochs=2, device="cuda", resume_from=tmp_path)
    assert len(resumed.history["training_loss"]) == 2
    assert all(value.isfinite().all() for value in resumed.tensors.values())


def test_what_was_learned_assigns(learned: Callable[..., TrainedNetwork], ttbar: EventBatch, tmp_path: Path) -> None:
    checkpoint = learned(epochs=1)
    manifest = Card(
        sha256="", network=dict(checkpoint.network), sample="", seed=1, command="", hepreco="",
        metrics=dict(checkpoint.metrics),
    )  # fmt: skip
    save_weights(tmp_path, checkpoint.tensors, manifest)
    plugin = MatrixElementAssigner(collection="LHEPart", solver="policy", weights_directory=str(tmp_path))
    plugin.setup("cpu")
    found = plugin.reconstruct(ttbar)
    assert (found["calls"] == 0).all()
    assert found["log_me2"].isnan().all()
    assert (found["leg_index"].sort(dim=1).values == ttbar.index.sort(dim=1).values).all()
    check_all_pass(replace(plugin, collection="Jet"))
    assert replace(plugin, solver="exact").reconstruct(ttbar[:50])["certified"].mean() > 0.9
    with pytest.raises(ConfigError, match="beam cannot use"):
        replace(plugin, solver="beam").setup("cpu")
    with pytest.raises(ConfigError, match="discount"):
        replace(plugin, discount=1.5)


def check_all_pass(plugin: MatrixElementAssigner) -> None:
    for result in hepreco.testing.check_all(plugin):
        assert result.passed, result.detail
