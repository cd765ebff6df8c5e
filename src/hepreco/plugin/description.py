"""Makes the manifest of a module of plugins."""

from importlib.metadata import EntryPoint

from hepreco.plugin.entry_points import GROUP
from hepreco.plugin.interface import Reconstructor, Trainable
from hepreco.plugin.manager import Kind, Plugin, load
from hepreco.plugin.manifest import Manifest, ManifestEntry
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


def describe_plugin(name: str, plugin_class: type[Plugin]) -> ManifestEntry:
    """One plugin of a manifest."""
    trains_on = plugin_class.trains_on if issubclass(plugin_class, Trainable) else None
    kind: Kind = "reconstructor" if issubclass(plugin_class, Reconstructor) else "correction"
    return ManifestEntry(name, kind, summary_of(plugin_class), trains_on, schema_of(plugin_class))
