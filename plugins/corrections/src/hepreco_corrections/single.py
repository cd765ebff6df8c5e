"""Weights from one correction of a correctionlib file, such as that of pile-up."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, final

import numpy as np
from numpy.typing import NDArray

from hepreco.errors import ConfigError
from hepreco.plugin import CorrectionInput, WeightCorrection
from hepreco.plugin.corrections import CENTRAL
from hepreco_corrections.columns import FlatColumns, flat, paths
from hepreco_corrections.examples import EXAMPLE
from hepreco_corrections.files import ByPeriod, NamedCorrection, all_of, find, of_period
from hepreco_corrections.tables import freeze


@final
@dataclass(frozen=True)
class Constant:
    """An input that is the same for all objects. Texts need this form, since a bare text is the name of a column."""

    constant: str | float | int


@final
@dataclass(frozen=True)
class Systematic:
    """An input that selects the variation.

    Parameters
    ----------
    systematic
        The value of the input for each variation and for ``nominal``: ``{ nominal = "sf", up = "sfup" }``.
    """

    systematic: Mapping[str, str | float | int]

    def __post_init__(self) -> None:
        freeze(self)


Input = str | float | int | Constant | Systematic


@final
@dataclass(frozen=True)
class CorrectionlibWeight(WeightCorrection):
    """A weight from one correction, or compound correction, of a correctionlib file.

    With columns of objects, the weight of an event is the product over its objects.

    Parameters
    ----------
    file
        A JSON file of correctionlib, which may be gzipped; or a table of files by data-taking period.
    inputs
        The value of each input of the correction: a column such as ``"muons.pt"`` or ``"|muons.eta|"``, a number,
        ``{ constant = "Tight" }``, or ``{ systematic = { nominal = "sf", up = "sfup", down = "sfdown" } }``.
    correction
        Its name in the file, or a table of names by period. Not needed for a file with one correction.

    Example
    -------
    >>> CorrectionlibWeight("sf.json", {"abseta": "|muons.eta|", "year": Constant("2022")}).reads
    ('muons.eta',)
    """

    file: ByPeriod
    inputs: Mapping[str, Input] = field(default_factory=dict)
    correction: ByPeriod = ""

    def __post_init__(self) -> None:
        freeze(self)
        systematics = self._of_kind(Systematic)
        for name, each in systematics.items():
            if CENTRAL not in each.systematic:
                raise ConfigError(
                    f"correctionlib: the input {name!r} has no nominal value, only {', '.join(each.systematic)}",
                    f'write {name} = {{ systematic = {{ {CENTRAL} = "...", ... }} }}',
                )

    @property
    def reads(self) -> tuple[str, ...]:
        """The columns among its inputs."""
        return paths(self._of_kind(str).values())

    @property
    def variations(self) -> tuple[str, ...]:
        """The variations that its systematic inputs name."""
        named = [name for each in self._of_kind(Systematic).values() for name in each.systematic]
        return tuple(dict.fromkeys(name for name in named if name != CENTRAL))

    @property
    def files(self) -> tuple[str, ...]:
        """The files of all periods."""
        return all_of(self.file)

    @classmethod
    def examples(cls) -> tuple["CorrectionlibWeight", ...]:
        """A scale factor of muons."""
        systematic = Systematic({"nominal": "sf", "up": "systup", "down": "systdown"})
        inputs: dict[str, Input] = {"abseta": "|muons.eta|", "pt": "muons.pt", "scale_factors": systematic}
        return (cls(EXAMPLE, inputs, "muon_id"),)

    def setup(self) -> None:
        """Read the files, and check the inputs."""
        for path, name in _places(self.file, self.correction):
            find(path, name).require_inputs(self.inputs)

    def weights(self, events: CorrectionInput, wanted: Sequence[str]) -> Mapping[str, NDArray[np.float64]]:
        """The factors; variations whose inputs equal the nominal ones are not evaluated again."""
        named = find(of_period(self.file, events.period), of_period(self.correction, events.period))
        named.require_inputs(self.inputs)
        columns = flat(events, self._of_kind(str))
        found: dict[tuple[Any, ...], NDArray[np.float64]] = {}
        return {name: self._weight(name, named, columns, found, events=len(events)) for name in wanted}

    def _weight(
        self,
        variation: str,
        named: NamedCorrection,
        columns: FlatColumns,
        found: dict[tuple[Any, ...], NDArray[np.float64]],
        *,
        events: int,
    ) -> NDArray[np.float64]:
        values = {name: _of_variation(each, variation) for name, each in self.inputs.items()} | dict(columns.values)
        key = tuple(values[name] for name in self._of_kind(Systematic))
        if key not in found:
            factors = named.evaluate(*(values[name] for name in named.signature))
            found[key] = columns.per_event(factors, events=events)
        return found[key]

    def _of_kind(self, kind: type) -> dict[str, Any]:
        return {name: each for name, each in self.inputs.items() if isinstance(each, kind)}


#: The inputs of the pile-up weights that CMS publishes.
_PILEUP: Final[Mapping[str, Input]] = {
    "NumTrueInteractions": "Pileup.nTrueInt",
    "weights": Systematic({CENTRAL: "nominal", "up": "up", "down": "down"}),
}


@final
@dataclass(frozen=True)
class PileUp(WeightCorrection):
    """The weight that gives simulated events the pile-up of data.

    It is ``correctionlib`` with the inputs ``NumTrueInteractions`` and ``weights`` (``nominal``, ``up``, ``down``).

    Parameters
    ----------
    file
        A JSON file of correctionlib, which may be gzipped; or a table of files by data-taking period.
    correction
        Its name in the file, or a table of names by period. Not needed for a file with one correction.
    """

    file: ByPeriod
    correction: ByPeriod = ""

    def __post_init__(self) -> None:
        freeze(self)

    @property
    def reads(self) -> tuple[str, ...]:
        """The number of true interactions."""
        return self._weight.reads

    @property
    def variations(self) -> tuple[str, ...]:
        """``up`` and ``down``, by which the cross-section of inelastic collisions is varied."""
        return self._weight.variations

    @property
    def files(self) -> tuple[str, ...]:
        """The files of all periods."""
        return self._weight.files

    @classmethod
    def examples(cls) -> tuple["PileUp", ...]:
        """The correction of the packaged file."""
        return (cls(EXAMPLE, "pileup"),)

    def setup(self) -> None:
        """Read the files, and check the inputs."""
        self._weight.setup()

    def weights(self, events: CorrectionInput, wanted: Sequence[str]) -> Mapping[str, NDArray[np.float64]]:
        """The factors for each event."""
        return self._weight.weights(events, wanted)

    @property
    def _weight(self) -> CorrectionlibWeight:
        return CorrectionlibWeight(self.file, _PILEUP, self.correction)


def _places(file: ByPeriod, correction: ByPeriod) -> set[tuple[str, str]]:
    """Path and name of the correction in every period."""
    tables = [each for each in (file, correction) if not isinstance(each, str)]
    periods = {period for table in tables for period in table} or {""}
    return {(of_period(file, period), of_period(correction, period)) for period in periods}


def _of_variation(each: Input, variation: str) -> Any:
    match each:
        case Constant():
            return each.constant
        case Systematic():
            return each.systematic.get(variation, each.systematic[CENTRAL])
        case _:
            return each
