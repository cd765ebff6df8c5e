"""From the histograms of a run to a fit, by commands."""

import json

import pytest
from click.testing import CliRunner
from toy_run import GROUPING, PROCESSES, histogram

from hepreco.cli import main
from hepreco.histograms import write_histograms

TOML = """
[figures]
label = "Work in progress"
most_bins = 10
shapes = true
shifts = ["ttbar"]

[fit]
signal = ["ttbar"]
leave_out = ["scale_*", "pdf_*", "pileup_*"]
template_statistics = false

[[fit.channels]]
histogram = "ht"
region = "4j2b"

[fit.systematics.luminosity]
norm = 0.017
"""


@pytest.fixture
def run(tmp_path):
    """The directory of a run, with a configuration."""
    names = {name: name for name in (*PROCESSES, "data")}
    processes = {
        dataset: {"name": process, "label": GROUPING.labels[process], "colour": "", "order": order}
        for order, (process, datasets) in enumerate(GROUPING.processes.items())
        for dataset in datasets
    }
    provenance = {"labels": names, "processes": processes, "data": ["data"], "periods": dict(GROUPING.periods)}
    histograms = {"ht": histogram(strength=1.2, bins=20)}
    write_histograms(tmp_path / "histograms.zip", histograms, provenance=provenance)
    (tmp_path / "analysis.toml").write_text(TOML)
    return tmp_path


def command(*words, status=0):
    result = CliRunner().invoke(main, [str(word) for word in words])
    assert result.exit_code == status, result.output
    return result.output


def test_figures_of_processes_are_drawn_where_they_are_configured(run):
    command("plot", run, "--config", run / "analysis.toml")
    drawn = {path.stem for path in (run / "figures").glob("*.png")}
    regions = {"ht-4j1b", "ht-4j2b"}
    assert drawn == {"ht", *regions, *(f"{each}-{kind}" for each in regions for kind in ("shapes", "ttbar-shifts"))}


def test_an_export_has_all_that_fitting_programs_read(run):
    said = command("export", run, "--config", run / "analysis.toml")
    assert {path.name for path in (run / "fit").iterdir()} == {
        "workspace.json",
        "templates.root",
        "datacard.txt",
        "notes.json",
    }
    spec = json.loads((run / "fit/workspace.json").read_text())
    assert [sample["name"] for sample in spec["channels"][0]["samples"]] == list(GROUPING.processes)
    notes = json.loads((run / "fit/notes.json").read_text())
    assert {"one-sided"} == {note["kind"] for note in notes}
    assert "one-sided: 4j2b / ttbar / ttbar_generator" in said


def test_a_fit_writes_its_result_and_figures(run):
    pytest.importorskip("cabinetry")
    said = command("fit", run, "--config", run / "analysis.toml", "--asimov")
    found = json.loads((run / "fit/fit.json").read_text())
    assert found["asimov"]
    assert found["parameter"]["value"] == pytest.approx(1.0, abs=0.01)
    assert {path.stem for path in (run / "fit/figures").glob("*.png")} == {
        *("pulls", "ranking", "correlations", "prefit-4j2b", "postfit-4j2b")
    }
    assert "goodness of fit" in said
    again = json.loads(command("fit", run, "--config", run / "analysis.toml", "--no-figures", "--format", "json"))
    assert not again["asimov"]
    assert again["parameter"]["value"] > 1.0


def test_a_configuration_without_fit_is_an_error(run):
    (run / "analysis.toml").write_text("luminosity = 1.0\n")
    assert "has no table [fit]" in command("export", run, "--config", run / "analysis.toml", status=2)


def test_a_channel_of_a_histogram_that_is_not_there_is_an_error(run):
    (run / "analysis.toml").write_text(TOML.replace('"ht"', '"hd"'))
    assert "[[fit.channels]] names the histogram 'hd'" in command(
        "plot", run, "--config", run / "analysis.toml", status=2
    )
