"""Lists, help and completion: they import no plugin and nothing heavy, and programs can read them."""

import json
import os
import subprocess
import sys
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from hepreco.cli import main
from hepreco.cli.main import COMMANDS
from hepreco.cli.plugins import COMMANDS as PLUGIN_COMMANDS
from hepreco.plugin import discover, list_plugins
from hepreco_corrections.examples import EXAMPLE

#: What takes seconds to import, and the plugins.
HEAVY = {"torch", "coffea", "awkward", "matplotlib", "hepreco_chi2_assigner", "hepreco_part_sm", "hepreco_me_assigner"}
#: Options of a correction that has an example for data.
DATA = ("--option", f'file="{EXAMPLE}"', "--option", 'tag="Example_DATA"', "--data")
PROBE = """
import json, resource, sys
from hepreco.cli import main
sys.argv = ["hepreco", *sys.argv[1:]]
try:
    main()
finally:
    print(json.dumps(sorted(set(sys.modules) & {heavy})), file=sys.stderr)
"""


def run(*words, **variables):
    """A command in a process of its own, and which heavy modules it has imported."""
    done = subprocess.run(
        [sys.executable, "-c", PROBE.format(heavy=HEAVY), *words],
        env=os.environ | {"COLUMNS": "100", **variables},
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout, json.loads(done.stderr.splitlines()[-1])


@pytest.mark.parametrize("words", [["--help"], ["plugins", "--help"], ["plugins", "list"], ["new-plugin", "--help"]])
def test_lists_import_nothing_heavy(words):
    output, imported = run(*words)
    assert output
    assert imported == []


def test_loading_finds_that_all_are_ready():
    output, imported = run("plugins", "list", "--load", "--format", "json")
    assert {each["state"] for each in json.loads(output)["plugins"]} == {"ready"}
    assert "torch" in imported


def test_the_list_is_that_of_the_code():
    listed = {plugin.name: plugin for plugin in list_plugins() if plugin.state == "installed"}
    assert listed.keys() == {plugin.name for plugin in discover().plugins}
    for plugin in discover().plugins:
        one = listed[plugin.name]
        assert (one.distribution, one.version, one.kind) == (plugin.distribution, plugin.version, plugin.kind)


@pytest.mark.parametrize(
    ("group", "sources"),
    [(main, COMMANDS), (main.get_command(None, "plugins"), PLUGIN_COMMANDS)],
    ids=["hepreco", "plugins"],
)
def test_summaries_are_those_of_the_commands(group, sources):
    """Help lists them without importing the commands."""
    with click.Context(group) as context:
        for name, source in sources.items():
            command = group.get_command(context, name)
            assert command.name == name
            first = command.short_help or command.help.partition("\n")[0]
            assert first.split()[0] == source.summary.split()[0], name


def completed(words, word):
    output, imported = run(_HEPRECO_COMPLETE="bash_complete", COMP_WORDS=f"hepreco {words}", COMP_CWORD=str(word))
    return [line.partition(",")[2] for line in output.splitlines()], imported


@pytest.mark.parametrize(
    ("words", "word", "expected"),
    [
        ("plu", 1, ["plugins"]),
        ("plugins i", 2, ["info"]),
        ("plugins info me-", 3, ["me-anomaly", "me-assigner", "me-likelihood-ratio"]),
        ("plugins check chi", 3, ["chi2-assigner"]),
        ("plugins list --f", 3, ["--format"]),
    ],
)
def test_the_shell_completes(words, word, expected):
    found, imported = completed(words, word)
    assert sorted(found) == expected
    assert imported == []


def hepreco(*words):
    return CliRunner(env={"COLUMNS": "160"}).invoke(main, list(words))


def test_info_for_programs():
    details = json.loads(hepreco("plugins", "info", "chi2-assigner", "--format", "json").output)
    assert details["options"]["properties"]["channel"]["enum"] == ["all-hadronic", "lepton+jets"]
    assert details["inputs"][0]["collection"] == "Jet"
    assert {"top", "w"} <= {column["name"] for column in details["outputs"]}
    assert details["required"] == []
    other = json.loads(
        hepreco("plugins", "info", "chi2-assigner", "--option", 'channel="lepton+jets"', "--format", "json").output
    )
    assert {each["collection"] for each in other["inputs"]} == {"Jet", "Electron", "Muon"}


def test_corrections_for_programs():
    details = json.loads(hepreco("plugins", "info", "lhe-scale", "--format", "json").output)
    assert (details["kind"], details["reads"]) == ("correction", ["LHEScaleWeight"])
    assert "mur_up_muf_up" in details["variations"]
    shown = hepreco("plugins", "info", "parton-shower").output
    assert "reads: PSWeight\n" in shown
    assert "variations: isr_up, fsr_up, isr_down, fsr_down" in shown
    required = hepreco("plugins", "info", "jet-energy").output
    assert "give --option file=… to see what it reads and gives" in required


def test_a_correction_is_checked():
    """By its examples, since it has no defaults."""
    checked = json.loads(hepreco("plugins", "check", "pileup", "--format", "json").output)
    assert checked["passed"] is True
    assert {each["name"] for each in checked["checks"]} >= {"answers", "chunks", "another_process", "manifest"}
    refused = json.loads(hepreco("plugins", "check", "pileup", "--data", "--format", "json").output)
    assert [each["name"] for each in refused["checks"] if not each["passed"]] == ["generator"]


def test_a_correction_is_checked_on_files():
    file = Path(__file__).parents[1] / "data" / "nanoaod_v15.root"
    checked = json.loads(
        hepreco("plugins", "check", "jet-energy", "--files", str(file), "--format", "json", *DATA).output
    )
    failed = {each["name"]: each["detail"] for each in checked["checks"] if not each["passed"]}
    assert failed == {}
    assert "12 events of files" in checked["checks"][0]["options"]


def test_check_for_programs():
    checked = json.loads(hepreco("plugins", "check", "autoencoder", "--format", "json").output)
    assert checked["passed"] is True
    assert ("manifest", True) in {(each["name"], each["passed"]) for each in checked["checks"]}
    assert len(checked["checks"]) >= 13


@pytest.mark.parametrize(
    ("words", "kind", "problem", "status"),
    [
        (["plugins", "info", "autoencodr"], "PluginError", "no plugin 'autoencodr'", 2),
        (["run", "nowhere.toml", "--output", "out"], "ConfigError", "nowhere.toml", 2),
        (["run", "nowhere.toml"], "UsageError", "'--output'", 2),
        (["plugins", "info"], "UsageError", "NAME", 2),
        (["plugins", "list", "--no-such"], "UsageError", "--no-such", 2),
        (["nothing"], "UsageError", "nothing", 2),
    ],
)
def test_errors_for_programs(words, kind, problem, status, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    result = hepreco(*words, "--format", "json")
    error = json.loads(result.stdout)["error"]
    assert (error["kind"], error["status"], result.exit_code) == (kind, status, status)
    assert problem in error["problem"]
    assert error["remedy"]


def test_the_next_command_speaks_to_people_again():
    assert json.loads(hepreco("plugins", "list", "--format", "json").stdout)["plugins"]
    assert hepreco("plugins", "list").stdout.startswith("autoencoder ")


def test_without_a_command_it_is_explained():
    result = hepreco()
    assert result.exit_code == 2
    assert "plugins     List, describe and check" in result.output
