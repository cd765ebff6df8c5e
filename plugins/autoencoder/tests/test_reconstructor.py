import pickle
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from safetensors.numpy import load_file

from hepreco.errors import ConfigError, WeightsError
from hepreco.events import EventBatch
from hepreco.plugin import discover
from hepreco_autoencoder import AutoencoderReconstructor, network_inputs

#: Double precision, summed in another order.
SAME = 1e-12


def slow_error(event: NDArray[np.float64], mask: NDArray[np.bool_], layers: dict[str, NDArray[np.float32]]) -> float:
    """One event, one loop after the other."""
    jets = sorted((jet for jet, held in zip(event, mask, strict=True) if held), key=lambda jet: -jet[0])[:6]
    x = np.array([component / 100 for jet in jets for component in jet])
    y = x
    for part in ("encoder", "decoder"):
        for position in (0, 2, 4):
            weight, bias = (layers[f"{part}.{position}.{name}"].astype(np.float64) for name in ("weight", "bias"))
            y = weight @ y + bias
            if position < 4:
                y = np.where(y > 0, y, 0)
    return float(sum((a - b) ** 2 for a, b in zip(x, y, strict=True)) / 24)


def test_error_agrees_with_the_slow_formula(untrained: AutoencoderReconstructor, batch: EventBatch) -> None:
    layers = load_file(untrained.weights / "weights.safetensors")
    expected = [slow_error(p, m, layers) for p, m in zip(batch.momenta.numpy(), batch.mask.numpy(), strict=True)]
    error = untrained.reconstruct(batch)["error"]
    assert error.dtype == torch.float64
    np.testing.assert_allclose(error.numpy(), expected, rtol=SAME)


def test_inputs_are_the_leading_jets_in_energy(batch: EventBatch) -> None:
    inputs = network_inputs(batch, objects=6)
    assert inputs.shape == (40, 6, 4)
    energy = inputs[..., 0]
    assert (energy.diff(dim=1) <= 0).all()
    left_out = batch.momenta[..., 0].sort(dim=1, descending=True).values[:, 6]
    assert (energy[:, -1] >= left_out).all()
    assert (batch.momenta[:, :6, 0].sum(dim=1) < energy.sum(dim=1)).any()


def test_order_of_jets_padding_and_company_do_not_matter(
    untrained: AutoencoderReconstructor, batch: EventBatch
) -> None:
    error = untrained.reconstruct(batch)["error"]
    order = torch.randperm(9, generator=torch.Generator().manual_seed(1))
    shuffled = replace(
        batch, **{name: getattr(batch, name)[:, order] for name in ("momenta", "mask", "species", "index")}
    )
    one_by_one = torch.cat([untrained.reconstruct(batch[i : i + 1])["error"] for i in range(len(batch))])
    for other in (
        untrained.reconstruct(shuffled)["error"],
        untrained.reconstruct(batch.padded(13))["error"],
        one_by_one,
    ):
        torch.testing.assert_close(other, error, rtol=SAME, atol=0)


def test_no_events(untrained: AutoencoderReconstructor, batch: EventBatch) -> None:
    assert untrained.reconstruct(batch[:0])["error"].shape == (0,)


def test_setup_finds_missing_weights(tmp_path: Path) -> None:
    reconstructor = AutoencoderReconstructor(weights_directory=str(tmp_path / "nowhere"))
    with pytest.raises(WeightsError, match="no weights in"):
        reconstructor.setup("cpu")


def test_setup_finds_changed_weights(untrained: AutoencoderReconstructor) -> None:
    path = untrained.weights / "weights.safetensors"
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)
    with pytest.raises(WeightsError, match="is not what its card describes"):
        untrained.setup("cpu")


@pytest.mark.parametrize("changed", [{"scale": 1.0}, {"hidden": (32,)}, {"latent": 3}, {"objects": 5}])
def test_setup_finds_weights_of_other_options(untrained: AutoencoderReconstructor, changed: dict[str, Any]) -> None:
    other = replace(untrained, **changed)
    with pytest.raises(WeightsError, match=next(iter(changed))):
        other.setup("cpu")


@pytest.mark.parametrize(
    "wrong", [{"objects": 0}, {"hidden": (64, 0)}, {"latent": -1}, {"scale": 0.0}, {"scale": float("nan")}]
)
def test_options_out_of_range(wrong: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match=f"autoencoder: {next(iter(wrong))} ="):
        AutoencoderReconstructor(**wrong)


def test_it_is_built_from_a_configuration() -> None:
    built = discover()["autoencoder"].build({"where": ["pt > 25"], "hidden": [32, 16], "scale": 50, "latent": 4})
    assert built == AutoencoderReconstructor(where=("pt > 25",), hidden=(32, 16), scale=50.0, latent=4)
    assert pickle.loads(pickle.dumps(built)) == built
    assert hash(built) == hash(pickle.loads(pickle.dumps(built)))


def test_it_asks_for_all_jets_that_pass() -> None:
    (jets,) = AutoencoderReconstructor(objects=4).inputs.objects
    assert (jets.collection, jets.where, jets.at_least, jets.at_most) == ("Jet", ("pt > 30", "|eta| < 2.4"), 4, None)


def test_packaged_weights_are_those_of_the_default_options(batch: EventBatch) -> None:
    reconstructor = AutoencoderReconstructor()
    reconstructor.setup("cpu")
    error = reconstructor.reconstruct(batch)["error"]
    assert (error > 0).all()
    assert error.isfinite().all()
