"""Paths of columns in cuts and histograms: ``Jet.pt``, ``jets[0].pt``, ``len(jets)``."""

import re
from dataclasses import dataclass

from hepreco.errors import ConfigError

_PATH = re.compile(r"len\((?P<counted>\w+)\)|(?P<collection>\w+)(?:\[(?P<position>\d+)\])?(?P<rest>(?:\.\w+)*)")


@dataclass(frozen=True)
class ColumnPath:
    """The parsed path of a column.

    Parameters
    ----------
    names
        Field names from the outermost to the innermost, such as ``("Jet", "pt")``.
    position
        Position of one object in the list of an event, from 0; ``None`` for all objects.
    counts
        Whether the column is the number of objects.

    Example
    -------
    >>> ColumnPath.parse("jets[0].pt")
    ColumnPath(names=('jets', 'pt'), position=0, counts=False)
    >>> ColumnPath.parse("len(jets)")
    ColumnPath(names=('jets',), position=None, counts=True)
    """

    names: tuple[str, ...]
    position: int | None = None
    counts: bool = False

    @classmethod
    def parse(cls, text: str) -> "ColumnPath":
        """Read a path; :class:`~hepreco.errors.ConfigError` if it is malformed."""
        match = _PATH.fullmatch(text)
        if match is None:
            raise ConfigError(f"cannot read the column {text!r}", "write Jet.pt, jets[0].pt or len(jets)")
        if match["counted"]:
            return cls((match["counted"],), counts=True)
        position = None if match["position"] is None else int(match["position"])
        return cls((match["collection"], *match["rest"].split(".")[1:]), position)

    @property
    def plain(self) -> str:
        """The column without position or count, such as ``Jet.pt``."""
        return ".".join(self.names)
