"""The description of one plugin, as a document and as tables."""

import inspect
import re
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any, Final

from rich.table import Table

from hepreco.cli.console import console, say
from hepreco.plugin import Correction, ObjectCorrection, discover
from hepreco.plugin.description import describe_plugin
from hepreco.plugin.manager import Plugin
from hepreco.plugin.schemas import words_for
from hepreco.weights import read_card

#: The section of a docstring that the table of options holds.
_PARAMETERS: Final = re.compile(r"^Parameters\n-+\n(?:[ \t]+.*\n?|\w[\w, ]*\n(?!-)|\n)*", re.M)
_TRAINING: Final = {"events": "events of one kind", "classes": "classes", "generated": "events that it generates"}


def describe(name: str, options: Mapping[str, Any]) -> dict[str, Any]:
    """Describe a plugin's options, and its inputs, outputs and weights with some options.

    If a required option is missing, inputs, outputs and weights are left out.
    """
    plugin = discover()[name]
    entry = describe_plugin(plugin.name, plugin.plugin_class)
    missing = [option for option in entry.options.get("required", ()) if option not in options]
    built = None if missing else plugin.build_any(options)
    return {
        **asdict(entry),
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
        "weights": asdict(read_card(built.weights)) if built.weights else None,
    }


def show(details: Mapping[str, Any]) -> None:
    """Print a description as text and tables."""
    say(f"{details['name']}: a {details['kind']} ({details['distribution']} {details['version']})")
    say(_PARAMETERS.sub("", details["documentation"]))
    if kind := details["trains_on"]:
        say(f"trained by 'hepreco train' on {_TRAINING[kind]}")
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
        trained = f"; seed {weights['seed']}; {weights['metrics']}" if weights["hepreco"] else ""
        say(f"weights: {weights['sample']}{trained}")


def _options(schema: Mapping[str, Any]) -> Table:
    table = Table("option", "type", "default", "meaning", title="Options")
    for name, option in schema.get("properties", {}).items():
        default = "required" if name in schema.get("required", ()) else repr(option.get("default"))
        table.add_row(name, words_for(option), default, option.get("description", ""))
    return table
