"""docs/llms.txt, and a program that follows it."""

import json
import re
import tomllib
from pathlib import Path

import pytest

from hepreco.config import read_config


@pytest.fixture(scope="module")
def driven(once, shell):
    """What the client says after a whole analysis."""
    client = Path(__file__).with_name("client.py")

    def drive(directory):
        (directory / "said.json").write_text(shell(str(client), str(directory), cwd=directory))

    return json.loads((once("client", drive) / "said.json").read_text())


def test_a_program_drives_an_analysis(driven):
    answer = driven["answer"]
    assert answer["report"]["complete"] is True
    assert answer["report"]["events"] == {"ttbar": 600}
    assert driven["histogram"] in answer["histograms"]
    assert {"report.json", "studies.json", "histograms.zip"} <= set(answer["files"])
    (peak,) = answer["studies"]["mass_peaks"]
    assert peak["histogram"] == driven["histogram"]
    assert 165 < peak["position"]["value"] < 180  # the mass of the top quark, with 600 events


def test_a_program_learns_what_is_wrong(driven):
    assert driven["error"]["kind"] == "ConfigError"
    assert "did you mean 'mass_peaks'?" in driven["error"]["problem"]
    assert "docs/reference/configuration.md" in driven["error"]["remedy"]


def test_its_toml_is_understood(root, tmp_path):
    text = (root / "docs/llms.txt").read_text()
    (block,) = re.findall(r"^ *```toml\n(.*?)^ *```", text, re.M | re.S)
    path = tmp_path / "analysis.toml"
    path.write_text("\n".join(line.strip() for line in block.splitlines()))
    assert tomllib.loads(path.read_text()).keys() == {"datasets", "plugins", "mass_peaks"}
    read_config(path).check_studies()


def test_its_links_lead_somewhere(root):
    targets = re.findall(r"\]\(([^)#]+)\)", (root / "docs/llms.txt").read_text())
    assert targets
    for target in targets:
        assert (root / "docs" / target).exists(), target
