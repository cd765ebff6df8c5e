"""``hepreco train --config`` trains on exactly what a run gives the plugin."""

from pathlib import Path

import pytest
import tomli_w
import torch
from click.testing import CliRunner

from hepreco.cli import main
from hepreco.config import read_config
from hepreco.events import Dataset, read_batch
from hepreco.processing import ReconstructionProcessor, make_executor, read_selected, run
from hepreco_autoencoder import AutoencoderReconstructor

OBJECTS = {"jets": {"collection": "Jet", "where": ["pt > 40", "|eta| < 2.0"]}}
SELECTION = [{"name": "five jets", "collection": "jets", "at_least": 5}]


@pytest.fixture
def analysis(hadronic: Dataset, tmp_path: Path) -> Path:
    """A configuration of an autoencoder that reads selected jets."""
    table = {
        "datasets": {"ttbar": {"files": list(hadronic.files)}, "again": {"files": list(hadronic.files)}},
        "objects": OBJECTS,
        "selection": SELECTION,
        "plugins": {"mine": {"plugin": "autoencoder", "latent": 3, "objects": {"jets": "jets"}}},
    }
    path = tmp_path / "analysis.toml"
    path.write_bytes(tomli_w.dumps(table).encode())
    return path


def train(*arguments: object):
    words = ["train", "autoencoder", *map(str, arguments)]
    return CliRunner(env={"COLUMNS": "300"}).invoke(main, words)


def test_a_batch_for_training_is_what_the_plugin_is_given(hadronic, analysis, monkeypatch):
    given = []
    reconstruct = AutoencoderReconstructor.reconstruct
    monkeypatch.setattr(
        AutoencoderReconstructor, "reconstruct", lambda self, batch: given.append(batch) or reconstruct(self, batch)
    )
    config = read_config(analysis)
    processor = ReconstructionProcessor(
        {"mine": AutoencoderReconstructor()},
        selection=config.selection,
        objects=config.objects,
        bindings={"mine": {"jets": "jets"}},
        luminosity=1.0,
    )
    with make_executor("iterative") as executor:
        run(processor, [hadronic], executor=executor)
    (seen,) = given
    batch = read_selected(processor, hadronic, "mine")
    assert len(batch) > 20
    for name in ("momenta", "mask", "index", "event_id", "weight"):
        assert torch.equal(getattr(batch, name), getattr(seen, name)), name
    whole = read_batch(hadronic, AutoencoderReconstructor().inputs)
    assert len(whole) > len(batch)


def test_the_command_trains_on_the_selected_events_of_a_dataset(analysis, tmp_path):
    short = ("--epochs", 1, "--config", analysis)
    trained = train(*short, "--dataset", "ttbar", "--output", tmp_path / "one")
    assert trained.exit_code == 0, trained.output
    both = train(*short, "--output", tmp_path / "both")
    assert both.exit_code == 0, both.output
    numbers = [int(result.output.partition("training on ")[2].split()[0]) for result in (trained, both)]
    assert numbers[1] == 2 * numbers[0] > 0
    assert "latent = 3" in (tmp_path / "one" / "weights.toml").read_text()


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        (("--dataset", "ttbar"), "--config"),
        (("--config", "{analysis}", "--dataset", "ttbarr"), "its datasets are ttbar, again"),
        (("--config", "{analysis}", "--files", "x.root"), "give --files, or --config"),
        ((), "give --files, or --config"),
    ],
)
def test_what_cannot_be_is_refused(analysis, tmp_path, arguments, word):
    words = [argument.format(analysis=analysis) for argument in arguments]
    refused = train(*words, "--output", tmp_path / "out")
    assert refused.exit_code != 0
    assert word in refused.output


def test_a_configuration_without_the_plugin_is_refused(analysis, tmp_path):
    analysis.write_text("[datasets.x]\nfiles = ['x.root']\n")
    refused = train("--config", analysis, "--output", tmp_path / "out")
    assert refused.exit_code != 0
    assert "0 tables of the plugin 'autoencoder'" in refused.output
