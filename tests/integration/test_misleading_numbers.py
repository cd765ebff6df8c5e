"""Numbers that would mislead, through the command line: right, refused, or said in the terminal and the report."""

import json
from pathlib import Path

import awkward as ak
import numpy as np
import pytest
import uproot
from click.testing import CliRunner, Result

from hepreco.cli import main
from hepreco.histograms import read_histograms

EVENTS = 8
TOML = """
luminosity = 1.0

[datasets.a]
files = ["a.root"]
cross_section = 2.0

[[histograms]]
name = "jet_pt"
columns = ["Jet.pt"]
axis = { bins = 10, start = 0, stop = 200 }
"""


def write_events(path: Path, **replaced: object) -> None:
    """Events of one jet of pt 100 and missing momentum 50, both along φ = 0."""
    jets = {"pt": 100.0, "eta": 0.0, "phi": 0.0, "mass": 10.0}
    branches: dict[str, object] = {
        "run": np.ones(EVENTS, "u4"),
        "luminosityBlock": np.ones(EVENTS, "u4"),
        "event": np.arange(EVENTS, dtype="u8"),
        "genWeight": np.ones(EVENTS, "f4"),
        "MET_pt": np.full(EVENTS, 50, "f4"),
        "MET_phi": np.zeros(EVENTS, "f4"),
        "Jet": ak.zip({name: ak.unflatten(np.full(EVENTS, value, "f4"), 1) for name, value in jets.items()}),
    } | replaced
    branches = {name: ak.from_regular(value) if name == "Jet" else value for name, value in branches.items()}
    with uproot.recreate(path) as file:
        file.mktree("Events", {k: v.type.content if isinstance(v, ak.Array) else v.dtype for k, v in branches.items()})
        file["Events"].extend(branches)


@pytest.fixture
def analysis(tmp_path: Path) -> Path:
    write_events(tmp_path / "a.root")
    (tmp_path / "analysis.toml").write_text(TOML)
    return tmp_path / "analysis.toml"


def run(analysis: Path, *arguments: object) -> Result:
    words = ["run", analysis, "--output", analysis.parent / "out", "--no-figures", *arguments]
    return CliRunner().invoke(main, [str(word) for word in words])


def succeeded(analysis: Path, *arguments: object) -> tuple[str, dict, dict]:
    """The terminal in one line, the report and the histograms."""
    result = run(analysis, *arguments)
    assert result.exit_code == 0, result.output
    out = analysis.parent / "out"
    histograms = read_histograms(out / "histograms.zip").histograms
    return " ".join(result.output.split()), json.loads((out / "report.json").read_text()), histograms


def nominal(histogram):
    return histogram[{"dataset": "a", "variation": "nominal"}]


def test_weights_that_cancel_are_said_and_not_normalised(analysis):
    weight = np.resize(np.float32([1, -1]), EVENTS)
    write_events(analysis.parent / "a.root", genWeight=weight)
    terminal, report, histograms = succeeded(analysis)
    (warning,) = report["warnings"]
    assert "add up to 0, so it is not normalised" in warning
    assert f"warning: {warning}" in terminal
    assert report["scale"] == {"a": 1.0}
    assert nominal(histograms["jet_pt"]).sum().variance == EVENTS


def test_nothing_is_warned_of_where_nothing_is_odd(analysis):
    terminal, report, histograms = succeeded(analysis)
    assert report["warnings"] == []
    assert "warning" not in terminal
    assert nominal(histograms["jet_pt"]).sum().value == pytest.approx(2000.0)


@pytest.mark.parametrize("size", [1e20, 3e38, 1e-30])
def test_weights_of_any_size_give_the_same_expectation(analysis, size):
    write_events(analysis.parent / "a.root", genWeight=np.full(EVENTS, size, "f4"))
    _, report, histograms = succeeded(analysis, "--chunksize", 3)
    total = nominal(histograms["jet_pt"]).sum()
    assert total.value == pytest.approx(2000.0)
    assert total.variance == pytest.approx(2000.0**2 / EVENTS)
    assert report["warnings"] == []


