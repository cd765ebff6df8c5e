import json
import os
import tomllib
from pathlib import Path

import pytest
from click.testing import CliRunner
from ready import TESTS, python

from hepreco.cli.new_plugin import new_plugin, write_plugin
from hepreco.errors import ConfigError, OutputError

NAME = "two-jets2"
FOUND = """
import json
from hepreco.plugin import discover
registry = discover()
plugin = registry["two-jets2"]
print(json.dumps([plugin.distribution, plugin.version, repr(plugin.build({"pt_min": 25.0}))]))
"""


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("plugins")
    write_plugin(NAME, directory)
    return directory / f"hepreco-{NAME}"


def _run(*command: str, cwd: Path, path: Path) -> str:
    environment = os.environ | {"PYTHONPATH": str(path)}
    environment.pop("HEPRECO_DISABLE_PLUGINS", None)
    status, out, err = python(*command, cwd=cwd, environment=environment)
    assert status == 0, out + err
    return out


def test_writes_the_files_it_returns(tmp_path):
    written = write_plugin(NAME, tmp_path)
    root = tmp_path / "hepreco-two-jets2"
    assert sorted(str(path.relative_to(root)) for path in written) == [
        "README.md",
        "pyproject.toml",
        "src/hepreco_two_jets2/__init__.py",
        "src/hepreco_two_jets2/hepreco.json",
        "src/hepreco_two_jets2/reconstructor.py",
        "tests/test_two_jets2.py",
    ]
    assert sorted(written) == sorted(path for path in root.rglob("*") if path.is_file())


def test_nothing_is_left_to_substitute(package):
    for path in package.rglob("*"):
        if path.is_file():
            text = path.read_text("utf-8")
            assert "${" not in text
            assert "$$" not in text


def test_its_own_tests_pass(package):
    outcome = _run("-c", TESTS, "-q", "-p", "no:cacheprovider", cwd=package, path=package / "src")
    assert "passed" in outcome
    assert "skipped" not in outcome


def test_it_is_discovered_once_installed(package, tmp_path):
    """Installed as an installer would: the package and its metadata side by side."""
    project = tomllib.loads((package / "pyproject.toml").read_text("utf-8"))["project"]
    metadata = tmp_path / "hepreco_two_jets2-0.1.0.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text(
        f"Metadata-Version: 2.1\nName: {project['name']}\nVersion: {project['version']}\n"
    )
    entries = [f"{name} = {module}" for name, module in project["entry-points"]["hepreco"].items()]
    (metadata / "entry_points.txt").write_text("\n".join(["[hepreco]", *entries]))
    (tmp_path / "hepreco_two_jets2").symlink_to(package / "src" / "hepreco_two_jets2")
    outcome = _run("-c", FOUND, cwd=tmp_path, path=tmp_path)
    expected = "TwoJets2Reconstructor(pt_min=25.0, eta_max=2.4)"
    assert json.loads(outcome) == ["hepreco-two-jets2", "0.1.0", expected]


@pytest.mark.parametrize("name", ["", "My-plugin", "my_plugin", "2jets", "-a", "a-", "a--b", "a b", "a/b", "../a", "é"])
def test_bad_names_are_refused(name, tmp_path):
    with pytest.raises(ConfigError, match="is not a plugin name"):
        write_plugin(name, tmp_path)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["none", "column", "class", "b-tag"])
def test_words_that_mean_something_else_are_fine(name, tmp_path):
    for path in write_plugin(name, tmp_path):
        if path.suffix == ".py":
            compile(path.read_text("utf-8"), path.name, "exec")


@pytest.fixture(scope="module")
def correction(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("corrections")
    write_plugin("ht-slope", directory, kind="correction")
    return directory / "hepreco-ht-slope"


def test_a_correction_is_as_complete(correction):
    names = {str(path.relative_to(correction)) for path in correction.rglob("*") if path.is_file()}
    assert {"README.md", "src/hepreco_ht_slope/correction.py", "tests/test_ht_slope.py"} <= names
    test_nothing_is_left_to_substitute(correction)
    test_its_own_tests_pass(correction)


def test_an_existing_directory_is_left_alone(tmp_path):
    (tmp_path / "hepreco-mine").mkdir()
    with pytest.raises(OutputError, match="hepreco-mine exists"):
        write_plugin("mine", tmp_path)
    assert list((tmp_path / "hepreco-mine").iterdir()) == []


def test_a_file_in_place_of_the_directory_is_left_alone(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="cannot write"):
        write_plugin("mine", tmp_path / "file")


def test_command_names_the_files(tmp_path):
    outcome = CliRunner().invoke(new_plugin, ["mine", "--directory", str(tmp_path)])
    assert outcome.exit_code == 0
    assert "reconstructor.py" in outcome.output
    assert (tmp_path / "hepreco-mine" / "README.md").is_file()
