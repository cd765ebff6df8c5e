import hashlib

import pytest
import torch
from torch import nn

from hepreco.errors import WeightsError
from hepreco.weights import Card, load_network, read_card, read_weights, save_weights


def linear(*, width: int) -> nn.Linear:
    return nn.Linear(width, 1)


@pytest.fixture
def directory(tmp_path):
    torch.manual_seed(1)
    network = linear(width=3)
    manifest = Card("", {"width": 3}, "a sample", 1, "hepreco train", "0.1", {"loss": 0.5})
    save_weights(tmp_path / "w", network.state_dict(), manifest)
    return tmp_path / "w"


def test_round_trip(directory):
    tensors, manifest = read_weights(directory)
    assert manifest.network == {"width": 3}
    assert manifest.metrics == {"loss": 0.5}
    network = load_network(linear, directory=directory, device="cpu")
    torch.testing.assert_close(network.weight, tensors["weight"].double())
    assert not network.training
    assert not network.weight.requires_grad


def test_directories_are_made_and_used_again(tmp_path):
    for seed in (1, 2):
        manifest = Card("", {}, "a sample", seed, "hepreco train", "0.1")
        written = save_weights(tmp_path / "some" / "where", {"w": torch.ones(seed)}, manifest)
        assert read_card(tmp_path / "some" / "where") == written
    assert read_weights(tmp_path / "some" / "where")[0]["w"].tolist() == [1.0, 1.0]


def test_modules_that_are_used_twice_are_kept(tmp_path):
    def twice() -> nn.Sequential:
        layer = nn.Linear(2, 2)
        return nn.Sequential(layer, layer)

    save_weights(tmp_path, twice().state_dict(), Card("", {}, "a sample", 1, "hepreco train", "0.1"))
    one, other = load_network(twice, directory=tmp_path, device="cpu")
    assert one is other
    torch.testing.assert_close(one.weight, read_weights(tmp_path)[0]["1.weight"].double())


def test_loaded_once_per_process(directory):
    assert load_network(linear, directory=directory, device="cpu") is load_network(
        linear, directory=directory, device="cpu"
    )


def test_weights_of_other_options_are_refused(directory):
    assert load_network(linear, directory=directory, device="cpu", options={"width": 3}).in_features == 3
    assert load_network(linear, directory=directory, device="cpu").in_features == 3
    with pytest.raises(WeightsError, match=r"with \{'width': 3\}, but the options say \{'width': 4\}"):
        load_network(linear, directory=directory, device="cpu", options={"width": 4})


def test_missing_weights(tmp_path, directory):
    with pytest.raises(WeightsError, match="no weights in"):
        read_card(tmp_path / "elsewhere")
    (directory / "weights.safetensors").unlink()
    with pytest.raises(WeightsError, match="cannot read"):
        read_weights(directory)


@pytest.mark.parametrize("position", [0, -1])
def test_one_changed_byte_is_noticed(directory, position):
    path = directory / "weights.safetensors"
    data = bytearray(path.read_bytes())
    data[position] ^= 1
    path.write_bytes(data)
    expected, found = read_card(directory).sha256[:12], hashlib.sha256(data).hexdigest()[:12]
    with pytest.raises(WeightsError, match=f"sha256 {found}…, expected {expected}…"):
        read_weights(directory)


def test_a_manifest_with_other_keys_is_refused(directory):
    path = directory / "weights.toml"
    path.write_text("colour = 3\n" + path.read_text())
    with pytest.raises(WeightsError, match="colour"):
        read_card(directory)


def test_weights_of_another_network_are_refused(directory):
    def deeper(*, width: int) -> nn.Module:
        return nn.Sequential(nn.Linear(width, 1), nn.Linear(1, 1))

    with pytest.raises(WeightsError, match="another network"):
        load_network(deeper, directory=directory, device="cpu")
