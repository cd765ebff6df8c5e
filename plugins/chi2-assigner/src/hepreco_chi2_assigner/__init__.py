"""The classical χ² assignment of jets to t → bW → bqq̄′."""

from collections.abc import Callable
from typing import Final

from hepreco import Reconstructor, hookimpl
from hepreco_chi2_assigner.reconstructor import Chi2Assigner

__all__ = ["Chi2Assigner"]

HEPRECO_API_VERSION: Final = 2


@hookimpl
def hepreco_register_reconstructors(register: Callable[[str, type[Reconstructor]], None]) -> None:
    """Offer the assigner under the name that configurations use."""
    register("chi2-assigner", Chi2Assigner)
