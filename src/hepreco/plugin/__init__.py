"""Plugins: the hook, the contract of a reconstructor, and the registry of installed plugins.

The public names are imported when they are first used, so that plugins can be listed without torch.
"""

from typing import TYPE_CHECKING

from hepreco.lazy import public_names

#: What an interface of version 1 is now.
_GONE = {
    "SupervisedTrainable": "derive from Trainable and set trains_on = 'classes'",
    "SelfTrainable": "derive from Trainable, set trains_on = 'generated', and let train take samples first",
}

if TYPE_CHECKING:
    from hepreco.plugin.columns import Axis as Axis
    from hepreco.plugin.columns import Column as Column
    from hepreco.plugin.columns import Reason as Reason
    from hepreco.plugin.corrections import Correction as Correction
    from hepreco.plugin.corrections import CorrectionInput as CorrectionInput
    from hepreco.plugin.corrections import ObjectCorrection as ObjectCorrection
    from hepreco.plugin.corrections import WeightCorrection as WeightCorrection
    from hepreco.plugin.interface import Reconstructor as Reconstructor
    from hepreco.plugin.interface import Report as Report
    from hepreco.plugin.interface import Trainable as Trainable
    from hepreco.plugin.interface import TrainedNetwork as TrainedNetwork
    from hepreco.plugin.interface import TrainingOptions as TrainingOptions
    from hepreco.plugin.interface import TrainsOn as TrainsOn
    from hepreco.plugin.listing import ListedPlugin as ListedPlugin
    from hepreco.plugin.listing import list_plugins as list_plugins
    from hepreco.plugin.manager import BrokenPlugin as BrokenPlugin
    from hepreco.plugin.manager import PluginRegistry as PluginRegistry
    from hepreco.plugin.manager import RegisteredPlugin as RegisteredPlugin
    from hepreco.plugin.manager import discover as discover
    from hepreco.plugin.spec import API_VERSION as API_VERSION
    from hepreco.plugin.spec import OLDEST_API_VERSION as OLDEST_API_VERSION
    from hepreco.plugin.spec import hookimpl as hookimpl
    from hepreco.weights.card import Option as Option
else:
    __all__, _get, __dir__ = public_names(__name__, __file__, {"Checkpoint": "TrainedNetwork"})

    def __getattr__(name: str) -> object:
        if name in _GONE:
            raise ImportError(f"hepreco.plugin has no {name} since hepreco 0.2: {_GONE[name]}")
        return _get(name)
