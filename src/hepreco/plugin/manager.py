"""Finds and validates installed plugins, and reports the broken and disabled ones."""

import inspect
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from difflib import get_close_matches
from functools import cache
from importlib.metadata import EntryPoint
from typing import Any, Literal

import pluggy

from hepreco.errors import HepRecoError, PluginError, describe
from hepreco.plugin import spec
from hepreco.plugin.corrections import Correction, ObjectCorrection, WeightCorrection
from hepreco.plugin.entry_points import DISABLE, disabled_names, installed, name_clash, version_refusal
from hepreco.plugin.interface import Reconstructor
from hepreco.plugin.isolation import interrupts
from hepreco.plugin.manifest import names_of
from hepreco.plugin.options import structure

Plugin = Reconstructor | Correction
Kind = Literal["reconstructor", "correction"]


@dataclass(frozen=True)
class RegisteredPlugin:
    """A plugin that is ready to use, where it comes from, and the newest version of the contract that it follows."""

    name: str
    plugin_class: type[Plugin]
    distribution: str
    version: str
    module: str
    api_version: int

    @property
    def kind(self) -> Kind:
        """The contract that it follows."""
        return "reconstructor" if issubclass(self.plugin_class, Reconstructor) else "correction"

    def build(self, options: Mapping[str, Any]) -> Reconstructor:
        """The reconstructor with these options.

        Raises
        ------
        ConfigError
            An option does not fit.
        PluginError
            It is a correction, or it fails while it is built.
        """
        built = self.build_any(options)
        if not isinstance(built, Reconstructor):
            raise PluginError(f"{self.name!r} is a correction", f"write [corrections.{self.name}], or plugin = there")
        return built

    def build_correction(self, options: Mapping[str, Any]) -> Correction:
        """The correction with these options; errors are those of :meth:`build`."""
        built = self.build_any(options)
        if not isinstance(built, Correction):
            raise PluginError(f"{self.name!r} is a reconstructor", f"write [plugins.{self.name}]")
        return built

    def build_any(self, options: Mapping[str, Any]) -> Plugin:
        """The plugin with these options, of either kind; errors are those of :meth:`build`."""
        known = ", ".join(option.name for option in fields(self.plugin_class)) or "none"
        remedy = f"its options are: {known}; 'hepreco plugins info {self.name}' explains them"
        with interrupts() as interrupted:
            try:
                built = structure(options, self.plugin_class, where=f"plugin {self.name!r}", remedy=remedy)
                # whatever these raise is the plugin's fault, and said here
                _ = (built.reads, built.variations) if isinstance(built, Correction) else (built.inputs, built.outputs)
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
    """All plugins found in the entry-point group ``hepreco``."""

    plugins: tuple[RegisteredPlugin, ...]
    broken: tuple[BrokenPlugin, ...]
    disabled: tuple[str, ...]

    def __getitem__(self, name: str) -> RegisteredPlugin:
        """The plugin of this name; :class:`~hepreco.errors.PluginError` says why it cannot be used."""
        for plugin in self.plugins:
            if plugin.name == name:
                return plugin
        for broken in self.broken:
            if name in (broken.name, broken.distribution, broken.distribution.removeprefix("hepreco-")):
                raise PluginError(
                    f"plugin {name!r} is broken: {broken.reason}",
                    f"repair or uninstall {broken.distribution}, or set {DISABLE}={broken.name} to do without it",
                )
        if name in self.disabled:
            raise PluginError(f"plugin {name!r} is disabled", f"take it out of {DISABLE}")
        names = [plugin.name for plugin in self.plugins]
        close = get_close_matches(name, names, n=1)
        raise PluginError(
            f"no plugin {name!r} is installed; installed are: {', '.join(names) or 'none'}",
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
    """Import the module of an entry point and return the plugins that it registers.

    Raises
    ------
    PluginError
        The module breaks the contract. Other exceptions of the import are passed on.
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

    source = (entry.dist.name, entry.dist.version) if entry.dist else ("unknown", "unknown")

    def registers(*bases: type) -> Callable[[str, type[Plugin]], None]:
        def register(name: str, plugin_class: type[Plugin]) -> None:
            _validate(name, plugin_class, bases)
            registered.append(RegisteredPlugin(name, plugin_class, *source, entry.module, followed))

        return register

    manager.hook.hepreco_register_reconstructors(register=registers(Reconstructor))
    manager.hook.hepreco_register_corrections(register=registers(WeightCorrection, ObjectCorrection))
    if not registered:
        raise PluginError(
            f"{entry.value} registers no reconstructor and no correction",
            "implement hepreco_register_reconstructors, or hepreco_register_corrections",
        )
    return registered


def _validate(name: str, plugin_class: object, bases: tuple[type, ...]) -> None:
    if not (inspect.isclass(plugin_class) and issubclass(plugin_class, bases)):
        wanted = " or ".join(base.__name__ for base in bases)
        raise PluginError(f"{name!r} is {plugin_class!r}, not a subclass of {wanted}", "register the class itself")
    if "__dataclass_params__" not in vars(plugin_class):  # decorated itself; a parent's frozen makes it frozen too
        raise PluginError(
            f"{plugin_class.__qualname__} is not a frozen dataclass", "decorate it: @dataclass(frozen=True)"
        )
    if missing := ", ".join(sorted(getattr(plugin_class, "__abstractmethods__", ()))):
        raise PluginError(f"{plugin_class.__qualname__} does not implement {missing}", "implement them")
    if name != name.lower() or not name.replace("-", "").isalnum():
        raise PluginError(f"{name!r} is not a plugin name", "use lower case letters and digits, joined by hyphens")
