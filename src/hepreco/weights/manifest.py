"""What is known about a set of trained weights."""

import hashlib
import tomllib
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Final

import cattrs
import tomli_w

from hepreco.errors import WeightsError

MANIFEST: Final = "weights.toml"
TENSORS: Final = "weights.safetensors"

#: What a manifest holds of an argument that builds a network.
Option = int | float | str | list[int] | list[str]


@dataclass(frozen=True)
class Manifest:
    """The card of a set of weights, stored as ``weights.toml`` beside them.

    Parameters
    ----------
    sha256
        Hash of the safetensors file.
    network
        Keyword arguments that build the network.
    sample
        What it was trained on, in words that let a reader regenerate it.
    seed
        Seed of initialisation and shuffling.
    command
        The command that trained it.
    metrics
        What it reached, by name.
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


def read_manifest(directory: Path) -> Manifest:
    """The manifest in a directory of weights; :class:`~hepreco.errors.WeightsError` where there is none.

    Of a file alone, such as a model that was trained elsewhere, nothing is known but its name and its hash.
    """
    if directory.is_file():
        found = hashlib.sha256(directory.read_bytes()).hexdigest()
        return Manifest(found, {}, sample=f"{directory.name}, without a manifest", seed=0, command="", hepreco="")
    path = directory / MANIFEST
    converter = cattrs.Converter(forbid_extra_keys=True)
    converter.register_structure_hook(Option, lambda value, _: value)
    try:
        return converter.structure(tomllib.loads(path.read_text()), Manifest)
    except OSError as error:
        raise WeightsError(
            f"no weights in {directory}: {error.strerror}", "train them, or install them again"
        ) from None
    except (ValueError, RecursionError, cattrs.BaseValidationError) as error:
        problem = (
            "; ".join(cattrs.transform_error(error)) if isinstance(error, cattrs.BaseValidationError) else str(error)
        )
        raise WeightsError(
            f"{path} is not a manifest of weights: {problem}", "train them, or install them again"
        ) from None


def write_manifest(directory: Path, manifest: Manifest) -> None:
    """Store the manifest as TOML."""
    (directory / MANIFEST).write_text(tomli_w.dumps(asdict(manifest)))
