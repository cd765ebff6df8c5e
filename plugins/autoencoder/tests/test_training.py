from dataclasses import replace
from pathlib import Path

import pytest
import torch

from hepreco.errors import DatasetError
from hepreco.events import EventBatch
from hepreco.plugin import TrainedNetwork, TrainingOptions
from hepreco.training import split
from hepreco.weights import Card, read_card, save_weights
from hepreco_autoencoder import Autoencoder, AutoencoderReconstructor, network_inputs, reconstruction_error

#: Single against double precision.
CLOSE = 1e-4

OPTIONS = TrainingOptions(epochs=12, batch_size=50, learning_rate=3e-3, seed=2)


def trained(batch: EventBatch, options: TrainingOptions = OPTIONS) -> TrainedNetwork:
    return AutoencoderReconstructor().train({"events": batch}, options, report=lambda _epoch, _losses: None)


@pytest.fixture(scope="module")
def checkpoint(many: EventBatch) -> TrainedNetwork:
    return trained(many)


def test_training_lowers_the_loss(checkpoint: TrainedNetwork, many: EventBatch) -> None:
    losses = checkpoint.history["validation_loss"]
    assert losses[-1] < 0.7 * losses[0]
    assert checkpoint.metrics["validation_loss"] == min(losses)
    assert checkpoint.metrics["training_events"] + checkpoint.metrics["validation_events"] == len(many)
    assert set(checkpoint.history) == {"training_loss", "validation_loss"}
    assert all(tensor.dtype == torch.float32 for tensor in checkpoint.tensors.values())


def test_stored_weights_give_the_loss_that_training_reached(
    checkpoint: TrainedNetwork, many: EventBatch, tmp_path: Path
) -> None:
    manifest = Card("", dict(checkpoint.network), "random jets", OPTIONS.seed, "", "", dict(checkpoint.metrics))
    save_weights(tmp_path, checkpoint.tensors, manifest)
    assert read_card(tmp_path).network == checkpoint.network
    reconstructor = AutoencoderReconstructor(weights_directory=str(tmp_path))
    error = reconstructor.reconstruct(many)["error"]
    network = Autoencoder(objects=6, hidden=(64, 64), latent=6, scale=100.0)
    network.load_state_dict(checkpoint.tensors)
    with torch.no_grad():
        expected = reconstruction_error(network, network_inputs(many, objects=6).float())
    torch.testing.assert_close(error, expected.double(), rtol=CLOSE, atol=0)
    _, validation = split(many, fraction=OPTIONS.validation_fraction, seed=OPTIONS.seed)
    score = reconstructor.reconstruct(validation)["error"].mean().item()
    assert score == pytest.approx(checkpoint.metrics["validation_loss"], rel=CLOSE)


def test_one_seed_gives_one_network(checkpoint: TrainedNetwork, many: EventBatch) -> None:
    again, other = trained(many), trained(many, replace(OPTIONS, seed=3))
    for name, tensor in checkpoint.tensors.items():
        assert torch.equal(again.tensors[name], tensor)
        assert not torch.equal(other.tensors[name], tensor)


def test_an_interrupted_training_goes_on(checkpoint: TrainedNetwork, many: EventBatch, tmp_path: Path) -> None:
    trained(many, replace(OPTIONS, epochs=5, resume_from=tmp_path))
    resumed = trained(many, replace(OPTIONS, resume_from=tmp_path))
    assert resumed.history == checkpoint.history
    assert all(torch.equal(resumed.tensors[name], tensor) for name, tensor in checkpoint.tensors.items())


def test_too_few_events(many: EventBatch) -> None:
    with pytest.raises(DatasetError, match="sample has no events"):
        trained(many[:1])
