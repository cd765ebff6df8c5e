"""Makes the manifest of a module of plugins."""

from importlib.metadata import EntryPoint

from hepreco.plugin.entry_points import GROUP
from hepreco.plugin.interface import Reconstructor, SelfTrainable, SupervisedTrainable, Trainable
from hepreco.plugin.manager import load
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
    plugins = tuple(describe_plugin(each.name, each.reconstructor) for each in load(entry))
    return Manifest(entry.load().HEPRECO_API_VERSION, plugins)


def describe_plugin(name: str, reconstructor: type[Reconstructor]) -> PluginCard:
    """The entry of one plugin in a manifest."""
    trainable = issubclass(reconstructor, Trainable | SupervisedTrainable | SelfTrainable)
    return PluginCard(name, "reconstructor", summary_of(reconstructor), trainable, schema_of(reconstructor))
