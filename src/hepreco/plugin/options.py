"""Strict conversion of plain tables into frozen dataclasses, with readable errors."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import fields, is_dataclass
from difflib import get_close_matches
from functools import cache
from types import NoneType, UnionType
from typing import Any, Literal, TypeVar, Union, cast, get_args, get_origin

import cattrs
from cattrs.gen import make_dict_structure_fn

from hepreco.errors import ConfigError, HepRecoError, describe, one_line

T = TypeVar("T")
_WORDS = {tuple: "list", list: "list", dict: "table", Mapping: "table"}


class _MisfitError(Exception):
    """A value of the wrong type; the message says so in words."""


def structure(table: Mapping[str, Any], target: type[T], *, where: str, remedy: str) -> T:
    """Build an object of the target class from a table of TOML.

    Raises
    ------
    ConfigError
        A key is unknown or missing, or a value is of another type: numbers are not strings, a string is not a list,
        and 1 is not true. The error names every such key by its path.
    """
    try:
        return _converter().structure(dict(table), target)
    except (cattrs.BaseValidationError, HepRecoError, _MisfitError) as error:
        for cause in _leaves(error):
            if isinstance(cause, HepRecoError):
                raise ConfigError(f"{where}: {cause.problem}", cause.remedy) from None
        problems = "; ".join(cattrs.transform_error(error, format_exception=_said)).replace(" @ $.", " at ")
        raise ConfigError(f"{where}: {problems.replace(' @ $', '')}", remedy) from None


def closest(word: str, known: Iterable[str]) -> str:
    """Suggest the known word that is most similar; list all known words if none is similar.

    Example
    -------
    >>> closest("luminosty", ["datasets", "luminosity"])
    "did you mean 'luminosity'?"
    >>> closest("x", ["datasets", "luminosity"])
    'known are datasets, luminosity'
    """
    known = list(known)
    close = get_close_matches(word, known, n=1)
    return f"did you mean {close[0]!r}?" if close else f"known are {', '.join(known) or 'none'}"


@cache
def _converter() -> cattrs.Converter:
    """One converter for all, since it keeps the code that it writes for each class."""
    converter = cattrs.Converter()
    for kind in (bool, int, float, str):
        converter.register_structure_hook(kind, _scalar)
    converter.register_structure_hook_func(_is_choice, _choice)
    converter.register_structure_hook_factory(is_dataclass, _table)
    converter.register_structure_hook_factory(_is_list, _list)
    converter.register_structure_hook_factory(_is_union, _one_of)
    return converter


def _is_choice(kind: Any) -> bool:
    return cast(object, get_origin(kind)) is Literal


def _is_list(kind: Any) -> bool:
    return get_origin(kind) is tuple or get_origin(kind) is list


def _is_union(kind: Any) -> bool:
    origin = cast(object, get_origin(kind))
    return origin is Union or origin is UnionType


def _scalar(value: Any, kind: type) -> Any:
    accepted: Any = int | float if kind is float else kind
    if not isinstance(value, accepted) or (isinstance(value, bool) and kind is not bool):
        raise _misfit(value, kind)
    try:
        return kind(value)
    except OverflowError:
        bits = value.bit_length()
        raise _MisfitError(f"an integer of {bits} bits is too large to compute with") from None


def _choice(value: Any, kind: Any) -> Any:
    choices = get_args(kind)
    if isinstance(value, str | int) and value in choices:
        return value
    question = closest(value, map(str, choices)) if isinstance(value, str) else "choose one of them"
    raise _MisfitError(f"{_shown(value)} is not one of {', '.join(map(repr, choices))} ({question})")


def _table(kind: type, converter: cattrs.BaseConverter) -> Callable[[Any, Any], Any]:
    inner: Callable[[Any, Any], Any] = make_dict_structure_fn(kind, converter, _cattrs_forbid_extra_keys=True)

    def structured(value: Any, _: Any) -> Any:
        if not isinstance(value, Mapping):
            raise _misfit(value, kind)
        return inner(value, kind)

    return structured


def _list(kind: Any, converter: cattrs.BaseConverter) -> Callable[[Any, Any], Any]:
    container, parts = get_origin(kind), get_args(kind)
    alike = container is list or (len(parts) == 2 and parts[1] is Ellipsis)

    def structured(value: Any, _: Any) -> Any:
        if not isinstance(value, list | tuple):
            raise _MisfitError(f"{_shown(value)} is not a list{_as_list(value)}")
        if not alike and len(value) != len(parts):
            raise _MisfitError(f"{_shown(value)} has {len(value)} entries, expected {len(parts)}")
        kinds = [parts[0]] * len(value) if alike else list(parts)
        return container(_entries(value, kinds, converter))

    return structured


def _as_list(value: object) -> str:
    """A hint how to write the value as a list."""
    if isinstance(value, Mapping):
        return ": write the name of the table in double brackets"
    return f": write [{_shown(value)}]" if isinstance(value, str) else ""


def _entries(values: Iterable[Any], kinds: list[Any], converter: cattrs.BaseConverter) -> Iterator[Any]:
    errors: list[Exception] = []
    for index, (value, kind) in enumerate(zip(values, kinds, strict=True)):
        try:
            yield converter.structure(value, kind)
        except Exception as error:  # each is reported with its place
            note = cattrs.IterableValidationNote(f"entry {index}", index, kind)
            error.__notes__ = [*getattr(error, "__notes__", []), note]
            errors.append(error)
    if errors:
        raise cattrs.IterableValidationError("entries that do not fit", errors, list)


def _one_of(kind: Any, converter: cattrs.BaseConverter) -> Callable[[Any, Any], Any]:
    members = [each for each in get_args(kind) if each is not NoneType and _is_known(each, converter)]
    tables = [each for each in members if isinstance(each, type) and is_dataclass(each)]

    def structured(value: Any, _: Any) -> Any:
        if value is None and NoneType in get_args(kind):
            return None
        if isinstance(value, Mapping) and tables:
            return converter.structure(value, max(tables, key=lambda each: _likeness(value, each)))
        if len(members) == 1:
            return converter.structure(value, members[0])
        for member in members:
            try:
                return converter.structure(value, member)
            except (_MisfitError, cattrs.BaseValidationError):
                continue
        raise _misfit(value, *members)

    return structured


def _is_known(kind: Any, converter: cattrs.BaseConverter) -> bool:
    """Whether a file can hold this type: a parameter that may be a tensor in Python is a number in a file."""
    try:
        converter.get_structure_hook(kind)
    except cattrs.StructureHandlerNotFoundError:
        return False
    return True


def _likeness(table: Mapping[str, Any], kind: Any) -> float:
    """The number of keys of a table that are fields of a class; keys that resemble a field count half."""
    names = [field.name for field in fields(kind)]
    return sum(1.0 if key in names else 0.5 * bool(get_close_matches(key, names, n=1)) for key in table)


def _misfit(value: object, *kinds: Any) -> _MisfitError:
    if is_dataclass(kinds[0]) and len(kinds) == 1:
        keys = ", ".join(field.name for field in fields(kinds[0]))
        return _MisfitError(f"{_shown(value)} is not a table with the keys {keys}")
    words = [_WORDS.get(get_origin(kind) or kind, getattr(kind, "__name__", str(kind))) for kind in kinds]
    return _MisfitError(f"{_shown(value)} is not a {' or a '.join(words)}")


def _shown(value: object) -> str:
    """The beginning of a value, for an error."""
    try:
        text = one_line(repr(value))
    except RecursionError:
        return "a value that is nested so deeply"
    return text if len(text) <= 80 else f"{text[:80]}…"


def _said(error: BaseException, _: type | None) -> str:
    match error:
        case _MisfitError():
            return str(error)
        case cattrs.ForbiddenExtraKeysError():
            known = [field.name for field in fields(error.cl)]
            return "; ".join(f"unknown key {key!r} ({closest(key, known)})" for key in sorted(error.extra_fields))
        case KeyError():
            return "a required key is missing"
        case AttributeError() if "'items'" in str(error):
            return "a value where a table is expected"
        case _:
            return describe(error)


def _leaves(error: BaseException) -> Iterator[BaseException]:
    if isinstance(error, BaseExceptionGroup):
        for inner in error.exceptions:
            yield from _leaves(inner)
    else:
        yield error
