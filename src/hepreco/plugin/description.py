"""What a module of plugins says of itself, for its manifest."""

from importlib.metadata import EntryPoint

from hepreco.plugin.entry_points import GROUP
from hepreco.plugin.interface import Reconstructor, Trainable
from hepreco.plugin.manager import load
from hepreco.plugin.manifest import Manifest, ManifestEntry
from hepreco.plugin.schemas import schema_of, summary_of


def describe_module(module: str | EntryPoint) -> Manifest:
    """The manifest of a module that registers plugins: imported, and asked.

    Raises
    ------
    PluginError
        The module does not keep the contract, or a plugin has options that no configuration can hold.
    """
    entry = EntryPoint(module, module, GROUP) if isinstance(module, str) else module
    plugins = tuple(describe_plugin(each.name, each.reconstructor) for each in load(entry))
    return Manifest(entry.load().HEPRECO_API_VERSION, plugins)


def describe_plugin(name: str, reconstructor: type[Reconstructor]) -> ManifestEntry:
    """One plugin of a manifest."""
    trains_on = reconstructor.trains_on if issubclass(reconstructor, Trainable) else None
    return ManifestEntry(name, "reconstructor", summary_of(reconstructor), trains_on, schema_of(reconstructor))
