"""Runs the conformance kit for ``hepreco plugins check``, once for each set of options, and shows the results."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any

from hepreco.cli.console import say
from hepreco.events import Dataset, read_batch
from hepreco.plugin import RegisteredPlugin, discover
from hepreco.plugin.interface import Reconstructor
from hepreco.plugin.manifest import manifest_path
from hepreco.testing import ConformanceError, check_all
from hepreco.testing.conformance import CHECKS
from hepreco.testing.manifests import assert_manifest


@dataclass(frozen=True)
class Outcome:
    """The result of one check of a plugin with one set of options; ``remark`` contains measurements of passed checks.

    ``passed`` is ``None`` if the check was not run because an earlier one failed.
    """

    options: str
    name: str
    passed: bool | None
    detail: str = ""
    remark: str = ""


def check_plugin(name: str, options: Mapping[str, Any], *, files: Sequence[str] = ()) -> list[Outcome]:
    """Run the kit on toy events, or on events of files, and compare the plugin's manifest with its code.

    Without options, the kit runs with the defaults and with all examples of the plugin.
    """
    plugin = discover()[name]
    chosen = plugin.build(options)
    others = () if options else type(chosen).examples()
    return [
        *(outcome for one in (chosen, *others) for outcome in _checked(one, files)),
        *_manifest(plugin),
    ]


def show(outcomes: Iterable[Outcome]) -> None:
    """Print one line for each check, below the options of the check."""
    options = None
    for outcome in outcomes:
        if outcome.options != options:
            options = outcome.options
            say(options)
        result = {None: "not run", True: "passed", False: "FAILED"}[outcome.passed]
        told = ": ".join(text for text in (result, outcome.detail, outcome.remark) if text)
        say(f"  {outcome.name:20}  {told}")


def _checked(plugin: Reconstructor, files: Sequence[str]) -> list[Outcome]:
    events = read_batch(Dataset("check", tuple(files)), plugin.inputs) if files else None
    told = _with_options(plugin) + (f", {len(events)} events of files" if events is not None else "")
    results = {result.name: result for result in check_all(plugin, events)}
    return [
        Outcome(told, name, result.passed, result.detail, result.remark)
        if (result := results.get(name))
        else Outcome(told, name, passed=None)
        for name in (check.__name__ for check in CHECKS)
    ]


def _with_options(plugin: Reconstructor) -> str:
    """The class with the options that differ from the defaults."""
    held = [(option.name, getattr(plugin, option.name), option.default) for option in fields(plugin)]
    options = ", ".join(f"{name}={value!r}" for name, value, default in held if value != default)
    return f"{type(plugin).__name__}({options})"


def _manifest(plugin: RegisteredPlugin) -> list[Outcome]:
    path = manifest_path(plugin.module)
    if path is None or not path.is_file():
        return []
    told = f"manifest of {plugin.module}"
    try:
        assert_manifest(plugin.module)
    except ConformanceError as error:
        return [Outcome(told, "manifest", passed=False, detail=str(error))]
    return [Outcome(told, "manifest", passed=True)]
