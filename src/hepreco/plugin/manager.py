"""Finding installed plugins: validate each one, block some, hide none."""

import inspect
import os
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, fields
from difflib import get_close_matches
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from typing import Any, Final

import pluggy

from hepreco.errors import PluginError
from hepreco.plugin import spec
from hepreco.plugin.interface import Reconstructor
from hepreco.plugin.options import structure

GROUP: Final = "hepreco"
DISABLE: Final = "HEPRECO_DISABLE_PLUGINS"


@dataclass(frozen=True)
class RegisteredPlugin:
    """A reconstructor that is ready to use, and the distribution that it comes from."""

    name: str
    reconstructor: type[Reconstructor]
    distribution: str
    version: str

    def build(self, options: Mapping[str, Any]) -> Reconstructor:
        """The reconstructor with these options; :class:`~hepreco.errors.ConfigError` names what does not fit."""
        known = ", ".join(option.name for option in fields(self.reconstructor)) or "none"
        where = f"plugin {self.name!r}"
        return structure(options, self.reconstructor, where=where, remedy=f"its options are: {known}")


@dataclass(frozen=True)
class BrokenPlugin:
    """An entry point that could not be used, and why."""

    name: str
    distribution: str
    reason: str


@dataclass(frozen=True)
class PluginRegistry:
    """All that was found in the entry-point group ``hepreco``."""

    plugins: tuple[RegisteredPlugin, ...]
    broken: tuple[BrokenPlugin, ...]
    disabled: tuple[str, ...]

    def __getitem__(self, name: str) -> RegisteredPlugin:
        """The plugin of that name; :class:`~hepreco.errors.PluginError` says why there is none."""
        for plugin in self.plugins:
            if plugin.name == name:
                return plugin
        for broken in self.broken:
            if name in (broken.name, broken.distribution, broken.distribution.removeprefix("hepreco-")):
                raise PluginError(f"plugin {name!r} is broken: {broken.reason}", "see 'hepreco plugins list'")
        if name in self.disabled:
            raise PluginError(f"plugin {name!r} is disabled", f"take it out of {DISABLE}")
        names = [plugin.name for plugin in self.plugins]
        close = get_close_matches(name, names, n=1)
        raise PluginError(
            f"no plugin {name!r} is installed; there are: {', '.join(names) or 'none'}",
            f"did you mean {close[0]!r}?"
            if close
            else f"install its distribution, for example 'pip install hepreco-{name}'",
        )


@cache
def discover() -> PluginRegistry:
    """The plugins installed in this environment: looked up once per process."""
    found: list[RegisteredPlugin] = []
    broken: list[BrokenPlugin] = []
    disabled = tuple(filter(None, (name.strip() for name in os.environ.get(DISABLE, "").split(","))))
    for entry in sorted(entry_points(group=GROUP), key=lambda entry: (entry.name, entry.value)):
        distribution = entry.dist.name if entry.dist else "unknown"
        if entry.name in disabled:
            continue
        try:
            found += _load(entry)
        except Exception as error:
            broken.append(BrokenPlugin(entry.name, distribution, f"{type(error).__name__}: {error}"))
    count = Counter(plugin.name for plugin in found)
    for plugin in found:
        if count[plugin.name] > 1:
            others = ", ".join(sorted({p.distribution for p in found if p.name == plugin.name}))
            reason = f"two reconstructors are named {plugin.name!r} (from {others}): disable or uninstall one"
            broken.append(BrokenPlugin(plugin.name, plugin.distribution, reason))
    unique = tuple(p for p in found if count[p.name] == 1 and p.name not in disabled)
    return PluginRegistry(unique, tuple(broken), disabled)


def _load(entry: EntryPoint) -> list[RegisteredPlugin]:
    module = entry.load()
    version = getattr(module, "HEPRECO_API_VERSION", None)
    if version != spec.API_VERSION:
        raise PluginError(
            f"written for plugin API {version}, this hepreco has {spec.API_VERSION}",
            f"set HEPRECO_API_VERSION = {spec.API_VERSION} in {entry.value} once it follows that version",
        )
    manager = pluggy.PluginManager("hepreco")
    manager.add_hookspecs(spec)
    manager.register(module, name=entry.name)
    manager.check_pending()
    registered: list[RegisteredPlugin] = []

    def register(name: str, reconstructor: type[Reconstructor]) -> None:
        _validate(name, reconstructor)
        dist = entry.dist
        registered.append(
            RegisteredPlugin(name, reconstructor, dist.name if dist else "unknown", dist.version if dist else "unknown")
        )

    manager.hook.hepreco_register_reconstructors(register=register)
    if not registered:
        raise PluginError(f"{entry.value} registers no reconstructor", "implement hepreco_register_reconstructors")
    return registered


def _validate(name: str, reconstructor: object) -> None:
    if not (inspect.isclass(reconstructor) and issubclass(reconstructor, Reconstructor)):
        raise PluginError(
            f"{name!r} is {reconstructor!r}, not a subclass of Reconstructor", "register the class itself"
        )
    if "__dataclass_params__" not in vars(reconstructor):  # decorated itself; a parent's frozen makes it frozen too
        raise PluginError(
            f"{reconstructor.__qualname__} is not a frozen dataclass", "decorate it: @dataclass(frozen=True)"
        )
    if reconstructor.__abstractmethods__:
        missing = ", ".join(sorted(reconstructor.__abstractmethods__))
        raise PluginError(f"{reconstructor.__qualname__} does not implement {missing}", "implement them")
    if name != name.lower() or not name.replace("-", "").isalnum():
        raise PluginError(f"{name!r} is not a plugin name", "use lower case letters and digits, joined by hyphens")
