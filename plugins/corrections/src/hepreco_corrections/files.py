"""Correctionlib files, read once per process; errors explain which value was refused, and why."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, TypeVar

import correctionlib
import numpy as np
from correctionlib.highlevel import CompoundCorrection, Correction

from hepreco.errors import ConfigError, DatasetError, describe
from hepreco.plugin.options import closest

T = TypeVar("T")
#: A path or a name, or a table of them by data-taking period.
ByPeriod = str | Mapping[str, str]


def of_period(value: ByPeriod, period: str) -> str:
    """The value for a period; :class:`~hepreco.errors.ConfigError` if a table does not have the period.

    Example
    -------
    >>> of_period({"2022": "a.json", "2023": "b.json"}, "2023"), of_period("a.json", "2023")
    ('b.json', 'a.json')
    """
    if isinstance(value, str):
        return value
    if period not in value:
        said = f"of the period {period!r}" if period else "of a dataset without a period"
        raise ConfigError(f"nothing is given for events {said}, only for {', '.join(value)}", "add the period")
    return value[period]


def all_of(value: ByPeriod) -> tuple[str, ...]:
    """The values of all periods."""
    return (value,) if isinstance(value, str) else tuple(dict.fromkeys(value.values()))


@dataclass(frozen=True, eq=False)
class NamedCorrection:
    """A correction of a file, with the interface of correctionlib, and with checks of its inputs.

    Parameters
    ----------
    path, name
        Path of the file, and name of the correction in it.
    evaluator
        The correction, or compound correction, of correctionlib.
    """

    path: str
    name: str
    evaluator: Correction | CompoundCorrection

    @property
    def inputs(self) -> list[Any]:
        """Its variables, each with a name and a type, in the order of :meth:`evaluate`."""
        return list(self.evaluator.inputs)

    @property
    def signature(self) -> tuple[str, ...]:
        """The names of its inputs."""
        return tuple(variable.name for variable in self.evaluator.inputs)

    def require_inputs(self, given: Iterable[str]) -> None:
        """Raise :class:`~hepreco.errors.ConfigError` unless exactly its inputs are given."""
        given = tuple(given)
        missing = [name for name in self.signature if name not in given]
        superfluous = [name for name in given if name not in self.signature]
        if not missing and not superfluous:
            return
        word, name = ("misses the input", missing[0]) if missing else ("has no input", superfluous[0])
        others = superfluous if missing else self.signature
        raise ConfigError(
            f"{self.name!r} of {self.path} {word} {name!r}; its inputs are {', '.join(self.signature)}",
            f"{closest(name, others)}" if others else f"give {name}, by a column or a constant",
        )

    def evaluate(self, *values: Any) -> Any:
        """The factors for these values of the inputs, arrays or constants.

        Raises
        ------
        ConfigError
            A value is of another type than the input.
        DatasetError
            A value is outside a binning, or is not a key of a category.
        """
        checked = [self._checked(*pair) for pair in zip(self.inputs, values, strict=True)]
        try:
            return self.evaluator.evaluate(*checked)
        except (RuntimeError, IndexError, ValueError) as error:
            from hepreco_corrections.refusals import why  # noqa: PLC0415  imports pydantic

            given = dict(zip(self.signature, checked, strict=True))
            reason = why(self.path, self.name, given, self.evaluator) or describe(error)
            raise DatasetError(
                f"{self.name!r} of {self.path}: {reason}",
                "remove such objects or events by cuts, or use 'clamp' or a default instead of 'error' in the file",
            ) from None

    def _checked(self, variable: Any, value: Any) -> Any:
        is_text = isinstance(value, str)
        if is_text != (variable.type == "string"):
            said = f"is a text, not {type(value).__name__}" if not is_text else f"is a number, not {value!r}"
            remedy = "give a column or a number" if is_text else 'give a text, as { constant = "Tight" }'
            raise ConfigError(f"{self.name!r} of {self.path}: the input {variable.name!r} {said}", remedy)
        if variable.type != "int" or is_text:
            return float(value) if isinstance(value, int) else value
        numbers = np.asarray(value)
        if numbers.dtype.kind == "f" and np.any(numbers != np.floor(numbers)):
            raise ConfigError(
                f"{self.name!r} of {self.path}: the input {variable.name!r} is an integer, and is given "
                f"{numbers[numbers != np.floor(numbers)].flat[0]:g}",
                "give a column of integers",
            )
        return numbers.astype(np.int64)[()]


def find(path: str, name: str = "") -> NamedCorrection:
    """A correction or compound correction of a file by its name, which is not needed if the file has one only.

    Raises
    ------
    ConfigError
        The file is missing or of another format, or there is none of that name.
    """
    found = read(path)
    names = [*found, *found.compound]
    if not name and len(names) == 1:
        name = names[0]
    if name not in names:
        said = f"has no correction {name!r}" if name else f"has {len(names)} corrections: {', '.join(names[:20])}"
        raise ConfigError(f"{path} {said}", closest(name, names) if name else "say which by its name")
    return NamedCorrection(path, name, found.compound[name] if name in [*found.compound] else found[name])


def read(path: str) -> correctionlib.CorrectionSet:
    """All corrections of a JSON file, which may be gzipped; it is read again if its size or time has changed."""
    try:
        status = Path(path).stat()
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror}", "give the path of a correctionlib file") from None
    return _read(path, status.st_size, status.st_mtime_ns)


@lru_cache(maxsize=32)
def _read(path: str, _size: int, _time: int) -> correctionlib.CorrectionSet:
    try:
        return correctionlib.CorrectionSet.from_file(path)
    except (RuntimeError, ValueError, OSError, EOFError) as error:
        raise ConfigError(
            f"{path} is no file of correctionlib, schema version 2: {describe(error)}",
            f"look into it with 'correction validate {path}', or get it anew",
        ) from None
