"""Writes what the documentation takes from the code: tables of the configuration, its JSON Schema, the commands.

Run it with ``python docs/generate.py`` after a change of a dataclass of the configuration, or of a command. A test says
when that is due.
"""

import inspect
import json
import math
import re
from collections.abc import Iterator
from dataclasses import MISSING, Field, fields
from pathlib import Path
from typing import Any

import click

from hepreco.cli import main
from hepreco.config import AnalysisConfig, configuration_schema
from hepreco.plugin.schemas import dataclasses_of, words_for

DOCS = Path(__file__).parent
CONFIGURATION = DOCS / "reference" / "configuration.md"
COMMANDS = DOCS / "reference" / "command-line.md"
SCHEMA = DOCS / "reference" / "analysis.schema.json"
TABLE = re.compile(r"(?P<start><!-- keys of (?P<name>\w+)[^>]*-->\n).*?(?P<end><!-- end -->)", re.S)
COMMAND_LIST = re.compile(r"(?P<start><!-- commands[^>]*-->\n).*?(?P<end><!-- end -->)", re.S)


def pages() -> dict[Path, str]:
    """Every page with what belongs into it now."""
    schema = configuration_schema()
    return {
        SCHEMA: json.dumps(schema, indent=2, ensure_ascii=False) + "\n",
        CONFIGURATION: TABLE.sub(lambda match: filled(match, keys(match["name"], schema)), CONFIGURATION.read_text()),
        COMMANDS: COMMAND_LIST.sub(lambda match: filled(match, "\n".join(commands())), COMMANDS.read_text()),
    }


def filled(match: re.Match[str], text: str) -> str:
    """A marked place with what belongs there."""
    return f"{match['start']}\n{text.strip()}\n\n{match['end']}"


def keys(name: str, schema: dict[str, Any]) -> str:
    """The table of a class's keys."""
    definition = schema["$defs"][name]
    defaults = {field.name: default(field) for field in fields(classes()[name])}
    rows = [
        f"| `{key}` | {words_for(each)} | {defaults[key]} | {cell(each.get('description', ''))} |"
        for key, each in definition["properties"].items()
    ]
    return "\n".join(["| key | type | default | meaning |", "|---|---|---|---|", *rows])


def classes() -> dict[str, type]:
    """The dataclasses of the configuration by name."""
    return {each.__name__: each for each in dataclasses_of(AnalysisConfig)}


def default(field: Field[Any]) -> str:
    """What a key is where it is left out; nothing for a required key."""
    value = field.default_factory() if field.default_factory is not MISSING else field.default
    if value is MISSING:
        return ""
    if isinstance(value, tuple) and math.inf in value:
        return "none"
    if value is None or value == math.inf or not isinstance(value, bool | int | float | str | tuple | dict):
        return "none" if value is None or value == math.inf else "its defaults"
    return f"`{json.dumps(value)}`"


def cell(text: str) -> str:
    """A text in a cell of a table, where bars would end it."""
    return text.replace("|", "\\|")


def commands(group: click.Group = main, path: tuple[str, ...] = ("hepreco",)) -> Iterator[str]:
    """The reference of all commands in Markdown."""
    with click.Context(group, info_name=" ".join(path)) as context:
        for name in group.list_commands(context):
            command = group.get_command(context, name)
            assert command is not None
            words = (*path, name)
            if isinstance(command, click.Group):
                yield from commands(command, words)
            else:
                yield from described(command, words)


def described(command: click.Command, words: tuple[str, ...]) -> Iterator[str]:
    """One command: its heading, usage, text, and a table of its options."""
    with click.Context(command, info_name=" ".join(words)) as context:
        title, usage = " ".join(words), " ".join(command.collect_usage_pieces(context))
        yield f"## `{title}`\n\n```text\n{title} {usage}\n```\n\n{prose(command.help or '')}\n"
        options = [each for each in command.params if isinstance(each, click.Option)]
        if not options:
            return
        yield "| option | default | meaning |\n|---|---|---|"
        for option in options:
            names = ", ".join(option.opts)
            value = "" if option.is_flag else f" {option.make_metavar(context)}"
            yield f"| `{cell(names + value)}` | {default_of(option)} | {cell(option.help or '')} |"
        yield ""


def prose(text: str) -> str:
    """A help text, whose code is set in two backquotes, in Markdown."""
    return inspect.cleandoc(text).replace("``", "`")


def default_of(option: click.Option) -> str:
    """What an option is where it is left out."""
    if option.required:
        return "required"
    value = option.default
    shown = isinstance(value, bool | int | float | str) and not option.is_flag and not option.multiple
    return f"`{value}`" if shown else ""


if __name__ == "__main__":
    for page, text in pages().items():
        page.write_text(text)
