"""Rules for names of files, entries of an archive, fields of the events, and entries on an axis."""

from collections.abc import Collection
from typing import Final

from hepreco.errors import ConfigError

#: Characters that some file system, shell or ``file:tree`` address does not accept in a name.
FORBIDDEN: Final = '/\\:*?"<>|'
#: Longest name in bytes of UTF-8: names of figures join two names, and file systems accept 255 bytes.
LONGEST: Final = 120


def check_name(name: str, *, what: str, reserved: Collection[str] = ()) -> None:
    """Refuse a name that cannot name a file or an entry of an archive.

    Parameters
    ----------
    name
        The name, for example of a dataset, which becomes a directory.
    what
        What has this name, for the error.
    reserved
        Names with another meaning, in lower case: some file systems do not distinguish ``index`` from ``Index``.

    Raises
    ------
    ConfigError
        The name is empty, too long or reserved, begins or ends with a dot or a space, or contains a character that is
        not printable or that some file system does not accept.

    Example
    -------
    >>> check_name("tt̄ + 2 jets", what="a dataset")
    >>> check_name("../ttbar", what="a dataset")
    Traceback (most recent call last):
    ...
    hepreco.errors.ConfigError: a dataset is named '../ttbar': a name must not contain '/'
      what to do: rename it: letters, digits, spaces, '_', '-' and '.' are safe
    """
    check_label(name, what=what)
    odd = [character for character in name if character in FORBIDDEN]
    if odd:
        raise _refused(name, what, f"a name must not contain {odd[0]!r}")
    if name.startswith((".", " ")) or name.endswith((".", " ")):
        raise _refused(name, what, "a name must not begin or end with a dot or a space")
    if len(name.encode()) > LONGEST:
        raise _refused(name, what, f"a name is at most {LONGEST} bytes long")
    if name.casefold() in reserved:
        raise _refused(name, what, f"hepreco uses {name!r} itself")


def check_label(name: str, *, what: str) -> None:
    """Refuse a name that is empty or not printable; it becomes an entry on an axis and in tables, never a path."""
    if not name.strip():
        raise _refused(name, what, "a name must not be empty")
    odd = [character for character in name if not character.isprintable()]
    if odd:
        raise _refused(name, what, f"a name must not contain {odd[0]!r}, which is not printable")


def check_field(name: str, *, what: str) -> None:
    """Refuse a name that cannot be a field of the events: it may have letters, digits, ``_`` and ``-``, no digit first.

    Example
    -------
    >>> check_field("chi2-assigner", what="a plugin")
    """
    check_name(name, what=what)
    if not name.replace("-", "_").isidentifier():
        raise ConfigError(
            f"{what} is named {name!r}, and its columns would be events[{name!r}]",
            "rename it: letters, digits, '_' and '-', not starting with a digit",
        )


def safe_name(text: str) -> str:
    """A text without the characters that a name must not contain, for example from a file's name; possibly empty.

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
