"""What the documentation takes from the code is what the code says now."""

import importlib.util
import json
import re
import tomllib

import jsonschema
import pytest

from hepreco.config import configuration_schema
from hepreco.plugin.listing import announced_plugins


@pytest.fixture(scope="module")
def generate(root):
    spec = importlib.util.spec_from_file_location("docs_generate", root / "docs/generate.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("name", ["SCHEMA", "CONFIGURATION", "COMMANDS"])
def test_pages_are_current(generate, name):
    page = getattr(generate, name)
    assert page.read_text() == generate.pages()[page], "run: python docs/generate.py"


@pytest.fixture(scope="module")
def schema():
    schema = configuration_schema(announced_plugins())
    jsonschema.Draft202012Validator.check_schema(schema)
    return jsonschema.Draft202012Validator(schema)


def test_analyses_are_valid(root, schema):
    analyses = sorted((root / "analyses").glob("*/*.toml"))
    assert len(analyses) >= 4
    for path in analyses:
        schema.validate(tomllib.loads(path.read_text()))


@pytest.mark.parametrize(
    ("toml", "place"),
    [
        ("luminosty = 1.0", []),
        ('luminosity = "1.0"', ["luminosity"]),
        ('[datasets.a]\nfiles = "a.root"', ["datasets", "a", "files"]),
        ('[datasets.a]\nsample = { process = "bbbar" }', ["datasets", "a", "sample"]),
        ('[plugins.chi2-assigner]\nbtag = "b"', ["plugins", "chi2-assigner"]),
        ('[plugins.chi2-assigner]\nchannel = "hadronic"', ["plugins", "chi2-assigner", "channel"]),
        ('[[mass_peaks]]\nhistogram = "a"\ndataset = "b"\nwindow = [1]', ["mass_peaks", 0, "window"]),
    ],
)
def test_what_is_wrong_is_marked(schema, toml, place):
    errors = list(schema.iter_errors(tomllib.loads(toml)))
    assert [list(error.absolute_path) for error in errors] == [place]


def test_a_plugin_under_another_name_is_open(schema):
    schema.validate(tomllib.loads('[plugins.tagged]\nplugin = "chi2-assigner"\nb_tag = "btagDeepFlavB"'))


def test_the_committed_schema_is_json_without_infinities(root):
    text = (root / "docs/reference/analysis.schema.json").read_text()
    assert not re.search(r"Infinity|NaN", text)
    assert json.loads(text)["additionalProperties"] is False
