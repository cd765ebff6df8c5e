"""Runs a model of the user from its file and a description in TOML."""

from collections.abc import Callable
from typing import Final

from hepreco.plugin import Reconstructor, hookimpl
from hepreco_models.columns import ModelOutput
from hepreco_models.features import Case, Feature
from hepreco_models.reconstructor import ModelReconstructor
from hepreco_models.tensors import ModelInput

HEPRECO_API_VERSION: Final = 2

__all__ = ["Case", "Feature", "ModelInput", "ModelOutput", "ModelReconstructor"]


@hookimpl
def hepreco_register_reconstructors(register: Callable[[str, type[Reconstructor]], None]) -> None:
    """Offer the reconstructor under the name ``models``."""
    register("models", ModelReconstructor)
