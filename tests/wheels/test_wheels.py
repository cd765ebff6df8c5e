"""The wheels in ``dist``, and what is installed from them, where nothing of the checkout is."""

import sysconfig
import zipfile
from importlib import import_module
from importlib.metadata import entry_points, metadata, requires, version
from pathlib import Path

import pytest
from click.testing import CliRunner
from packaging.requirements import Requirement

from hepreco.cli import main
from hepreco.histograms import read_histograms
from hepreco.plugin import discover

pytestmark = pytest.mark.wheels

ROOT = Path(__file__).parents[2]
#: Every distribution by the folder that it is built from.
DISTRIBUTIONS = {"hepreco": ROOT} | {f"hepreco-{path.name}": path for path in sorted((ROOT / "plugins").iterdir())}
PLUGINS = sorted(set(DISTRIBUTIONS) - {"hepreco"})


def module_of(distribution):
    return distribution.replace("-", "_")


@pytest.mark.parametrize("distribution", DISTRIBUTIONS)
def test_the_installed_package_is_imported(distribution):
    (directory,) = import_module(module_of(distribution)).__path__
    assert Path(directory).parent == Path(sysconfig.get_path("purelib"))


@pytest.mark.parametrize("distribution", DISTRIBUTIONS)
def test_every_file_of_the_source_is_in_the_wheel(distribution):
    """Weights, templates and the mark of typed packages too."""
    source = DISTRIBUTIONS[distribution] / "src"
    files = {path.relative_to(source).as_posix() for path in source.rglob("*") if path.is_file()}
    expected = {file for file in files if "__pycache__" not in file and ".egg-info" not in file}
    (wheel,) = (ROOT / "dist").glob(f"{module_of(distribution)}-*.whl")
    with zipfile.ZipFile(wheel) as archive:
        found = {name for name in archive.namelist() if ".dist-info/" not in name}
        assert any(name.endswith(".dist-info/licenses/LICENSE") for name in archive.namelist())
    assert f"{module_of(distribution)}/py.typed" in expected
    assert found - {"hepreco/_version.py"} == expected - {"hepreco/_version.py"}


@pytest.mark.parametrize("plugin", PLUGINS)
def test_plugins_carry_the_version_of_hepreco_and_ask_for_it(plugin):
    assert version(plugin) == version("hepreco")
    (needed,) = (one for one in map(Requirement, requires(plugin)) if one.name == "hepreco")
    assert needed.specifier.contains(version("hepreco"), prereleases=True)
    assert not needed.specifier.contains("0.0.9")
    for key in ("Requires-Python", "License-Expression"):
        assert metadata(plugin)[key] == metadata("hepreco")[key]


def test_the_extra_names_every_plugin():
    wanted = [one for one in map(Requirement, requires("hepreco")) if 'extra == "plugins"' in str(one.marker)]
    assert sorted(one.name for one in wanted) == PLUGINS
    assert all(one.specifier.contains(version(one.name), prereleases=True) for one in wanted)


def test_every_plugin_is_ready():
    registry = discover()
    assert registry.broken == ()
    assert sorted({plugin.distribution for plugin in registry.plugins}) == PLUGINS
    assert sorted({entry.dist.name for entry in entry_points(group="hepreco")}) == PLUGINS


@pytest.mark.parametrize("plugin", sorted(name.removeprefix("hepreco-") for name in PLUGINS))
def test_plugins_work_with_the_weights_of_their_wheels(plugin):
    outcome = CliRunner().invoke(main, ["plugins", "check", plugin])
    assert outcome.exit_code == 0, outcome.output


def test_a_run_ends_with_all_events_in_its_histograms(tmp_path):
    analysis = tmp_path / "analysis.toml"
    analysis.write_text(
        """
        [datasets.ttbar]
        sample = { process = "ttbar-hadronic", events = 50 }

        [plugins.chi2-assigner]

        [[histograms]]
        name = "missing"
        columns = ["PuppiMET.pt"]
        axis = { bins = 1, start = 0, stop = 100 }
        """
    )
    outcome = CliRunner().invoke(main, ["run", str(analysis), "--output", str(tmp_path / "output")])
    assert outcome.exit_code == 0, outcome.output
    (file,) = (tmp_path / "output").glob("histograms*")
    assert read_histograms(file).histograms["missing"].sum(flow=True).value == 50
