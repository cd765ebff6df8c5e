"""Saves, checks and loads weights."""

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import Final, TypeVar, cast

import torch
from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import Tensor, nn

from hepreco.errors import WeightsError
from hepreco.weights.card import TENSORS, Card, Option, read_card, write_card

Network = TypeVar("Network", bound=nn.Module)
#: Networks that a process keeps in memory; of more, the least recently used one is dropped.
_KEPT: Final = 32


def save_weights(directory: Path, tensors: Mapping[str, Tensor], card: Card) -> Card:
    """Write tensors and card into a directory; returns the card with the hash of what was written."""
    directory.mkdir(parents=True, exist_ok=True)
    # Clones, since the format refuses tensors that share memory, such as those of a module that is used twice.
    data = save({name: tensor.detach().cpu().contiguous().clone() for name, tensor in tensors.items()})
    (directory / TENSORS).write_bytes(data)
    card = replace(card, sha256=hashlib.sha256(data).hexdigest())
    write_card(directory, card)
    return card


def read_weights(directory: Path) -> tuple[dict[str, Tensor], Card]:
    """Tensors and card of a directory of weights.

    Raises
    ------
    WeightsError
        The weights are missing, or do not have the hash that the card states.
    """
    card = read_card(directory)
    path = directory / TENSORS
    try:
        data = path.read_bytes()
    except OSError as error:
        raise WeightsError(
            f"cannot read {path}: {error.strerror}", "train the weights, or install them again"
        ) from None
    found = hashlib.sha256(data).hexdigest()
    if found != card.sha256:
        raise WeightsError(
            f"{path} is not what its card describes: sha256 {found[:12]}…, expected {card.sha256[:12]}…",
            "the file was changed or cut short: train the weights, or install them again",
        )
    try:
        return load(data), card
    except SafetensorError as error:
        raise WeightsError(f"{path} is not a safetensors file: {error}", "install the weights again") from None


def load_network(
    build: Callable[..., Network],
    *,
    directory: Path,
    device: str,
    dtype: torch.dtype = torch.float64,
    options: Mapping[str, Option] | None = None,
) -> Network:
    """The trained network, ready for inference, built once per process and shared by all chunks.

    ``build(**card.network)`` must give a module with exactly the stored parameters. Where ``options`` are given,
    all arguments of ``build`` with sequences as lists, the card must say the same. The default of double precision
    makes the result of an event independent of the batch it came in, once rounded to NanoAOD's float32.

    Raises
    ------
    WeightsError
        The weights are missing, have been changed, or were made for another network.
    """
    network, trained = cast("tuple[Network, Mapping[str, Option]]", _load(build, directory, device, dtype))
    if options is not None and trained != options:
        raise WeightsError(
            f"the weights in {directory} were trained with {trained}, but the options say {dict(options)}",
            "set the options that the weights were trained with, or train weights for these options",
        )
    return network


@lru_cache(maxsize=_KEPT)
def _load(
    build: Callable[..., nn.Module], directory: Path, device: str, dtype: torch.dtype
) -> tuple[nn.Module, Mapping[str, Option]]:
    """The network, and the arguments that built it."""
    tensors, card = read_weights(directory)
    try:
        network = build(**card.network)
        network.load_state_dict(tensors)
    except (TypeError, RuntimeError) as error:
        raise WeightsError(
            f"the weights in {directory} were made for another network: {error}", "train them for this one"
        ) from None
    return network.to(device=device, dtype=dtype).eval().requires_grad_(requires_grad=False), card.network
