"""What ``hepreco plugins check`` does with one set of options: ask, and show what came of it."""

from collections.abc import Sequence
from dataclasses import fields

from rich.markup import escape
from rich.table import Table

from hepreco.cli.console import console
from hepreco.events import Dataset, read_batch
from hepreco.plugin import Reconstructor
from hepreco.testing import CHECKS, CheckResult, check_all


def check_plugin(plugin: Reconstructor, *, files: Sequence[str] = ()) -> bool:
    """Run the kit on toy events, or on those of files; print a table, and return whether every check passed."""
    events = read_batch(Dataset("check", tuple(files)), plugin.inputs) if files else None
    if events is not None:
        console.print(f"{len(events)} events have the objects that {type(plugin).__name__} asks for", highlight=False)
    results = {result.name: result for result in check_all(plugin, events)}
    table = Table("check", "result", title=escape(_with_options(plugin)), title_justify="left")
    for check in CHECKS:
        table.add_row(check.__name__, _told(results.get(check.__name__)))
    console.print(table)
    return all(result.passed for result in results.values())


def _with_options(plugin: Reconstructor) -> str:
    """The class, and the options that are not the defaults."""
    held = [(option.name, getattr(plugin, option.name), option.default) for option in fields(plugin)]
    options = ", ".join(f"{name}={value!r}" for name, value, default in held if value != default)
    return f"{type(plugin).__name__}({options})"


def _told(result: CheckResult | None) -> str:
    if result is None:
        return "not run"
    if not result.passed:
        return f"FAILED: {escape(result.detail)}"
    return f"passed: {escape(result.remark)}" if result.remark else "passed"
