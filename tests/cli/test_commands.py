"""The commands beside ``run``, as a user types them."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from hepreco.cli import main
from hepreco.generation import Sample, write_sample
from hepreco.histograms import read_histograms
from hepreco.weights import read_manifest


def hepreco(*arguments: object) -> Result:
    return CliRunner(env={"COLUMNS": "160"}).invoke(main, [str(argument) for argument in arguments])


def test_help_lists_every_command():
    output = hepreco("--help").output
    for command in ("run", "plot", "plugins", "generate", "train", "new-plugin"):
        assert f"  {command} " in output


def test_plugins_list_and_info():
    listed = hepreco("plugins", "list")
    assert listed.exit_code == 0
    assert "hepreco-chi2-assigner" in listed.output
    described = hepreco("plugins", "info", "autoencoder")
    assert described.exit_code == 0
    for word in ("Options", "Inputs", "Outputs", "error", "weights:"):
        assert word in described.output


def test_plugins_check_runs_the_kit():
    checked = hepreco("plugins", "check", "autoencoder")
    assert checked.exit_code == 0, checked.output
    assert checked.output.count("passed") >= 12


def test_unknown_plugin_is_refused():
    result = hepreco("plugins", "info", "autoencodr")
    assert result.exit_code == 2
    assert "did you mean 'autoencoder'" in result.output


def test_generate_then_train_then_use(tmp_path: Path):
    sample = tmp_path / "toy.root"
    assert hepreco("generate", "ttbar-hadronic", "--events", 1500, "--seed", 4, "--output", sample).exit_code == 0
    trained = hepreco(
        "train", "autoencoder", "--files", sample, "--output", tmp_path / "w", "--epochs", 3, "--option", "latent=4"
    )
    assert trained.exit_code == 0, trained.output
    assert len(json.loads((tmp_path / "w" / "history.json").read_text())["validation_loss"]) == 3
    manifest = read_manifest(tmp_path / "w")
    assert manifest.network["latent"] == 4
    assert manifest.sample == "toy.root"
    assert not (tmp_path / "w" / "checkpoint").exists()
    (tmp_path / "a.toml").write_text(
        '[datasets.a]\nfiles = ["toy.root"]\n[plugins.autoencoder]\nlatent = 4\n'
        f'weights_directory = "{tmp_path / "w"}"\n'
    )
    used = hepreco("run", tmp_path / "a.toml", "--output", tmp_path / "out", "--no-figures")
    assert used.exit_code == 0, used.output
    assert (
        read_histograms(tmp_path / "out" / "histograms.zip").histograms["autoencoder.error"].sum(flow=True).value > 100
    )
    recorded = json.loads((tmp_path / "out" / "report.json").read_text())["provenance"]["plugins"]["autoencoder"]
    assert recorded["weights"] == manifest.sha256


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        (("train", "chi2-assigner", "--files", "x", "--output", "w"), "no weights to train"),
        (("train", "autoencoder", "--files", "absent.root", "--output", "w"), "no such file"),
        (("train", "autoencoder", "--files", "x", "--output", "w", "--option", "latent=="), "cannot read --option"),
        (("plot", "nowhere"), "cannot read histograms"),
        (("run", "nowhere.toml", "--output", "out", "--executor", "futures", "--scheduler", "tcp://x"), "nowhere.toml"),
    ],
)
def test_what_cannot_be_done_is_refused_with_advice(arguments, word, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    result = hepreco(*arguments)
    assert result.exit_code == 2
    assert word in result.output
    assert "what to do" in result.output


def test_a_toy_is_made_once_and_kept(tmp_path: Path):
    (tmp_path / "a.toml").write_text('[datasets.a]\nsample = { process = "bbbar", events = 50 }\n')
    made = []
    for _ in range(2):
        assert hepreco("run", tmp_path / "a.toml", "--output", tmp_path / "out", "--no-figures").exit_code == 0
        (sample,) = (tmp_path / "out" / "samples").iterdir()
        made.append(sample.stat().st_mtime_ns)
    assert made[0] == made[1]


def test_files_replace_datasets_and_keep_their_cross_section(tmp_path: Path):
    write_sample(Sample("bbbar", 40), tmp_path / "one.root")
    write_sample(Sample("bbbar", 30, seed=2), tmp_path / "two.root")
    (tmp_path / "a.toml").write_text(
        'luminosity = 2.0\n[datasets.a]\nfiles = ["absent.root"]\ncross_section = 5.0\n[[histograms]]\nname = "met"\n'
        'columns = ["PuppiMET.pt"]\naxis = { bins = 5, start = 0, stop = 100 }\n'
    )
    arguments = ("run", tmp_path / "a.toml", "--output", tmp_path / "out", "--no-figures")
    result = hepreco(*arguments, "--files", f"a={tmp_path}/*.root")
    assert result.exit_code == 0, result.output
    flow = read_histograms(tmp_path / "out" / "histograms.zip").histograms["cutflow"]
    assert flow[{"variation": "nominal", "cut": "all", "dataset": "a"}].value == pytest.approx(5.0 * 2.0 * 1000)
    assert hepreco(*arguments, "--files", tmp_path / "one.root", "--files", tmp_path / "two.root").exit_code == 0
    report = json.loads((tmp_path / "out" / "report.json").read_text())
    assert report["events"] == {"one": 40, "two": 30}
