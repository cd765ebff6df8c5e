"""What is installed in the entry-point group of plugins, without importing any of it."""

import os
from collections.abc import Iterable
from importlib.metadata import EntryPoint, entry_points
from typing import Final

from hepreco.errors import PluginError
from hepreco.plugin.spec import API_VERSION

GROUP: Final = "hepreco"
DISABLE: Final = "HEPRECO_DISABLE_PLUGINS"


def installed() -> list[EntryPoint]:
    """Every entry point of the group, in an order that does not depend on how they were installed."""
    return sorted(entry_points(group=GROUP), key=lambda entry: (entry.name, entry.value))


def disabled_names() -> tuple[str, ...]:
    """The names in the environment variable ``HEPRECO_DISABLE_PLUGINS``."""
    return tuple(filter(None, (name.strip() for name in os.environ.get(DISABLE, "").split(","))))


def name_clash(name: str, distributions: Iterable[str]) -> str:
    """Why neither of two plugins of one name can be used."""
    others = ", ".join(sorted(distributions))
    return f"two reconstructors are named {name!r} (from {others}): disable or uninstall one"


def wrong_version(version: object, module: str) -> PluginError:
    """The refusal of a plugin that was written for another version of the contract."""
    return PluginError(
        f"written for plugin API {version}, this hepreco has {API_VERSION}",
        f"set HEPRECO_API_VERSION = {API_VERSION} in {module} once it follows that version",
    )
