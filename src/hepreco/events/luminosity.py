"""Luminosity sections: certification by golden JSON files, and luminosity from tables of brilcalc."""

import base64
import csv
import json
import re
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from hepreco.errors import DatasetError

#: Units of brilcalc's tables in fb⁻¹.
_UNITS: Final = {"/ub": 1e-9, "/nb": 1e-6, "/pb": 1e-3, "/fb": 1.0}
#: Column of the recorded luminosity in brilcalc's tables.
_RECORDED: Final = 6


class LumiSections:
    """A set of luminosity sections, each given by run and number; each takes eight bytes.

    Example
    -------
    >>> sections = LumiSections([1, 1, 2], [5, 6, 1]) | LumiSections([1], [7])
    >>> sections.as_json(), len(sections)
    ({'1': [[5, 7]], '2': [[1, 1]]}, 4)
    """

    def __init__(self, runs: ArrayLike = (), sections: ArrayLike = ()) -> None:
        codes = (np.asarray(runs, np.uint64) << np.uint64(32)) | np.asarray(sections, np.uint64)
        self._codes: NDArray[np.uint64] = np.unique(codes)

    @property
    def runs(self) -> NDArray[np.uint32]:
        """The run of each section, sorted."""
        return (self._codes >> np.uint64(32)).astype(np.uint32)

    @property
    def numbers(self) -> NDArray[np.uint32]:
        """The number of each section within its run."""
        return (self._codes & np.uint64(0xFFFFFFFF)).astype(np.uint32)

    def __len__(self) -> int:
        return len(self._codes)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, LumiSections) and np.array_equal(self._codes, other._codes)

    def __hash__(self) -> int:
        return hash(self._codes.tobytes())

    def __or__(self, other: "LumiSections") -> "LumiSections":
        return LumiSections(np.append(self.runs, other.runs), np.append(self.numbers, other.numbers))

    def certified(self, golden: str) -> "LumiSections":
        """The sections that a golden JSON lists; all of them if ``golden`` is empty."""
        kept = is_certified(golden, self.runs, self.numbers) if golden else np.ones(len(self), dtype=bool)
        return LumiSections(self.runs[kept], self.numbers[kept])

    def as_json(self) -> dict[str, list[list[int]]]:
        """Ranges of sections by run, in the form of a golden JSON."""
        found: dict[str, list[list[int]]] = {}
        for row in np.split(self._codes, np.flatnonzero(np.diff(self._codes) != 1) + 1) if len(self) else ():
            found.setdefault(str(int(row[0]) >> 32), []).append([int(row[0]) & 0xFFFFFFFF, int(row[-1]) & 0xFFFFFFFF])
        return found

    @classmethod
    def from_json(cls, values: Mapping[str, list[list[int]]]) -> "LumiSections":
        """The inverse of :meth:`as_json`."""
        rows = [(int(run), first, last) for run, ranges in values.items() for first, last in ranges]
        runs = [np.full(last - first + 1, run, np.uint64) for run, first, last in rows]
        numbers = [np.arange(first, last + 1, dtype=np.uint64) for _, first, last in rows]
        return cls(np.concatenate(runs), np.concatenate(numbers)) if rows else cls()


def read_certified(path: str) -> str:
    """Read and check a golden JSON: ranges of luminosity sections by run. Returns its text.

    Raises
    ------
    DatasetError
        The file cannot be read, is not such a table, or lists no section.
    """
    remedy = 'give a golden JSON, such as {"355100": [[1, 20], [30, 45]]}'
    try:
        table = json.loads(Path(path).read_text("utf-8"))
    except OSError as error:
        raise DatasetError(f"cannot read {path}: {error.strerror}", "give the path of a golden JSON") from None
    except (ValueError, RecursionError) as error:
        raise DatasetError(f"{path} is not JSON: {error}", remedy) from None
    if not isinstance(table, dict) or not all(run.isdecimal() and _are_ranges(each) for run, each in table.items()):
        raise DatasetError(f"{path} is not a table of luminosity sections by run", remedy)
    if not any(table.values()):
        raise DatasetError(f"{path} lists no luminosity section: every event would be removed", remedy)
    return json.dumps(table, sort_keys=True)


