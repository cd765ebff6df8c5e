"""Plain tables into frozen dataclasses, strictly."""

from collections.abc import Iterator, Mapping
from typing import Any, TypeVar

import cattrs
import cattrs.v

from hepreco.errors import ConfigError, HepRecoError

T = TypeVar("T")


def structure(table: Mapping[str, Any], target: type[T], *, where: str, remedy: str) -> T:
    """An object of the target class from a table, as TOML gives it.

    Raises
    ------
    ConfigError
        A key is unknown or missing, or a value is of another type: numbers are not strings, and 1 is not true.
    """
    converter = cattrs.Converter(forbid_extra_keys=True)
    for kind in (bool, int, float, str):
        converter.register_structure_hook(kind, _strict)
    try:
        return converter.structure(dict(table), target)
    except (cattrs.BaseValidationError, HepRecoError) as error:
        for cause in _leaves(error):
            if isinstance(cause, HepRecoError):
                raise ConfigError(f"{where}: {cause.problem}", cause.remedy) from None
        problems = "; ".join(cattrs.transform_error(error, format_exception=_said)).replace(" @ $.", " at ")
        raise ConfigError(f"{where}: {problems.replace(' @ $', '')}", remedy) from None


def _strict(value: Any, kind: type) -> Any:
    accepted = int | float if kind is float else kind
    if not isinstance(value, accepted) or (isinstance(value, bool) and kind is not bool):
        raise TypeError(f"{value!r} is not a {kind.__name__}")
    return kind(value)


def _said(error: BaseException, kind: type | None) -> str:
    return str(error) if isinstance(error, TypeError) else cattrs.v.format_exception(error, kind)


def _leaves(error: BaseException) -> Iterator[BaseException]:
    if isinstance(error, BaseExceptionGroup):
        for inner in error.exceptions:
            yield from _leaves(inner)
    else:
        yield error
