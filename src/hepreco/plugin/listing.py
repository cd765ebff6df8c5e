"""Which plugins are installed, told by their manifests; only those without one are imported."""

from collections import Counter
from dataclasses import dataclass, replace
from importlib.metadata import EntryPoint
from typing import Literal

from hepreco.errors import PluginError, describe
from hepreco.plugin.entry_points import DISABLE, disabled_names, installed, name_clash, version_refusal
from hepreco.plugin.isolation import interrupts
from hepreco.plugin.manifest import Manifest, ManifestEntry, find_manifest

#: ``installed``: announced by a manifest, and not imported; ``ready``: imported, and found to keep the contract.
State = Literal["installed", "ready", "broken", "disabled"]


@dataclass(frozen=True)
class ListedPlugin:
    """One line of the list.

    Parameters
    ----------
    name, kind, summary
        Of the plugin; of one that could not be imported the name is that of its entry point.
    distribution, version
        Where it comes from.
    state, reason
        Whether it can be used, and why not.
    """

    name: str
    kind: str = ""
    summary: str = ""
    distribution: str = ""
    version: str = ""
    state: State = "installed"
    reason: str = ""


def list_plugins(*, load: bool = False) -> tuple[ListedPlugin, ...]:
    """Every plugin that is installed, in the order of entry points; disabled ones last.

    Parameters
    ----------
    load
        Import all of them, so that broken ones are found.
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
        manifest = None  # the code is at hand
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
    """Neither of two plugins of one name can be used."""
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
    """What the manifests of the installed plugins say; plugins without one are not imported for it."""
    disabled, found = disabled_names(), []
    for entry in installed():
        try:
            manifest = None if entry.name in disabled else find_manifest(entry)
        except PluginError:
            continue  # which 'hepreco plugins list' shows
        if manifest and not version_refusal(manifest.api_version, entry.value):
            found += [plugin for plugin in manifest.plugins if plugin.name not in disabled]
    return tuple(found)
