"""The list of installed plugins, read from their manifests; only plugins without a manifest are imported."""

from collections import Counter
from dataclasses import dataclass, replace
from importlib.metadata import EntryPoint
from typing import Literal

from hepreco.errors import PluginError, describe
from hepreco.plugin.entry_points import DISABLE, disabled_names, installed, name_clash, version_refusal
from hepreco.plugin.isolation import interrupts
from hepreco.plugin.manifest import Manifest, ManifestEntry, find_manifest

#: ``installed``: described by a manifest, not imported; ``ready``: imported, and keeps the contract.
State = Literal["installed", "ready", "broken", "disabled"]


@dataclass(frozen=True)
class ListedPlugin:
    """One entry of the list.

    Parameters
    ----------
    name, kind, summary
        Name, kind and description of the plugin; one that cannot be imported has the name of its entry point.
    distribution, version
        The distribution that it comes from.
    state, reason
        Whether it can be used, and if not, why.
    """

    name: str
    kind: str = ""
    summary: str = ""
    distribution: str = ""
    version: str = ""
    state: State = "installed"
    reason: str = ""


def list_plugins(*, load: bool = False) -> tuple[ListedPlugin, ...]:
    """All installed plugins in the order of their entry points, disabled ones last.

    Parameters
    ----------
    load
        Import all plugins, so that broken ones are found.
    """
    disabled = disabled_names()
    found = [
        plugin
        for entry in installed()
        if entry.name not in disabled
        for plugin in _listed(entry, load=load)
        if plugin.name not in disabled
    ]
    blocked = [ListedPlugin(name, state="disabled", reason=f"named in {DISABLE}") for name in disabled]
    return (*_without_clashes(found), *blocked)


def _listed(entry: EntryPoint, *, load: bool) -> list[ListedPlugin]:
    distribution = (entry.dist.name, entry.dist.version) if entry.dist else ("unknown", "unknown")
    try:
        manifest = None if load else find_manifest(entry)
    except PluginError:
        manifest = None  # the code describes the plugin instead
    return _announced(manifest, entry, *distribution) if manifest else _imported(entry, *distribution)


def _announced(manifest: Manifest, entry: EntryPoint, distribution: str, version: str) -> list[ListedPlugin]:
    refusal = version_refusal(manifest.api_version, entry.value)
    reason = describe(refusal) if refusal else ""
    state: State = "broken" if reason else "installed"
    return [
        ListedPlugin(plugin.name, plugin.kind, plugin.summary, distribution, version, state, reason)
        for plugin in manifest.plugins
    ]


def _imported(entry: EntryPoint, distribution: str, version: str) -> list[ListedPlugin]:
    with interrupts() as interrupted:
        try:
            from hepreco.plugin.description import describe_module  # noqa: PLC0415  imports torch

            found = describe_module(entry).plugins
            return [ListedPlugin(each.name, each.kind, each.summary, distribution, version, "ready") for each in found]
        except BaseException as error:
            if interrupted():
                raise
            return [ListedPlugin(entry.name, "", "", distribution, version, "broken", describe(error))]


def _without_clashes(found: list[ListedPlugin]) -> list[ListedPlugin]:
    """Marks plugins that share a name as broken, since neither can be used."""
    count = Counter(plugin.name for plugin in found)
    return [
        replace(
            plugin,
            state="broken",
            reason=name_clash(plugin.name, {each.distribution for each in found if each.name == plugin.name}),
        )
        if count[plugin.name] > 1
        else plugin
        for plugin in found
    ]


def announced_plugins() -> tuple[ManifestEntry, ...]:
    """The contents of the manifests of installed plugins; plugins without a manifest are not imported."""
    disabled, found = disabled_names(), []
    for entry in installed():
        try:
            manifest = None if entry.name in disabled else find_manifest(entry)
        except PluginError:
            continue  # 'hepreco plugins list' shows the error
        if manifest and not version_refusal(manifest.api_version, entry.value):
            found += [plugin for plugin in manifest.plugins if plugin.name not in disabled]
    return tuple(found)
