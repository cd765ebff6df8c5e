"""The installed entry points of plugins, found without importing any of them."""

import os
from collections.abc import Iterable
from importlib.metadata import EntryPoint, entry_points
from typing import Any, Final

from hepreco.errors import PluginError
from hepreco.plugin.spec import API_VERSION, OLDEST_API_VERSION

GROUP: Final = "hepreco"
DISABLE: Final = "HEPRECO_DISABLE_PLUGINS"


def installed() -> list[EntryPoint]:
    """All entry points of the group, in an order that does not depend on how they were installed."""
    return sorted(entry_points(group=GROUP), key=lambda entry: (entry.name, entry.value))


def disabled_names() -> tuple[str, ...]:
    """The names in the environment variable ``HEPRECO_DISABLE_PLUGINS``."""
    return tuple(filter(None, (name.strip() for name in os.environ.get(DISABLE, "").split(","))))


def name_clash(name: str, distributions: Iterable[str]) -> str:
    """The reason why plugins that share a name cannot be used."""
    others = ", ".join(sorted(distributions))
    return f"two reconstructors are named {name!r} (from {others}): disable or uninstall one"


def version_refusal(declared: Any, module: str) -> PluginError | None:
    """The error for a plugin that follows these versions of the contract; ``None`` if it can be used.

    Parameters
    ----------
    declared
        The value of ``HEPRECO_API_VERSION`` in its module.
    module
        Name of the module, for the error.

    Example
    -------
    >>> version_refusal((1, 9), "hepreco_tops")
    >>> print(version_refusal(9, "hepreco_tops"))
    written for plugin API 9, this hepreco understands 1 to 2
      what to do: install a newer hepreco, or a version of hepreco_tops for this one
    """
    oldest, newest = declared if isinstance(declared, tuple | list) and len(declared) == 2 else (declared, declared)
    known = type(oldest) is type(newest) is int
    if known and oldest <= API_VERSION and newest >= OLDEST_API_VERSION:
        return None
    said = f"{oldest}" if oldest == newest else f"{oldest} to {newest}"
    return PluginError(
        f"written for plugin API {said}, this hepreco understands {OLDEST_API_VERSION} to {API_VERSION}",
        f"install a newer hepreco, or a version of {module} for this one"
        if known and oldest > API_VERSION
        else f"set HEPRECO_API_VERSION = {API_VERSION} in {module} once it follows that version",
    )
