"""Discovery, with distributions that are made on the spot."""

import re
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from hepreco.cli import main
from hepreco.errors import PluginError
from hepreco.generation import Sample, write_sample
from hepreco.generation.hard import IntegrationBudget
from hepreco.plugin import (
    API_VERSION,
    OLDEST_API_VERSION,
    BrokenPlugin,
    PluginRegistry,
    RegisteredPlugin,
    discover,
)
from hepreco.weights import read_card

GOOD = """
from dataclasses import dataclass
import torch
from hepreco import Column, InputSpec, ObjectSpec, Reconstructor, hookimpl

HEPRECO_API_VERSION = 1

@dataclass(frozen=True)
class Plugin(Reconstructor):
    @property
    def inputs(self):
        return InputSpec((ObjectSpec("Jet"),))

    @property
    def outputs(self):
        return (Column("n"),)

    def reconstruct(self, batch):
        return {"n": batch.mask.sum(dim=1).double()}

@hookimpl
def hepreco_register_reconstructors(register):
    register("good", Plugin)
"""


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Make modules that look like installed distributions."""
    monkeypatch.syspath_prepend(tmp_path)
    discover.cache_clear()

    def make(name: str, code: str) -> None:
        (tmp_path / f"{name}.py").write_text(code)
        info = tmp_path / f"hepreco_{name}-1.2.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: hepreco-{name}\nVersion: 1.2\n")
        (info / "entry_points.txt").write_text(f"[hepreco]\n{name} = {name}\n")

    yield make
    discover.cache_clear()
    for module in ("one", "two"):
        sys.modules.pop(module, None)


def test_a_good_plugin_is_found(install):
    install("one", GOOD)
    plugin = discover()["good"]
    assert (plugin.distribution, plugin.version) == ("hepreco-one", "1.2")
    assert plugin.build({}).outputs[0].name == "n"


@pytest.mark.parametrize("version", [OLDEST_API_VERSION, API_VERSION, (1, 9), (2, 3), (0, 1)])
def test_versions_of_the_contract_that_overlap_are_understood(install, version):
    install("one", GOOD.replace("VERSION = 1", f"VERSION = {version}"))
    assert discover()["good"].build({}).inputs.objects[0].collection == "Jet"


TRAIN = """
    def train(self, samples, options, *, report):
        return TrainedNetwork({"n": torch.zeros(1)}, {}, {"events": float(len(SAMPLES))})
"""


@pytest.mark.parametrize(
    ("version", "samples"), [(1, "samples"), (2, 'samples["events"]'), ((1, 2), 'samples["events"]')]
)
def test_a_trainable_is_given_samples_as_its_version_of_the_contract_says(install, tmp_path, version, samples):
    code = GOOD.replace("VERSION = 1", f"VERSION = {version}").replace("(Reconstructor)", "(Reconstructor, Trainable)")
    train = f"{TRAIN.replace('SAMPLES', samples)}\n@hookimpl"
    install("one", "from hepreco.plugin import Trainable, TrainedNetwork" + code.replace("@hookimpl", train))
    quick = IntegrationBudget(iterations=2, points=2000, last=5000)
    write_sample(Sample("bbbar", 40, budget=quick), tmp_path / "events.root")
    command = ["train", "good", "--files", str(tmp_path / "events.root"), "--output", str(tmp_path / "weights")]
    result = CliRunner().invoke(main, command)
    assert result.exit_code == 0, result.output
    assert read_card(tmp_path / "weights").metrics == {"events": 40.0}


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        ("raise ImportError('no such library')", "no such library"),
        ("x = 1", "written for plugin API None"),
        (GOOD.replace("VERSION = 1", "VERSION = 7"), "written for plugin API 7, this hepreco understands 1 to 2"),
        (GOOD.replace("VERSION = 1", "VERSION = (3, 4)"), "written for plugin API 3 to 4, this hepreco understands 1"),
        (GOOD.replace("VERSION = 1", "VERSION = (0, 0)"), "set HEPRECO_API_VERSION = 2 in one"),
        (GOOD.replace("VERSION = 1", "VERSION = (3, 4)"), "install a newer hepreco, or a version of one for this one"),
        (GOOD.replace("VERSION = 1", "VERSION = '1'"), "written for plugin API 1"),
        (
            GOOD.replace("def hepreco_register_reconstructors", "def hepreco_register_reconstructor"),
            "hepreco_register_reconstructor",
        ),
        (GOOD.replace("(register):", "(register, more):"), "more"),
        (GOOD.replace('register("good", Plugin)', "raise OSError('while registering')"), "while registering"),
        (GOOD.replace('register("good", Plugin)', "pass"), "registers no reconstructor"),
        (GOOD.replace('register("good", Plugin)', "register('Good Plugin', Plugin)"), "not a plugin name"),
        (GOOD.replace('register("good", Plugin)', "register('Good', Plugin)"), "not a plugin name"),
        (GOOD.replace('register("good", Plugin)', "register('go_od', Plugin)"), "not a plugin name"),
        (GOOD.replace('register("good", Plugin)', "register('good', Plugin())"), "not a subclass"),
        (GOOD.replace("@dataclass(frozen=True)\n", ""), "not a frozen dataclass"),
        (GOOD.replace("def reconstruct", "def reconstrue"), "does not implement reconstruct"),
    ],
)
def test_a_broken_plugin_is_listed_with_its_reason(install, code, reason):
    install("one", code)
    (broken,) = [plugin for plugin in discover().broken if plugin.distribution == "hepreco-one"]
    assert reason in broken.reason
    with pytest.raises(PluginError, match="broken"):
        discover()["one"]
    assert "chi2-assigner" in {plugin.name for plugin in discover().plugins}


def test_two_plugins_of_one_name_are_both_refused(install):
    install("one", GOOD)
    install("two", GOOD)
    with pytest.raises(PluginError, match=r"two reconstructors are named 'good' \(from hepreco-one, hepreco-two\)"):
        discover()["good"]
    listed = CliRunner().invoke(main, ["plugins", "list"])
    assert listed.exit_code == 0
    assert re.sub(r"[│\s]", "", listed.output).count("tworeconstructors") == 2  # however the table wraps


def test_disabled_plugins_are_named(install, monkeypatch):
    install("one", GOOD)
    monkeypatch.setenv("HEPRECO_DISABLE_PLUGINS", "good, autoencoder")
    with pytest.raises(PluginError, match="disabled"):
        discover()["good"]
    with pytest.raises(PluginError, match="disabled"):
        discover()["autoencoder"]


def test_an_unknown_plugin_names_its_closest():
    discover.cache_clear()
    with pytest.raises(PluginError, match="did you mean 'chi2-assigner'"):
        discover()["chi-assigner"]


def test_what_is_found_is_a_value(install):
    install("one", GOOD)
    install("two", "raise ImportError('no such library')")
    found = discover()
    good = found["good"]
    assert good == RegisteredPlugin("good", good.plugin_class, "hepreco-one", "1.2", "one", api_version=1)
    (broken,) = [plugin for plugin in found.broken if plugin.name == "two"]
    assert broken == BrokenPlugin("two", "hepreco-two", "ImportError: no such library")
    assert PluginRegistry((good,), (broken,), ())["good"] is good
