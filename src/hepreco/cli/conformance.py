"""Runs the conformance kit for ``hepreco plugins check``, once for each set of options, and shows the results."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import MISSING, dataclass, fields
from typing import Any, Final

import awkward as ak
import numpy as np

from hepreco.cli.console import say
from hepreco.events import Dataset, column, read_batch
from hepreco.events.columns import EVENT_ID, Columns
from hepreco.events.reading import read_chunks
from hepreco.plugin import Correction, CorrectionInput, RegisteredPlugin, discover
from hepreco.plugin.interface import Reconstructor
from hepreco.plugin.manager import Plugin
from hepreco.plugin.manifest import manifest_path
from hepreco.testing import ConformanceError, check_all, check_correction
from hepreco.testing.column_toys import collection_of
from hepreco.testing.conformance import CHECKS
from hepreco.testing.corrections import CORRECTION_CHECKS
from hepreco.testing.manifests import assert_manifest

#: That a correction is asked about, where files are given.
EVENTS_OF_FILES: Final = 256


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


def check_plugin(
    name: str, options: Mapping[str, Any], *, files: Sequence[str] = (), data: bool = False
) -> list[Outcome]:
    """Run the kit on toy events, or on events of files, and compare the plugin's manifest with its code.

    Without options, the kit runs with the defaults, unless an option is required, and with all examples of the plugin.
    With ``data``, a correction must not read what only simulation has.
    """
    plugin = discover()[name]
    return [
        *(
            outcome
            for one in _option_sets(plugin, options)
            for outcome in (
                _corrections_checked(one, files, data=data) if isinstance(one, Correction) else _checked(one, files)
            )
        ),
        *_manifest(plugin),
    ]


def _option_sets(plugin: RegisteredPlugin, options: Mapping[str, Any]) -> tuple[Plugin, ...]:
    examples = plugin.plugin_class.examples()
    required = any(
        option.default is MISSING and option.default_factory is MISSING for option in fields(plugin.plugin_class)
    )
    if options or not (required and examples):
        return (plugin.build_any(options), *(() if options else examples))
    return examples


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


def _corrections_checked(correction: Correction, files: Sequence[str], *, data: bool) -> list[Outcome]:
    events = _events_of(files, correction.reads) if files else None
    told = _with_options(correction) + (f", {len(events)} events of files" if events is not None else "")
    results = {result.name: result for result in check_correction(correction, events, data=data)}
    return [
        Outcome(told, name, result.passed, result.detail, result.remark)
        if (result := results.get(name))
        else Outcome(told, name, passed=None)
        for name in (check.__name__ for check in CORRECTION_CHECKS)
    ]


def _events_of(files: Sequence[str], reads: Sequence[str]) -> CorrectionInput:
    """The first events of files; objects of a configuration are all of their collection."""
    paths = {path: ".".join((collection_of(path.partition(".")[0]), *path.split(".")[1:])) for path in reads}
    chunks = read_chunks(Dataset("check", tuple(files)), Columns(tuple(paths.values())), chunksize=EVENTS_OF_FILES)
    events = next(chunks)
    identifiers = np.stack([ak.to_numpy(events[name]) for name in EVENT_ID], axis=1).astype(np.int64)
    columns = {path: ak.Array(ak.without_parameters(column(events, real)).layout) for path, real in paths.items()}
    return CorrectionInput(columns, identifiers, "check")


def _with_options(plugin: Plugin) -> str:
    """The class with the options that differ from the defaults."""
    held = [
        (option.name, getattr(plugin, option.name), option.default)
        for option in fields(plugin)
        if option.default_factory is MISSING or getattr(plugin, option.name) != option.default_factory()
    ]
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
