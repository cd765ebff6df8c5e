"""Reconstruction plugins for NanoAOD columns inside coffea processors.

The public names below are imported when they are first used, so that ``import hepreco`` stays light.
"""

from typing import TYPE_CHECKING

from hepreco.lazy import public_names

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
    from hepreco.processing import attach as attach
else:
    __all__, __getattr__, __dir__ = public_names(__name__, __file__)
