"""Reconstruction plugins for NanoAOD columns inside coffea processors.

The public names below are imported when they are first used, so that ``import hepreco`` stays light.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from hepreco._version import __version__ as __version__
    from hepreco.errors import HepRecoError as HepRecoError
    from hepreco.events import EventBatch as EventBatch
    from hepreco.events import InputSpec as InputSpec
    from hepreco.events import NanoAODSchema as NanoAODSchema
    from hepreco.events import ObjectSpec as ObjectSpec
    from hepreco.plugin import Column as Column
    from hepreco.plugin import Reconstructor as Reconstructor
    from hepreco.plugin import hookimpl as hookimpl
    from hepreco.processing import ReconstructionProcessor as ReconstructionProcessor

_HOME = {
    "__version__": "hepreco._version",
    "Column": "hepreco.plugin",
    "EventBatch": "hepreco.events",
    "HepRecoError": "hepreco.errors",
    "InputSpec": "hepreco.events",
    "NanoAODSchema": "hepreco.events",
    "ObjectSpec": "hepreco.events",
    "ReconstructionProcessor": "hepreco.processing",
    "Reconstructor": "hepreco.plugin",
    "hookimpl": "hepreco.plugin",
}

__all__ = list(_HOME)


def __getattr__(name: str) -> object:
    if name not in _HOME:
        raise AttributeError(f"module 'hepreco' has no attribute {name!r}")
    return getattr(import_module(_HOME[name]), name)
