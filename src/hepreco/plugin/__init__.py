"""What a plugin is: the hook, the contract of a reconstructor, and the registry of those installed."""

from hepreco.plugin.columns import Axis, Column, Reason, attachable
from hepreco.plugin.interface import (
    Checkpoint,
    Reconstructor,
    SelfTrainable,
    SupervisedTrainable,
    Trainable,
    TrainingOptions,
)
from hepreco.plugin.manager import BrokenPlugin, PluginRegistry, RegisteredPlugin, discover
from hepreco.plugin.spec import API_VERSION, hookimpl

__all__ = [
    "API_VERSION",
    "Axis",
    "BrokenPlugin",
    "Checkpoint",
    "Column",
    "PluginRegistry",
    "Reason",
    "Reconstructor",
    "RegisteredPlugin",
    "SelfTrainable",
    "SupervisedTrainable",
    "Trainable",
    "TrainingOptions",
    "attachable",
    "discover",
    "hookimpl",
]