def test_weights_beyond_float32_are_refused(analysis):
    write_events(analysis.parent / "a.root", genWeight=np.full(EVENTS, 1e39))
    result = run(analysis)
    assert result.exit_code == 1
    assert "beyond the range of float32" in result.output


@pytest.mark.parametrize("value", ["-2.0", "0.0", "nan", "inf"])
@pytest.mark.parametrize("key", ["cross_section = 2.0", "luminosity = 1.0"])
def test_a_cross_section_or_luminosity_that_is_not_positive_is_refused(analysis, key, value):
    name = key.partition(" ")[0]
    analysis.write_text(TOML.replace(key, f"{name} = {value}"))
    result = run(analysis)
    assert result.exit_code == 2
    assert f"{name}" in result.output
    assert "give a positive number" in result.output


VARIATION = """
[plugins.kinematic-variables]
missing_momentum = "MET"

[[variations]]
name = "jes_up"
scale = 1.2

[[histograms]]
name = "met"
columns = ["kinematic_variables.missing_pt"]
axis = { bins = 100, start = 0, stop = 100 }
"""


def test_a_variation_reaches_the_missing_momentum_that_a_plugin_reads(analysis):
    analysis.write_text(TOML + VARIATION)
    _, _, histograms = succeeded(analysis)
    for variation, expected in (("nominal", 50), ("jes_up", 30)):
        assert np.argmax(histograms["met"][{"dataset": "a", "variation": variation}].values()) == expected


def test_a_variation_of_another_missing_momentum_is_refused(analysis):
    analysis.write_text(TOML + VARIATION.replace("scale = 1.2", 'scale = 1.2\nmissing_momentum = "PuppiMET"'))
    result = run(analysis)
    assert result.exit_code == 2
    assert "'PuppiMET', but plugin 'kinematic_variables' reads 'MET'" in " ".join(result.output.split())


def test_an_overflow_of_nothing_but_the_end_is_said(analysis):
    analysis.write_text(TOML.replace("stop = 200", "stop = 100"))
    terminal, report, histograms = succeeded(analysis, "--chunksize", 3)
    assert report["overflow"] == {"jet_pt": {"at_stop": EVENTS, "beyond": 0}}
    (warning,) = report["warnings"]
    assert "'jet_pt'" in warning
    assert warning in terminal
    analysis.write_text(TOML.replace("stop = 200", "stop = 100, closed = true"))
    _, report, histograms = succeeded(analysis)
    assert report["warnings"] == []
    assert nominal(histograms["jet_pt"]).values()[-1] == pytest.approx(2000.0)


@pytest.mark.parametrize(
    ("before", "after", "word"),
    [
        ("[datasets.a]", '[datasets."../../escaped"]', "'../../escaped'"),
        ("[datasets.a]", '[datasets."/tmp/escaped"]', "'/tmp/escaped'"),
        ('"jet_pt"', '"../../escaped"', "'../../escaped'"),
        ('"jet_pt"', '"index"', "'index'"),
        ('"jet_pt"', '"provenance"', "'provenance'"),
        ("[[histograms]]", '[plugins."../x"]\nplugin = "chi2-assigner"\n[[histograms]]', "'../x'"),
        ("[[histograms]]", "[plugins.chi2-assigner]\n[plugins.chi2_assigner]\nplugin = 'chi2-assigner'\n[[histograms]]",
         "two tables of plugins would fill events.chi2_assigner"),
        ("bins = 10", "bins = 100000000", "at most 1000000 bins"),
    ],
)  # fmt: skip
def test_names_and_axes_that_cannot_be_are_refused_before_anything_is_written(analysis, before, after, word):
    analysis.write_text(TOML.replace(before, after))
    files = sorted(path.name for path in analysis.parent.parent.iterdir())
    result = run(analysis, "--write-columns", "parquet")
    assert result.exit_code == 2
    assert word in " ".join(result.output.split())
    assert sorted(path.name for path in analysis.parent.parent.iterdir()) == files
    assert not list(analysis.parent.rglob("*escaped*"))
