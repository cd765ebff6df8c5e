"""What the pages say exists."""

import ast
import json
import re
import shlex
import tomllib
from dataclasses import fields

import click
import pytest

import hepreco.testing
from hepreco.amplitudes import StandardModel
from hepreco.cli import main
from hepreco.config import (
    AnalysisConfig,
    DatasetConfig,
    MassPeakConfig,
    PeriodConfig,
    ProcessConfig,
    RocConfig,
    read_config,
)
from hepreco.events import EventBatch, ObjectSelection, Tag, Variation
from hepreco.generation import Cuts, Detector, Sample
from hepreco.generation.hard.sampler import IntegrationBudget
from hepreco.histograms import Categories, Dimension, Edges, HistogramSpec, Integers
from hepreco.inference import ChannelConfig, FitConfig, SystematicConfig
from hepreco.plotting import FiguresConfig
from hepreco.plugin import Axis, discover, spec
from hepreco.processing import Cut, FunctionCut, Observable, Region, RunReport

TABLES = (
    AnalysisConfig,
    DatasetConfig,
    PeriodConfig,
    ProcessConfig,
    ObjectSelection,
    Tag,
    Sample,
    StandardModel,
    Cuts,
    Detector,
    IntegrationBudget,
    Cut,
    FunctionCut,
    Region,
    Observable,
    HistogramSpec,
    Dimension,
    Axis,
    Edges,
    Integers,
    Categories,
    Variation,
    MassPeakConfig,
    RocConfig,
    FitConfig,
    ChannelConfig,
    SystematicConfig,
    FiguresConfig,
)


def rows(text):
    """The names in the first column of all tables."""
    cells = re.findall(r"^\| (`[^|]*`) \|", text, re.M)
    return {name for cell in cells for name in re.findall(r"`(\w+)`", cell)}


def commands(group=main, path=()):
    """All commands by the words that call them."""
    found = {path: group}
    with click.Context(group) as context:
        for name in group.list_commands(context):
            command = group.get_command(context, name)
            found |= commands(command, (*path, name)) if isinstance(command, click.Group) else {(*path, name): command}
    return found


def options(command):
    return {name for parameter in command.params for name in (*parameter.opts, *parameter.secondary_opts)} | {
        "-h",
        "--help",
    }


def options_of_plugins(names=None):
    """``hepreco train`` takes the options of its plugin as well."""
    found = [plugin.plugin_class for plugin in discover().plugins if names is None or plugin.name in names]
    return {f"--{field.name.replace('_', '-')}" for reconstructor in found for field in fields(reconstructor)}


def test_every_hook_is_documented(root):
    hooks = [name for name, value in vars(spec).items() if hasattr(value, "hepreco_spec")]
    text = (root / "docs/reference/hooks.md").read_text()
    assert hooks
    for hook in hooks:
        assert f"hepreco.plugin.spec.{hook}" in text


def test_every_configuration_key_is_documented_and_no_other(root):
    text = (root / "docs/reference/configuration.md").read_text()
    keys = {field.name for table in TABLES for field in fields(table)}
    tables = {field.name for field in fields(AnalysisConfig)} - {"luminosity"}
    assert keys - tables == (rows(text) | {"luminosity"}) - {"plugin", "data"} - tables
    for table in tables:
        assert re.search(rf"\[{table}\b", text), table
    assert "\n`luminosity`\n: " in text


def test_every_conformance_check_is_documented(root):
    text = (root / "docs/how-to/write-a-plugin.md").read_text()
    documented = rows(text.partition("## The conformance kit")[2])
    assert documented == {check.__name__ for check in hepreco.testing.CHECKS}


def test_every_field_of_the_batch_and_the_report_is_documented(root):
    plugin, guarantees = (
        (root / f"docs/{name}.md").read_text() for name in ("how-to/write-a-plugin", "reference/guarantees")
    )
    assert {field.name for field in fields(EventBatch)} <= rows(plugin)
    assert {field.name for field in fields(RunReport)} <= rows(guarantees)


def test_commands_and_options_exist(page):
    known = commands()
    text = page.read_text()
    lines = re.findall(r"^\$ .*?(?<=[ /])hepreco +(.*)$", text, re.M) + re.findall(r"`hepreco +([^`]+)`", text)
    for line in lines:
        words = shlex.split(line.replace("...", ""))
        path = ()
        for word in words:
            if (*path, word) in known:
                path = (*path, word)
        command = known[path]
        assert path or all(word.startswith("-") or word == "COMMAND" for word in words), (
            f"no command in 'hepreco {line}'"
        )
        for word in words:
            if word.startswith("-"):
                of_plugin = options_of_plugins(words) if path == ("train",) else set()
                assert word.partition("=")[0] in options(command) | options(main) | of_plugin, f"hepreco {line}"


def test_options_that_are_mentioned_exist(page):
    known = {name for command in commands().values() for name in options(command)}
    known |= options_of_plugins()
    for name in re.findall(r"`(--[a-z-]+)", page.read_text()):
        assert name in known


def test_toml_is_understood(page, blocks_of, tmp_path):
    for block in blocks_of(page):
        if module := re.match(r"# (\w+\.py), beside the TOML", block.code):
            (tmp_path / module[1]).write_text(block.code)
        if block.language == "toml" and "project" not in tomllib.loads(block.code):
            path = tmp_path / "analysis.toml"
            path.write_text(block.code)
            read_config(path)


def test_python_parses(page, blocks_of):
    for block in blocks_of(page):
        if block.language == "python":
            ast.parse(block.code)


def test_links_lead_somewhere(page):
    for target in re.findall(r"\]\(([^)#\s]+)[^)]*\)", page.read_text()):
        if "://" not in target:
            assert (page.parent / target).exists(), target


@pytest.mark.parametrize("word", ["TODO", "FIXME", "NEWPLUGIN"])
def test_nothing_is_left_to_write(page, word):
    assert word not in page.read_text()


def test_notebooks_are_stored_without_outputs(root):
    notebooks = sorted((root / "analyses").rglob("*.ipynb"))
    assert notebooks
    for path in notebooks:
        if ".ipynb_checkpoints" in path.parts:
            continue
        for cell in json.loads(path.read_text())["cells"]:
            if cell["cell_type"] == "code":
                assert cell["outputs"] == []
                assert cell["execution_count"] is None
                ast.parse("".join(line for line in cell["source"] if not line.startswith("%")))


def test_pages_read_well_without_a_build(page):
    """No roles and targets, which a forge shows as they are; what Sphinx fills in is announced in words."""
    text = page.read_text()
    assert not re.findall(r"\{[a-z]+(?::[a-z]+)?\}`", text)
    assert not re.findall(r"^\([\w-]+\)=$", text, re.M)
    if "```{eval-rst}" in text:
        assert "module" in text.partition("```{eval-rst}")[0]


def test_concepts_are_few_and_each_is_one_sentence(root):
    text = (root / "docs/concepts.md").read_text()
    concepts = dict(re.findall(r"^\*\*(.+)\*\*\n: ((?:.+\n)+)", text + "\n", re.M))
    assert 0 < len(concepts) <= 15
    assert text.count("**") == 2 * len(concepts)
    for word, said in concepts.items():
        plain = re.sub(r"\([^()]*(?:\([^()]*\))?[^()]*\)|`[^`]*`", "", said).strip()
        assert len(re.findall(r"[.!?](?:\s|$)", plain)) == 1, word
    for page in ("index.md", "llms.txt"):
        assert "(concepts.md)" in (root / "docs" / page).read_text()
