"""JSON Schema of configuration tables, made from frozen dataclasses and their docstrings."""

import inspect
import math
import re
import warnings
from collections.abc import Iterator, Mapping
from dataclasses import is_dataclass
from typing import Any, Final, get_args, get_type_hints

from pydantic import TypeAdapter
from pydantic.errors import PydanticSchemaGenerationError, PydanticUserError
from pydantic.json_schema import PydanticJsonSchemaWarning

from hepreco.errors import PluginError

_SECTION: Final = re.compile(r"^(?P<title>[A-Z][A-Za-z ]*)\n-+\n", re.M)
_ROLE: Final = re.compile(r":[a-z]+:`(?:~[\w.]*?\.?(?P<last>\w+)|(?P<whole>[^`]+))`")


def schema_of(kind: type) -> dict[str, Any]:
    """The JSON Schema of a dataclass, without unknown keys, and with descriptions from docstrings.

    Raises
    ------
    PluginError
        A field has a type that no configuration file can hold.

    Example
    -------
    >>> from hepreco.plugin import Axis
    >>> schema_of(Axis)["properties"]["bins"]
    {'type': 'integer', 'description': 'Number of bins, at most a million.'}
    """
    try:
        with warnings.catch_warnings():
            # A file holds no tensor, so the schema has only the other types of a parameter.
            warnings.simplefilter("ignore", PydanticJsonSchemaWarning)
            schema: dict[str, Any] = TypeAdapter(kind).json_schema()
    except (PydanticSchemaGenerationError, PydanticUserError) as error:
        raise PluginError(
            f"an option of {kind.__qualname__} is not plain: {error.message.splitlines()[0]}",
            "use numbers, strings, truth values, tuples, and frozen dataclasses of these",
        ) from None
    classes = {each.__name__: each for each in dataclasses_of(kind)}
    for name, definition in {**schema.get("$defs", {}), kind.__name__: schema}.items():
        if name in classes:
            _describe(definition, classes[name])
    return _tidy(schema)


def summary_of(kind: type) -> str:
    """The first sentence of a docstring, in one line."""
    return plain_text(inspect.cleandoc(kind.__doc__ or "").partition("\n\n")[0])


def descriptions_of(kind: type) -> dict[str, str]:
    """The description of each field in the sections ``Parameters`` of a class and of its base classes."""
    said: dict[str, str] = {}
    for each in reversed(kind.__mro__):
        sections = _SECTION.split(inspect.cleandoc(vars(each).get("__doc__") or ""))
        parameters = dict(zip(sections[1::2], sections[2::2], strict=True)).get("Parameters", "")
        entries = re.findall(r"^(\w[\w, ]*)(?: *:.*)?\n((?:[ \t]+.*\n?|\n)*)", parameters, re.M)
        said |= {name.strip(): plain_text(text) for names, text in entries for name in names.split(",")}
    return said


def plain_text(text: str) -> str:
    """The text of a docstring in one line of Markdown; roles become code."""
    unmarked = _ROLE.sub(lambda match: f"`{match['last'] or match['whole']}`", text)
    return " ".join(unmarked.replace("``", "`").replace("\\|", "|").split())


def words_for(schema: Mapping[str, Any]) -> str:
    """The type of a JSON Schema in words.

    Example
    -------
    >>> words_for({"type": "array", "items": {"type": "number"}}), words_for({"enum": ["a", "b"], "type": "string"})
    ('list of numbers', "'a' or 'b'")
    """
    if "enum" in schema:
        return " or ".join(map(repr, schema["enum"]))
    if "anyOf" in schema:
        return " or ".join(map(words_for, schema["anyOf"]))
    if "prefixItems" in schema:
        return f"list of {len(schema['prefixItems'])} {words_for(schema['prefixItems'][0])}s"
    if schema.get("type") == "array":
        return f"list of {_plural(words_for(schema.get('items', {})))}"
    words = {"object": "table", "boolean": "truth value"}
    kind = schema.get("type", "table" if "$ref" in schema else "anything")
    return words.get(kind, kind)


def _plural(words: str) -> str:
    """The plural of one type or several, such as ``strings or lists of strings``."""
    return " or ".join(
        each if each == "anything" else each.replace("list", "lists", 1) if each.startswith("list of ") else f"{each}s"
        for each in words.split(" or ")
    )


def _describe(definition: dict[str, Any], kind: type) -> None:
    definition["description"] = summary_of(kind)
    definition["additionalProperties"] = False
    said = descriptions_of(kind)
    for name, schema in definition["properties"].items():
        if name in said:
            schema["description"] = said[name]


def dataclasses_of(kind: object) -> Iterator[type]:
    """A dataclass, and all dataclasses among the types of its fields."""
    if isinstance(kind, type) and is_dataclass(kind):
        yield kind
        for hint in get_type_hints(kind).values():
            yield from dataclasses_of(hint)
    for part in get_args(kind):
        yield from dataclasses_of(part)


def _tidy(schema: dict[str, Any]) -> dict[str, Any]:
    """Removes titles, and defaults that are null or infinite."""
    tidied: dict[str, Any] = {}
    for key, value in schema.items():
        if key in ("properties", "$defs"):
            tidied[key] = {name: _tidy(each) for name, each in value.items()}
        elif key == "title" or (key == "default" and not _is_plain(value)):
            continue
        elif isinstance(value, dict) and key != "default":
            tidied[key] = _tidy(value)
        elif key in ("anyOf", "prefixItems"):
            tidied[key] = [_tidy(each) for each in value]
        else:
            tidied[key] = value
    return _without_null(tidied)


def _without_null(schema: dict[str, Any]) -> dict[str, Any]:
    """Removes null, which TOML lacks: a key that may be ``None`` may be left out."""
    choices = [each for each in schema.get("anyOf", ()) if each != {"type": "null"}]
    if len(choices) == 1:
        return {**choices[0], **{key: value for key, value in schema.items() if key != "anyOf"}}
    return {**schema, "anyOf": choices} if choices else schema


def _is_plain(value: object) -> bool:
    if isinstance(value, dict | list):
        return all(map(_is_plain, value.values() if isinstance(value, dict) else value))
    return value is not None and not (isinstance(value, float) and not math.isfinite(value))