def is_certified(golden: str, runs: NDArray[Any], sections: NDArray[Any]) -> NDArray[np.bool_]:
    """Whether a golden JSON, as :func:`read_certified` gives it, lists the luminosity section of each event."""
    mask: NDArray[np.bool_] = _lumi_mask(golden)(runs.astype(np.uint32), sections.astype(np.uint32))
    return mask


def luminosity(path: str, sections: LumiSections) -> tuple[float, LumiSections]:
    """The recorded luminosity of sections in fb⁻¹ from a table of brilcalc, and the sections that the table lacks.

    Parameters
    ----------
    path
        Output of ``brilcalc lumi --byls --output-style csv``, with the header, which names the unit.
    sections
        The sections, each of which counts once.

    Raises
    ------
    DatasetError
        As for :func:`read_table`.
    """
    from coffea.lumi_tools import LumiData  # noqa: PLC0415  compiles for seconds

    unit, known = read_table(path)
    total = LumiData(path).get_lumi(np.stack((sections.runs, sections.numbers), axis=-1))
    lacking = ~np.isin(sections._codes, known._codes)
    return float(total) * unit, LumiSections(sections.runs[lacking], sections.numbers[lacking])


def read_table(path: str) -> tuple[float, LumiSections]:
    """The unit of a table of brilcalc in fb⁻¹, and the luminosity sections that it has.

    Raises
    ------
    DatasetError
        The file cannot be read, lacks the columns of such a table, or has no row.
    """
    unit = _unit(path)
    try:
        run, section, _ = np.loadtxt(
            path,
            delimiter=",",
            usecols=(0, 1, _RECORDED),
            converters={0: _before_colon, 1: _before_colon},
            encoding="utf-8",
            ndmin=2,
        ).T
    except (ValueError, IndexError) as error:
        raise _no_table(path, str(error)) from None
    return unit, LumiSections(run, section)


def _are_ranges(value: object) -> bool:
    return isinstance(value, list) and all(
        isinstance(each, list) and len(each) == 2 and all(type(end) is int for end in each) and 0 < each[0] <= each[1]
        for each in value
    )


@lru_cache(maxsize=16)
def _lumi_mask(golden: str) -> Any:
    from coffea.lumi_tools import LumiMask  # noqa: PLC0415  compiles for seconds

    return LumiMask(f"data:application/json;base64,{base64.b64encode(golden.encode()).decode()}")


def _before_colon(text: str) -> float:
    return float(text.partition(":")[0])


def _unit(path: str) -> float:
    """The unit of the recorded luminosity, from the header."""
    try:
        lines = Path(path).read_text("utf-8").splitlines()
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise DatasetError(f"cannot read {path}: {reason}", "give the path of a table of brilcalc") from None
    headers = [line for line in lines if line.startswith("#run:fill")]
    if not headers:
        raise _no_table(path, "it has no header that begins with #run:fill")
    names = next(csv.reader(headers))
    found = re.fullmatch(r"recorded\((.+)\)", names[_RECORDED].strip()) if len(names) > _RECORDED + 1 else None
    if not found or names[1].strip() != "ls":
        raise _no_table(path, f"its columns are {', '.join(names)}")
    if found[1] not in _UNITS:
        raise _no_table(path, f"its luminosities are in {found[1]}")
    return _UNITS[found[1]]


def _no_table(path: str, why: str) -> DatasetError:
    return DatasetError(
        f"{path} is no table of luminosity sections: {why}",
        "write it with brilcalc lumi --byls --output-style csv -u /pb -i GOLDEN_JSON -o lumi.csv",
    )
