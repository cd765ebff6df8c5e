"""An autoencoder of the leading jets: its reconstruction error is large for events unlike those of the training."""

from collections.abc import Callable
from typing import Final

from hepreco.plugin import Reconstructor, hookimpl
from hepreco_autoencoder.network import Autoencoder, reconstruction_error
from hepreco_autoencoder.reconstructor import AutoencoderReconstructor, network_inputs

HEPRECO_API_VERSION: Final = 2

__all__ = [
    "Autoencoder",
    "AutoencoderReconstructor",
    "network_inputs",
    "reconstruction_error",
]


@hookimpl
def hepreco_register_reconstructors(register: Callable[[str, type[Reconstructor]], None]) -> None:
    """Offer the reconstructor under the name ``autoencoder``."""
    register("autoencoder", AutoencoderReconstructor)
