"""What may be a name: of a file, of an entry in an archive, of a field of the events, or of an entry on an axis."""

from collections.abc import Collection
from typing import Final

from hepreco.errors import ConfigError

#: What some file system, shell or ``file:tree`` address does not take as part of a name.
FORBIDDEN: Final = '/\\:*?"<>|'
#: In bytes of UTF-8: names of figures join two of these, and file systems take 255.
LONGEST: Final = 120


def check_name(name: str, *, what: str, reserved: Collection[str] = ()) -> None:
    """Refuse a name that could not be that of a file or of an entry in an archive.

    Parameters
    ----------
    name
        For example that of a dataset, which becomes a directory.
    what
        What bears it, for the error.
    reserved
        Names that stand for something else, in lower case: some file systems do not tell ``index`` from ``Index``.

    Raises
    ------
    ConfigError
        The name is empty, too long, reserved, begins with a dot, begins or ends with a space, ends with a dot, or holds
        a character that does not print or that some file system does not take.

    Example
    -------
    >>> check_name("tt̄ + 2 jets", what="a dataset")
    >>> check_name("../ttbar", what="a dataset")
    Traceback (most recent call last):
    ...
    hepreco.errors.ConfigError: a dataset is named '../ttbar': a name holds no '/'
      what to do: rename it: letters, digits, spaces, '_', '-' and '.' are safe
    """
    check_label(name, what=what)
    odd = [character for character in name if character in FORBIDDEN]
    if odd:
        raise _refused(name, what, f"a name holds no {odd[0]!r}")
    if name.startswith((".", " ")) or name.endswith((".", " ")):
        raise _refused(name, what, "a name neither begins nor ends with a dot or a space")
    if len(name.encode()) > LONGEST:
        raise _refused(name, what, f"a name is at most {LONGEST} bytes long")
    if name.casefold() in reserved:
        raise _refused(name, what, f"hepreco uses {name!r} itself")


def check_label(name: str, *, what: str) -> None:
    """Refuse a name that is empty or does not print; it becomes an entry on an axis and in tables, never a path."""
    if not name.strip():
        raise _refused(name, what, "a name is not empty")
    odd = [character for character in name if not character.isprintable()]
    if odd:
        raise _refused(name, what, f"a name holds no {odd[0]!r}, which does not print")


def check_field(name: str, *, what: str) -> None:
    """Refuse what cannot be a field of the events: letters, digits, ``_`` and ``-``, no digit first.

    Example
    -------
    >>> check_field("chi2-assigner", what="a plugin")
    """
    check_name(name, what=what)
    if not name.replace("-", "_").isidentifier():
        raise ConfigError(
            f"{what} is named {name!r}, and its columns would be events[{name!r}]",
            "rename it: letters, digits, '_' and '-', no digit first",
        )


def safe_name(text: str) -> str:
    """As much of a text as may be a name, for example of the name of somebody's file; possibly nothing.

    Example
    -------
    >>> safe_name("tt_*[ab]?")
    'tt_ab'
    """
    kept = "".join(character for character in text if character.isprintable() and character not in f"{FORBIDDEN}[]")
    return kept.encode()[:LONGEST].decode(errors="ignore").strip(". ")


def _refused(name: str, what: str, why: str) -> ConfigError:
    return ConfigError(
        f"{what} is named {name!r}: {why}", "rename it: letters, digits, spaces, '_', '-' and '.' are safe"
    )
