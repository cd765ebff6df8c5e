"""Makes the manifest of a module of plugins."""

from importlib.metadata import EntryPoint

from hepreco.plugin.entry_points import GROUP
from hepreco.plugin.interface import Reconstructor, SelfTrainable, SupervisedTrainable, Trainable
from hepreco.plugin.manager import Kind, Plugin, load
from hepreco.plugin.manifest import Manifest, PluginCard
from hepreco.plugin.schemas import schema_of, summary_of


def describe_module(module: str | EntryPoint) -> Manifest:
    """The manifest of a module that registers plugins, which is imported for this.

    Raises
    ------
    PluginError
        The module breaks the contract, or a plugin has options that no configuration can hold.
    """
    entry = EntryPoint(module, module, GROUP) if isinstance(module, str) else module
    plugins = tuple(describe_plugin(each.name, each.plugin_class) for each in load(entry))
    return Manifest(entry.load().HEPRECO_API_VERSION, plugins)


def describe_plugin(name: str, plugin_class: type[Plugin]) -> PluginCard:
    """One plugin of a manifest."""
    trainable = issubclass(plugin_class, Trainable | SupervisedTrainable | SelfTrainable)
    kind: Kind = "reconstructor" if issubclass(plugin_class, Reconstructor) else "correction"
    return PluginCard(name, kind, summary_of(plugin_class), trainable, schema_of(plugin_class))
