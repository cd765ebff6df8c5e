"""Saving, checking and loading weights."""

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import cache
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import Tensor, nn

from hepreco.errors import WeightsError
from hepreco.weights.manifest import TENSORS, Manifest, read_manifest, write_manifest


def save_weights(directory: Path, tensors: Mapping[str, Tensor], manifest: Manifest) -> Manifest:
    """Write tensors and manifest into a directory; returns the manifest with the hash of what was written."""
    directory.mkdir(parents=True, exist_ok=True)
    data = save({name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()})
    (directory / TENSORS).write_bytes(data)
    manifest = replace(manifest, sha256=hashlib.sha256(data).hexdigest())
    write_manifest(directory, manifest)
    return manifest


def read_weights(directory: Path) -> tuple[dict[str, Tensor], Manifest]:
    """Tensors and manifest of a directory of weights.

    Raises
    ------
    WeightsError
        The weights are missing, or do not have the hash that the manifest states.
    """
    manifest = read_manifest(directory)
    path = directory / TENSORS
    try:
        data = path.read_bytes()
    except OSError as error:
        raise WeightsError(
            f"cannot read {path}: {error.strerror}", "train the weights, or install them again"
        ) from None
    found = hashlib.sha256(data).hexdigest()
    if found != manifest.sha256:
        raise WeightsError(
            f"{path} is not what its manifest describes: sha256 {found[:12]}…, expected {manifest.sha256[:12]}…",
            "the file was changed or cut short: train the weights, or install them again",
        )
    try:
        return load(data), manifest
    except SafetensorError as error:
        raise WeightsError(f"{path} is not a safetensors file: {error}", "install the weights again") from None


@cache
def load_network(
    build: Callable[..., nn.Module], *, directory: Path, device: str, dtype: torch.dtype = torch.float64
) -> nn.Module:
    """The trained network, ready for inference: built once in each process, shared by every chunk.

    ``build(**manifest.network)`` must give a module with exactly the stored parameters. The default of double
    precision makes the result of an event independent of the batch it came in, once rounded to NanoAOD's float32.

    Raises
    ------
    WeightsError
        The weights are missing or tampered with, or were made for another network.
    """
    tensors, manifest = read_weights(directory)
    try:
        network = build(**manifest.network)
        network.load_state_dict(tensors)
    except (TypeError, RuntimeError) as error:
        raise WeightsError(
            f"the weights in {directory} were made for another network: {error}", "train them for this one"
        ) from None
    return network.to(device=device, dtype=dtype).eval().requires_grad_(requires_grad=False)
