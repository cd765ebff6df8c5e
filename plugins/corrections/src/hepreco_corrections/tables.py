"""Options that are tables."""

from dataclasses import fields
from typing import Any


class Table(dict[str, Any]):
    """A table that can be hashed, as options must be; it must not be changed.

    Example
    -------
    >>> Table({"a": 1}) == {"a": 1}, hash(Table({"a": 1})) == hash(Table({"a": 1}))
    (True, True)
    """

    def __hash__(self) -> int:  # type: ignore[override]  # of a dict there is none
        return hash(frozenset(self.items()))


def freeze(options: Any) -> None:
    """Replace the dictionaries of a frozen dataclass by tables, in its ``__post_init__``."""
    for field in fields(options):
        value = getattr(options, field.name)
        if isinstance(value, dict):
            object.__setattr__(options, field.name, Table(value))
