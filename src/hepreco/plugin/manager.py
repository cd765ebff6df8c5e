"""Finding installed plugins: validate each one, block some, hide none."""

import inspect
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, fields
from difflib import get_close_matches
from functools import cache
from importlib.metadata import EntryPoint
from typing import Any

import pluggy

from hepreco.errors import HepRecoError, PluginError, describe
from hepreco.plugin import spec
from hepreco.plugin.entry_points import DISABLE, disabled_names, installed, name_clash, version_refusal
from hepreco.plugin.interface import Reconstructor
from hepreco.plugin.isolation import interrupts
from hepreco.plugin.manifest import names_of
from hepreco.plugin.options import structure


@dataclass(frozen=True)
class RegisteredPlugin:
    """A reconstructor that is ready to use, where it comes from, and the newest version of the contract it follows."""

    name: str
    reconstructor: type[Reconstructor]
    distribution: str
    version: str
    module: str
    api_version: int

    def build(self, options: Mapping[str, Any]) -> Reconstructor:
        """The reconstructor with these options; :class:`~hepreco.errors.ConfigError` names what does not fit."""
        known = ", ".join(option.name for option in fields(self.reconstructor)) or "none"
        remedy = f"its options are: {known}; 'hepreco plugins info {self.name}' explains them"
        with interrupts() as interrupted:
            try:
                built = structure(options, self.reconstructor, where=f"plugin {self.name!r}", remedy=remedy)
                _ = built.inputs, built.outputs  # whatever they raise is the plugin's fault, and said here
            except HepRecoError:
                raise
            except BaseException as error:
                if interrupted():
                    raise
                raise PluginError(
                    f"plugin {self.name!r} fails while it is built with its options: {describe(error)}",
                    f"tell the author of {self.distribution}, or take the plugin out of the configuration",
                ) from error
            return built


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
                raise PluginError(
                    f"plugin {name!r} is broken: {broken.reason}",
                    f"mend or uninstall {broken.distribution}, or set {DISABLE}={broken.name} to do without it",
                )
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
    disabled = disabled_names()
    for entry in installed():
        if entry.name in disabled:
            continue
        with interrupts() as interrupted:
            try:
                found += load(entry)
            except BaseException as error:  # also SystemExit: a plugin cannot end the process
                if interrupted():
                    raise
                distribution = entry.dist.name if entry.dist else "unknown"
                names = dict.fromkeys((entry.name, *names_of(entry)))
                broken += [BrokenPlugin(name, distribution, describe(error)) for name in names]
    count = Counter(plugin.name for plugin in found)
    for plugin in found:
        if count[plugin.name] > 1:
            reason = name_clash(plugin.name, {p.distribution for p in found if p.name == plugin.name})
            broken.append(BrokenPlugin(plugin.name, plugin.distribution, reason))
    unique = tuple(p for p in found if count[p.name] == 1 and p.name not in disabled)
    return PluginRegistry(unique, tuple(broken), disabled)


def load(entry: EntryPoint) -> list[RegisteredPlugin]:
    """Import the module of an entry point, and take what it registers.

    Raises
    ------
    PluginError
        The module does not keep the contract. Whatever else it raises while it is imported passes.
    """
    module = entry.load()
    declared: Any = getattr(module, "HEPRECO_API_VERSION", None)
    if refusal := version_refusal(declared, entry.value):
        raise refusal
    followed = min(declared[1] if isinstance(declared, tuple | list) else declared, spec.API_VERSION)
    manager = pluggy.PluginManager("hepreco")
    manager.add_hookspecs(spec)
    manager.register(module, name=entry.name)
    manager.check_pending()
    registered: list[RegisteredPlugin] = []

    def register(name: str, reconstructor: type[Reconstructor]) -> None:
        _validate(name, reconstructor)
        source = (entry.dist.name, entry.dist.version) if entry.dist else ("unknown", "unknown")
        registered.append(RegisteredPlugin(name, reconstructor, *source, entry.module, followed))

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
