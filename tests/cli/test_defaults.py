"""What a command does where nothing is said, which scripts of users rely on."""

from dataclasses import fields
from importlib import import_module

import click
import pytest
from click.testing import CliRunner

from hepreco.cli import main
from hepreco.cli.main import COMMANDS
from hepreco.generation import Detector, Sample
from hepreco.plugin import TrainingOptions

#: Of options that need not be given and have a value then; flags are off.
DEFAULTS = {
    "run": {
        "executor": "iterative", "workers": 2, "chunksize": 100_000, "timeout": 300.0, "device": "cpu",
        "output_format": "text",
    },
    "plot": {},
    "plugins": {},
    "generate": {
        "events": 10_000, "seed": 1, "energy": 13_000.0, "densities": "simple", "cutoff": 15.0, "radiation": 1.0,
        "workers": 1,
    },
    "import": {"seed": 1, "radiation": 1.0},
    "train": {
        "epochs": 200, "batch_size": 512, "learning_rate": 1e-3, "schedule": "constant", "patience": 20,
        "validation_fraction": 0.1, "seed": 1, "device": "cpu",
    },
    "new-plugin": {"directory": ".", "kind": "reconstructor"},
}  # fmt: skip
FLAGS = {
    "run": {"skip_bad_files", "resume", "no_figures"},
    "generate": {"overwrite"},
    "import": {"shower", "overwrite"},
    "train": {"resume"},
}
REQUIRED = {"run": {"config", "output"}, "generate": {"process"}, "import": {"source", "output"}}


def parameters(name):
    return getattr(import_module(COMMANDS[name].module), COMMANDS[name].name).params


@pytest.mark.parametrize("name", DEFAULTS)
def test_defaults(name):
    command = click.Command(name, params=parameters(name))
    with click.Context(command) as context:
        found = {
            option.name: option.get_default(context)
            for option in command.params
            if not option.required and not getattr(option, "is_flag", False)
        }
    given = {key: value for key, value in found.items() if value is not None and not str(value).startswith("Sentinel")}
    given = {key: str(value) if key == "directory" else value for key, value in given.items() if value != ()}
    assert given | DEFAULTS[name] == given
    assert set(given) - set(DEFAULTS[name]) == set()


@pytest.mark.parametrize("name", DEFAULTS)
def test_defaults_are_shown_by_the_help(name):
    shown = {option.name for option in parameters(name) if getattr(option, "show_default", False)}
    assert set(DEFAULTS[name]) - shown <= {"directory"}  # of which the help says so in words


@pytest.mark.parametrize("name", FLAGS)
def test_flags_are_off_and_take_no_value(name):
    flags = {option.name for option in parameters(name) if getattr(option, "is_flag", False) and option.expose_value}
    assert flags >= FLAGS[name]
    for option in parameters(name):
        if option.name in FLAGS[name]:
            assert not option.multiple
            assert option.default is not True


@pytest.mark.parametrize("name", REQUIRED)
def test_what_must_be_given(name):
    assert {option.name for option in parameters(name) if option.required} == REQUIRED[name]


def test_training_without_options_is_that_of_python():
    defaults = {field.name: field.default for field in fields(TrainingOptions)}
    for name, value in DEFAULTS["train"].items():
        assert value == defaults[name]


def test_generating_without_options_is_that_of_python():
    sample = Sample("ttbar-hadronic", DEFAULTS["generate"]["events"])
    for name in ("seed", "energy", "densities", "cutoff"):
        assert getattr(sample, name) == DEFAULTS["generate"][name]
    assert Detector().radiation == DEFAULTS["generate"]["radiation"] == DEFAULTS["import"]["radiation"]


@pytest.mark.parametrize(
    "arguments",
    [
        ("generate", "ttbar-hadronic", "--events", "-1"),
        ("generate", "ttbar-hadronic", "--seed", "-1"),
        ("generate", "ttbar-hadronic", "--workers", "0"),
        ("import", "a.lhe", "--output", "a.root", "--seed", "-1"),
        ("train", "autoencoder", "--output", "w", "--epochs", "0"),
        ("train", "autoencoder", "--output", "w", "--batch-size", "0"),
        ("train", "autoencoder", "--output", "w", "--patience", "0"),
        ("train", "autoencoder", "--output", "w", "--validation-fraction", "0"),
        ("train", "autoencoder", "--output", "w", "--validation-fraction", "1"),
        ("run", "a.toml", "--output", "out", "--workers", "0"),
        ("run", "a.toml", "--output", "out", "--chunksize", "0"),
    ],
)
def test_numbers_out_of_range_are_refused_before_anything_is_done(arguments, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    result = CliRunner().invoke(main, arguments)
    assert result.exit_code == 2
    assert "is not in the range" in result.output
    assert list(tmp_path.iterdir()) == []
