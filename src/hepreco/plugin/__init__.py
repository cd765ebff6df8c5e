"""What a plugin is: the hook, the contract of a reconstructor, and the registry of those installed.

The public names are imported when they are first used, so that plugins can be listed without torch.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from hepreco.plugin.columns import Axis as Axis
    from hepreco.plugin.columns import Column as Column
    from hepreco.plugin.columns import Reason as Reason
    from hepreco.plugin.columns import attachable as attachable
    from hepreco.plugin.interface import Checkpoint as Checkpoint
    from hepreco.plugin.interface import Reconstructor as Reconstructor
    from hepreco.plugin.interface import SelfTrainable as SelfTrainable
    from hepreco.plugin.interface import SupervisedTrainable as SupervisedTrainable
    from hepreco.plugin.interface import Trainable as Trainable
    from hepreco.plugin.interface import TrainingOptions as TrainingOptions
    from hepreco.plugin.listing import ListedPlugin as ListedPlugin
    from hepreco.plugin.listing import list_plugins as list_plugins
    from hepreco.plugin.manager import BrokenPlugin as BrokenPlugin
    from hepreco.plugin.manager import PluginRegistry as PluginRegistry
    from hepreco.plugin.manager import RegisteredPlugin as RegisteredPlugin
    from hepreco.plugin.manager import discover as discover
    from hepreco.plugin.spec import API_VERSION as API_VERSION
    from hepreco.plugin.spec import hookimpl as hookimpl

_HOME = {
    "API_VERSION": "hepreco.plugin.spec",
    "Axis": "hepreco.plugin.columns",
    "BrokenPlugin": "hepreco.plugin.manager",
    "Checkpoint": "hepreco.plugin.interface",
    "Column": "hepreco.plugin.columns",
    "ListedPlugin": "hepreco.plugin.listing",
    "PluginRegistry": "hepreco.plugin.manager",
    "Reason": "hepreco.plugin.columns",
    "Reconstructor": "hepreco.plugin.interface",
    "RegisteredPlugin": "hepreco.plugin.manager",
    "SelfTrainable": "hepreco.plugin.interface",
    "SupervisedTrainable": "hepreco.plugin.interface",
    "Trainable": "hepreco.plugin.interface",
    "TrainingOptions": "hepreco.plugin.interface",
    "attachable": "hepreco.plugin.columns",
    "discover": "hepreco.plugin.manager",
    "hookimpl": "hepreco.plugin.spec",
    "list_plugins": "hepreco.plugin.listing",
}

__all__ = list(_HOME)


def __getattr__(name: str) -> object:
    if name not in _HOME:
        raise AttributeError(f"module 'hepreco.plugin' has no attribute {name!r}")
    return getattr(import_module(_HOME[name]), name)
