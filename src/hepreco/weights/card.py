"""The cards of trained weights."""

import hashlib
import tomllib
from dataclasses import asdict, dataclass, field
from functools import cache
from pathlib import Path
from typing import Final

import cattrs
import tomli_w

from hepreco.errors import WeightsError

CARD: Final = "weights.toml"
TENSORS: Final = "weights.safetensors"

#: What a card holds of an argument that builds a network.
Option = int | float | str | list[int] | list[str]


@dataclass(frozen=True)
class Card:
    """What is known about a set of weights, stored as ``weights.toml`` beside them.

    Parameters
    ----------
    sha256
        Hash of the safetensors file.
    network
        Keyword arguments that build the network.
    sample
        The training sample, described so that a reader can regenerate it.
    seed
        Seed of initialisation and shuffling.
    command
        The command that trained it.
    metrics
        Final values of the metrics by name.
    hepreco
        Version of hepreco that trained it.
    """

    sha256: str
    network: dict[str, Option]
    sample: str
    seed: int
    command: str
    hepreco: str
    metrics: dict[str, float] = field(default_factory=dict)


def read_card(directory: Path) -> Card:
    """The card in a directory of weights; :class:`~hepreco.errors.WeightsError` where there is none.

    Of a file alone, such as a model that was trained elsewhere, nothing is known but its name and its hash.
    """
    if directory.is_file():
        found = hashlib.sha256(directory.read_bytes()).hexdigest()
        return Card(found, {}, sample=f"{directory.name}, without a card", seed=0, command="", hepreco="")
    path = directory / CARD
    try:
        return _converter().structure(tomllib.loads(path.read_text()), Card)
    except OSError as error:
        raise WeightsError(
            f"no weights in {directory}: {error.strerror}", "train them, or install them again"
        ) from None
    except (ValueError, RecursionError, cattrs.BaseValidationError) as error:
        problem = (
            "; ".join(cattrs.transform_error(error)) if isinstance(error, cattrs.BaseValidationError) else str(error)
        )
        raise WeightsError(f"{path} is not a card of weights: {problem}", "train them, or install them again") from None


@cache
def _converter() -> cattrs.Converter:
    converter = cattrs.Converter(forbid_extra_keys=True)
    converter.register_structure_hook(Option, lambda value, _: value)
    return converter


def write_card(directory: Path, card: Card) -> None:
    """Store the card as TOML."""
    (directory / CARD).write_text(tomli_w.dumps(asdict(card)))
