from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from hepreco.errors import ConfigError, DatasetError, HepRecoError
from hepreco.plugin import TrainingOptions
from hepreco.training import FitResult, fit, initialised, train_by_epochs

#: Of the parameters of an exact line after a few hundred steps of Adam.
LEARNT = 1e-2

OPTIONS = TrainingOptions(epochs=6, batch_size=64, learning_rate=0.02, seed=3)

Line = tuple[Tensor, Tensor]


def squared(network: nn.Module, x: Tensor, y: Tensor) -> Tensor:
    return (network(x) - y).square().mean()


def small(dropout: float = 0.0) -> nn.Module:
    def build() -> nn.Module:
        return nn.Sequential(nn.Linear(2, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Dropout(dropout), nn.Linear(8, 1))

    return initialised(build, seed=5)


def halves(sample: Line) -> dict[str, Line]:
    x, y = sample
    return {"training": (x[:300], y[:300]), "validation": (x[300:], y[300:])}


def same(first: Mapping[str, Tensor], second: Mapping[str, Tensor]) -> bool:
    return first.keys() == second.keys() and all(torch.equal(first[name], second[name]) for name in first)


def test_it_learns_a_line(line: Line) -> None:
    network = initialised(lambda: nn.Linear(2, 1), seed=1)
    result = fit(network, squared, **halves(line), options=replace(OPTIONS, epochs=150))
    torch.testing.assert_close(network.weight.detach(), torch.tensor([[2.0, -3.0]]), atol=LEARNT, rtol=0)
    torch.testing.assert_close(network.bias.detach(), torch.tensor([1.0]), atol=LEARNT, rtol=0)
    assert result.best_loss < result.validation_loss[0] / 1000


def test_every_epoch_is_reported_and_in_the_history(line: Line) -> None:
    reported: list[tuple[int, Mapping[str, float]]] = []
    result = fit(small(), squared, **halves(line), options=OPTIONS, report=lambda *args: reported.append(args))
    assert [epoch for epoch, _ in reported] == [1, 2, 3, 4, 5, 6]
    for name, losses in result.history.items():
        assert [entry[name] for _, entry in reported] == losses


def test_validation_loss_is_that_of_the_whole_sample(line: Line) -> None:
    network = small()
    sample = halves(line)
    result = fit(network, squared, **sample, options=replace(OPTIONS, batch_size=7, epochs=2))
    with torch.no_grad():
        expected = squared(network, *sample["validation"]).item()
    assert result.best_loss == pytest.approx(expected, rel=1e-5)


def test_training_loss_is_the_mean_over_events_whatever_the_minibatches(line: Line) -> None:
    """Of parameters that do not move: 400 events in 57 minibatches of 7 and one of 1."""
    network = small()
    options = replace(OPTIONS, batch_size=7, epochs=1, learning_rate=1e-30)
    plain = nn.Sequential(*(layer for layer in network if not isinstance(layer, nn.BatchNorm1d)))
    result = fit(plain, squared, training=line, validation=line, options=options)
    with torch.no_grad():
        expected = squared(plain, *line).item()
    assert result.history["training_loss"] == pytest.approx([expected], rel=1e-5)


def test_minibatches_hold_every_training_event_once_and_no_validation_event(line: Line) -> None:
    seen: list[Tensor] = []

    def spying(network: nn.Module, x: Tensor, y: Tensor, row: Tensor) -> Tensor:
        if torch.is_grad_enabled():
            assert network.training
            seen.append(row)
        else:
            assert not network.training
            assert row.min() >= 300
        return squared(network, x, y)

    rows = torch.arange(400)
    training, validation = (
        (*part, row) for part, row in zip(halves(line).values(), rows.split([300, 100]), strict=True)
    )
    fit(small(), spying, training=training, validation=validation, options=replace(OPTIONS, epochs=2))
    sizes = [len(row) for row in seen]
    assert max(sizes) <= 64
    assert max(sizes) - min(sizes) <= 1
    first, second = torch.cat(seen[: len(seen) // 2]), torch.cat(seen[len(seen) // 2 :])
    assert torch.equal(first.sort().values, rows[:300])
    assert torch.equal(second.sort().values, rows[:300])
    assert not torch.equal(first, second)


def test_early_stopping_restores_the_best_parameters(line: Line) -> None:
    """Validated on the opposite line, every step makes it worse once the first has been done."""
    x, y = line
    network = small()
    after: list[dict[str, Tensor]] = []

    def remember(_epoch: int, _losses: Mapping[str, float]) -> None:
        after.append({name: tensor.clone() for name, tensor in network.state_dict().items()})

    options = replace(OPTIONS, epochs=100, patience=4)
    result = fit(network, squared, training=(x, y), validation=(x, -y), options=options, report=remember)
    assert result.epochs == result.best_epoch + options.patience < options.epochs
    assert result.best_loss == min(result.validation_loss)
    assert same(result.best, after[result.best_epoch - 1])
    assert same(network.state_dict(), after[result.best_epoch - 1])
    assert not same(network.state_dict(), after[-1])
    assert not network.training


@pytest.mark.parametrize("dropout", [0.0, 0.3])
def test_one_seed_gives_one_result(line: Line, dropout: float) -> None:
    runs = []
    for disturbance, seed in ((1, 3), (2, 3), (1, 4)):
        torch.manual_seed(disturbance)
        runs.append(fit(small(dropout), squared, **halves(line), options=replace(OPTIONS, seed=seed)))
    first, again, other = runs
    assert same(first.best, again.best)
    assert first.history == again.history
    assert not same(first.best, other.best)


def test_global_generator_is_left_alone(line: Line) -> None:
    before = torch.get_rng_state()
    fit(small(0.3), squared, **halves(line), options=OPTIONS)
    assert torch.equal(torch.get_rng_state(), before)


class InterruptedFitError(Exception):
    """Stands for a machine that goes away."""


def interrupting(at: int) -> Callable[[int, Mapping[str, float]], None]:
    def report(epoch: int, _losses: Mapping[str, float]) -> None:
        if epoch == at:
            raise InterruptedFitError

    return report


@pytest.mark.parametrize("dropout", [0.0, 0.3])
@pytest.mark.parametrize("stop", [1, 4])
def test_a_resumed_fit_is_the_uninterrupted_one(line: Line, tmp_path: Path, stop: int, dropout: float) -> None:
    whole = small(dropout)
    expected = fit(whole, squared, **halves(line), options=OPTIONS)
    options = replace(OPTIONS, resume_from=tmp_path)
    with pytest.raises(InterruptedFitError):
        fit(small(dropout), squared, **halves(line), options=options, report=interrupting(stop))
    epochs: list[int] = []
    network = small(dropout)
    resumed = fit(network, squared, **halves(line), options=options, report=lambda epoch, _: epochs.append(epoch))
    assert epochs == list(range(stop + 1, OPTIONS.epochs + 1))
    assert resumed.history == expected.history
    assert resumed.best_epoch == expected.best_epoch
    assert same(resumed.best, expected.best)
    assert same(network.state_dict(), whole.state_dict())


def test_a_finished_fit_is_resumed_to_more_epochs(line: Line, tmp_path: Path) -> None:
    longer = replace(OPTIONS, epochs=9)
    expected = fit(small(), squared, **halves(line), options=longer)
    fit(small(), squared, **halves(line), options=replace(OPTIONS, resume_from=tmp_path))
    resumed = fit(small(), squared, **halves(line), options=replace(longer, resume_from=tmp_path))
    assert resumed.history == expected.history
    assert same(resumed.best, expected.best)


def test_a_stopped_fit_stays_stopped(line: Line, tmp_path: Path) -> None:
    x, y = line
    options = replace(OPTIONS, epochs=100, patience=3, resume_from=tmp_path)
    sample = {"training": (x, y), "validation": (x, -y)}
    first = fit(small(), squared, **sample, options=options)
    network = small()
    again = fit(network, squared, **sample, options=options)
    assert again.history == first.history
    assert same(network.state_dict(), first.best)


def test_loss_that_is_not_a_number_is_an_error(line: Line) -> None:
    x, y = line
    x = torch.where(torch.arange(len(x))[:, None] == 17, torch.nan, x)
    with pytest.raises(HepRecoError, match="training loss is nan"):
        fit(small(), squared, training=(x, y), validation=(y.expand(-1, 2), y), options=OPTIONS)
    with pytest.raises(HepRecoError, match="validation loss is nan"):
        fit(small(), squared, training=line, validation=(x, y), options=OPTIONS)


def test_gradient_that_is_not_finite_is_an_error(line: Line) -> None:
    def root(network: nn.Module, x: Tensor, _y: Tensor) -> Tensor:
        return (network(x) * 0).abs().sqrt().mean()

    network = small()
    before = {name: tensor.clone() for name, tensor in network.named_parameters()}
    with pytest.raises(HepRecoError, match="norm of the gradient is nan"):
        fit(network, root, **halves(line), options=OPTIONS)
    assert same(dict(network.named_parameters()), before)


@pytest.mark.parametrize(
    "wrong",
    [{"epochs": 0}, {"batch_size": -1}, {"patience": 0}, {"learning_rate": 0.0}, {"learning_rate": float("nan")}],
)
def test_options_out_of_range(line: Line, wrong: dict[str, float]) -> None:
    with pytest.raises(ConfigError, match=next(iter(wrong))):
        fit(small(), squared, **halves(line), options=replace(OPTIONS, **wrong))


def test_samples_without_events_or_of_different_lengths(line: Line) -> None:
    x, y = line
    with pytest.raises(DatasetError, match="the training sample has no events"):
        fit(small(), squared, training=(x[:0], y[:0]), validation=line, options=OPTIONS)
    with pytest.raises(DatasetError, match="the validation sample has no events"):
        fit(small(), squared, training=line, validation=(), options=OPTIONS)
    with pytest.raises(DatasetError, match=r"\[399, 400\] events"):
        fit(small(), squared, training=(x, y[1:]), validation=line, options=OPTIONS)


def test_another_way_to_learn_stops_after_the_best_epoch():
    network, losses = nn.Linear(1, 1), iter([3.0, 2.0, 1.0, 2.0, 3.0, 0.0])

    def train(optimizer: torch.optim.Optimizer, generator: torch.Generator) -> float:
        with torch.no_grad():
            network.bias.add_(1.0)
        return 0.0

    nn.init.zeros_(network.bias)
    found = train_by_epochs(
        network, train=train, validate=lambda: next(losses), sample=(), options=TrainingOptions(epochs=9, patience=2)
    )
    assert found == FitResult((0.0,) * 5, (3.0, 2.0, 1.0, 2.0, 3.0), 3, found.best)
    assert network.bias.item() == found.best["bias"].item() == 3.0
