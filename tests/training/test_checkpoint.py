import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from torch import Tensor, nn

from hepreco.errors import WeightsError
from hepreco.plugin import TrainingOptions
from hepreco.training import fit, initialised
from hepreco.training.checkpoint import FILE

Line = tuple[Tensor, Tensor]


def squared(network: nn.Module, x: Tensor, y: Tensor) -> Tensor:
    return (network(x) - y).square().mean()


def build(*, width: int = 4, activation: type[nn.Module] = nn.ReLU) -> nn.Module:
    return initialised(lambda: nn.Sequential(nn.Linear(2, width), activation(), nn.Linear(width, 1)), seed=1)


@pytest.fixture
def options(line: Line, tmp_path: Path) -> TrainingOptions:
    """Options of a fit that has left its checkpoint behind."""
    options = TrainingOptions(epochs=2, batch_size=100, resume_from=tmp_path / "running")
    fit(build(), squared, training=line, validation=line, options=options)
    return options


def path(options: TrainingOptions) -> Path:
    assert options.resume_from is not None
    return options.resume_from / FILE


def test_it_is_one_safetensors_file_with_a_json_header(options: TrainingOptions) -> None:
    assert [file.name for file in path(options).parent.iterdir()] == [FILE]
    with safe_open(path(options), framework="pt") as file:
        header = json.loads(file.metadata()["fit"])
        groups = {name.partition("/")[0] for name in file.keys()}  # noqa: SIM118  not a mapping
    assert groups == {"network", "best", "optimizer", "generator"}
    assert len(header["validation_loss"]) == 2


def test_a_torn_write_leaves_the_last_checkpoint(
    options: TrainingOptions, line: Line, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = path(options).read_bytes()

    def fail(_file: int) -> None:
        raise OSError("no space left on device")

    monkeypatch.setattr("hepreco.training.checkpoint.os.fsync", fail)
    with pytest.raises(OSError, match="no space left"):
        fit(build(), squared, training=line, validation=line, options=replace(options, epochs=3))
    assert path(options).read_bytes() == before


@pytest.mark.parametrize(
    ("changed", "named"),
    [({"seed": 2}, "seed 1, not 2"), ({"batch_size": 50}, "batch_size 100, not 50"), ({"patience": 5}, "patience")],
)
def test_refused_for_other_options(options: TrainingOptions, line: Line, changed: dict[str, int], named: str) -> None:
    with pytest.raises(WeightsError, match=f"belongs to another training.*{named}"):
        fit(build(), squared, training=line, validation=line, options=replace(options, **changed))


@pytest.mark.parametrize("network", [build(width=5), build(activation=nn.Tanh), build().double()])
def test_refused_for_another_network(options: TrainingOptions, line: Line, network: nn.Module) -> None:
    dtype = next(network.parameters()).dtype
    x, y = (tensor.to(dtype) for tensor in line)
    with pytest.raises(WeightsError, match=r"belongs to another training: it has.*another network"):
        fit(network, squared, training=(x, y), validation=(x, y), options=options)


def test_refused_for_another_sample(options: TrainingOptions, line: Line) -> None:
    x, y = line
    other = torch.where(torch.arange(len(y))[:, None] == 5, y + 1e-6, y)
    with pytest.raises(WeightsError, match=r"belongs to another training: it has another sample"):
        fit(build(), squared, training=(x, other), validation=line, options=options)


def test_refused_for_fewer_epochs(options: TrainingOptions, line: Line) -> None:
    with pytest.raises(WeightsError, match="has done 2 epochs, 1 are asked for"):
        fit(build(), squared, training=line, validation=line, options=replace(options, epochs=1))


@pytest.mark.parametrize(
    "damage", [lambda data: data[: len(data) // 2], lambda _: b"", lambda _: b"not tensors at all"]
)
def test_a_damaged_file_is_an_error(options: TrainingOptions, line: Line, damage: object) -> None:
    assert callable(damage)
    path(options).write_bytes(damage(path(options).read_bytes()))
    with pytest.raises(WeightsError, match="is not a training checkpoint") as error:
        fit(build(), squared, training=line, validation=line, options=options)
    assert "remove" in error.value.remedy
