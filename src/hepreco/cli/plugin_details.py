"""Everything about one plugin, as a document and as tables."""

import inspect
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from rich.table import Table

from hepreco.cli.console import console, say
from hepreco.plugin import Correction, ObjectCorrection, discover
from hepreco.plugin.description import describe_plugin
from hepreco.plugin.manager import Plugin
from hepreco.plugin.schemas import words_for
from hepreco.weights import read_manifest


def describe(name: str, options: Mapping[str, Any]) -> dict[str, Any]:
    """What a plugin is, takes, reads and gives with some options.

    Where an option is required and not given, what depends on it is left out.
    """
    plugin = discover()[name]
    card = describe_plugin(plugin.name, plugin.plugin_class)
    missing = [option for option in card.options.get("required", ()) if option not in options]
    built = None if missing else plugin.build_any(options)
    return {
        **asdict(card),
        "distribution": plugin.distribution,
        "version": plugin.version,
        "documentation": inspect.cleandoc(plugin.plugin_class.__doc__ or ""),
        "required": missing,
        **(_what_it_does(built) if built else {}),
    }


def _what_it_does(built: Plugin) -> dict[str, Any]:
    if isinstance(built, Correction):
        changes = {"changes": list(built.changes)} if isinstance(built, ObjectCorrection) else {}
        return {"reads": list(built.reads), **changes, "variations": list(built.variations), "files": list(built.files)}
    return {
        "inputs": [asdict(spec) for spec in built.inputs.objects],
        "missing_momentum": built.inputs.missing_momentum,
        "outputs": [asdict(column) | {"of": column.collection(built.inputs)} for column in built.outputs],
        "weights": asdict(read_manifest(built.weights)) if built.weights else None,
    }


def show(details: Mapping[str, Any]) -> None:
    """Print a description for people."""
    say(f"{details['name']}: a {details['kind']} ({details['distribution']} {details['version']})")
    say(details["documentation"])
    console.print(_options(details["options"]))
    if details["required"]:
        say(f"give --option {details['required'][0]}=… to see what it reads and gives")
        return
    if details["kind"] == "correction":
        for name in ("reads", "changes", "variations", "files"):
            if name in details:
                say(f"{name}: {', '.join(details[name]) or 'none'}")
        return
    inputs = Table("role", "collection", "cuts", "at least", "at most", "features", title="Inputs")
    for spec in details["inputs"]:
        at_most = "all" if spec["at_most"] is None else str(spec["at_most"])
        features = ", ".join(spec["features"])
        inputs.add_row(
            spec["role"], spec["collection"], ", ".join(spec["where"]), str(spec["at_least"]), at_most, features
        )
    console.print(inputs)
    if details["missing_momentum"]:
        say(f"missing transverse momentum: {details['missing_momentum']}")
    outputs = Table("column", "kind", "of", "per", "unit", title="Outputs")
    for column in details["outputs"]:
        outputs.add_row(
            column["name"], column["kind"], column["of"] or "", str(column["per"] or "event"), column["unit"]
        )
    console.print(outputs)
    if weights := details["weights"]:
        say(f"weights: {weights['sample']}; seed {weights['seed']}; {weights['metrics']}")


def _options(schema: Mapping[str, Any]) -> Table:
    table = Table("option", "type", "default", title="Options")
    for name, option in schema.get("properties", {}).items():
        default = "required" if name in schema.get("required", ()) else repr(option.get("default"))
        table.add_row(name, words_for(option), default)
    return table
