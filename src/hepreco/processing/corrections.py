"""Applies corrections to objects and weights."""

from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final

import awkward as ak
import numpy as np
from numpy.typing import NDArray

from hepreco.errors import ConfigError, PluginError, blamed
from hepreco.events import column
from hepreco.events.columns import EVENT_ID
from hepreco.names import check_field
from hepreco.plugin import Correction, CorrectionInput, ObjectCorrection, WeightCorrection
from hepreco.plugin.corrections import CENTRAL
from hepreco.processing import identity

_REMEDY: Final = "run 'hepreco plugins check', tell its author"


@dataclass(frozen=True)
class AppliedCorrection:
    """A correction, and the datasets to which it is applied.

    Parameters
    ----------
    correction
        The correction, with its options.
    data
        Whether it is applied to data as well; by default to simulation alone.
    datasets
        Names of the datasets to which it is applied; by default all.
    """

    correction: Correction
    data: bool = False
    datasets: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if not isinstance(self.correction, WeightCorrection | ObjectCorrection):
            raise ConfigError(
                f"{self.correction!r} is no correction", "give an instance of a WeightCorrection or ObjectCorrection"
            )

    def applies(self, dataset: str, *, is_data: bool) -> bool:
        """Whether it is applied to a dataset."""
        return (self.data or not is_data) and (not self.datasets or dataset in self.datasets)

    @property
    def provenance(self) -> Any:
        """All that determines its result: options, code, and the content of its files."""
        return {
            "options": identity.of_value(self.correction),
            "code": identity.of_code(type(self.correction)),
            "files": identity.of_value(self.correction.files),
            "data": self.data,
            "datasets": list(self.datasets),
        }


class Corrections:
    """The corrections of an analysis by the names of their tables.

    Parameters
    ----------
    applied
        Corrections, which are applied to all simulated datasets, or :class:`AppliedCorrection` for other choices.

    Raises
    ------
    ConfigError
        The name of a table is not a valid field name.
    """

    def __init__(self, applied: Mapping[str, Correction | AppliedCorrection]) -> None:
        self.applied = {
            name: each if isinstance(each, AppliedCorrection) else AppliedCorrection(each)
            for name, each in applied.items()
        }
        for name in self.applied:
            check_field(name, what="a table of corrections")
        self._objects = {name: each for name, each in self.applied.items() if _changes_objects(each)}
        self._weights = {name: each for name, each in self.applied.items() if not _changes_objects(each)}

    @property
    def object_variations(self) -> list[str]:
        """Names of variations that change objects."""
        return [name for name, _, _ in _variations(self._objects)]

    @property
    def weight_variations(self) -> list[str]:
        """Names of variations that change weights alone."""
        return [name for name, _, _ in _variations(self._weights)]

    def names(self, dataset: str, *, is_data: bool) -> list[str]:
        """Names of the corrections that are applied to a dataset."""
        return [name for name, each in self.applied.items() if each.applies(dataset, is_data=is_data)]

    def reads(self, dataset: str, *, is_data: bool) -> list[str]:
        """The columns that the corrections of a dataset read."""
        return [path for name in self.names(dataset, is_data=is_data) for path in self.applied[name].correction.reads]

    def setup(self) -> None:
        """Let every correction read its files now, so that a missing file stops the run before it starts."""
        for name, each in self.applied.items():
            with _blamed(name):
                _set_up(each.correction)

    def with_objects(self, events: ak.Array) -> Iterator[tuple[str, ak.Array]]:
        """The events with corrected objects: the nominal ones, and those of the variations that change them.

        Variations of corrections that are not applied to the dataset are left out.
        """
        chosen = self._chosen(self._objects, events)
        corrected = [events]
        for name, each in chosen.items():
            corrected.append(_corrected(corrected[-1], name, each, CENTRAL))
        yield CENTRAL, corrected[-1]
        for said, table, variation in _variations(self._objects):
            if table not in chosen:
                continue
            position = list(chosen).index(table)
            varied = _corrected(corrected[position], table, chosen[table], variation)
            for name in list(chosen)[position + 1 :]:
                varied = _corrected(varied, name, chosen[name], CENTRAL)
            yield said, varied

    def weights(self, events: ak.Array, weight: NDArray[np.float32], *, varied: bool) -> dict[str, NDArray[np.float32]]:
        """The weights of selected events: nominal ones and, with ``varied``, those of every variation of weights.

        Products of factors are computed in double precision, and rounded once.
        """
        chosen = self._chosen(self._weights, events)
        factors = {name: _factors(events, name, each, varied=varied) for name, each in chosen.items()}
        central: NDArray[np.float64] = np.ones(len(events))
        for each in factors.values():
            central = central * each[CENTRAL]
        found = {CENTRAL: _weighted(weight, central) if factors else weight}
        for said, table, variation in _variations(self._weights) if varied else ():
            if table not in factors:
                found[said] = found[CENTRAL]
                continue
            others = [each[CENTRAL] for name, each in factors.items() if name != table]
            found[said] = _weighted(weight, np.prod([factors[table][variation], *others], axis=0))
        return found

    def _chosen(self, corrections: Mapping[str, AppliedCorrection], events: ak.Array) -> dict[str, Any]:
        known = events.metadata
        names = self.names(known["dataset"], is_data=known.get("data", False))
        return {name: each.correction for name, each in corrections.items() if name in names}


def _changes_objects(applied: AppliedCorrection) -> bool:
    return isinstance(applied.correction, ObjectCorrection)


def _variations(corrections: Mapping[str, AppliedCorrection]) -> list[tuple[str, str, str]]:
    """For each variation, its name on the axis, its table, and its name in the correction."""
    return [(f"{name}_{each}", name, each) for name, one in corrections.items() for each in one.correction.variations]


def _weighted(weight: NDArray[np.float32], factor: NDArray[np.float64]) -> NDArray[np.float32]:
    return (weight.astype(np.float64) * factor).astype(np.float32)


def _factors(
    events: ak.Array, name: str, correction: WeightCorrection, *, varied: bool
) -> Mapping[str, NDArray[np.float64]]:
    wanted = (CENTRAL, *(correction.variations if varied else ()))
    with _blamed(name):
        found = correction.weights(_given(events, correction), wanted)
    for each in wanted:
        values = found.get(each)
        if values is None or np.shape(values) != (len(events),) or not np.isfinite(values).all():
            what = "nothing" if values is None else "something else than one finite number per event"
            raise PluginError(f"correction {name!r} gave {what} for {each!r}", _REMEDY)
    return found


def _corrected(events: ak.Array, name: str, correction: ObjectCorrection, variation: str) -> ak.Array:
    with _blamed(name):
        changed = correction.corrected(_given(events, correction), variation)
    if sorted(changed) != sorted(correction.changes):
        raise PluginError(
            f"correction {name!r} changed {sorted(changed)}, promised {sorted(correction.changes)}",
            _REMEDY,
        )
    for path, values in changed.items():
        collection, _, field = path.partition(".")
        if field not in column(events, collection).fields:
            raise PluginError(f"correction {name!r} changed {path}, which the file lacks", "name a column of the file")
        if not _alike(values, column(events, path)):
            raise PluginError(
                f"correction {name!r} gave {path} another number of objects", "return one value for each object"
            )
        events = ak.with_field(events, ak.with_field(events[collection], values, field), collection)
    return events


def _alike(values: ak.Array, before: ak.Array) -> bool:
    if len(values) != len(before) or values.ndim != before.ndim:
        return False
    return before.ndim == 1 or bool(ak.all(ak.num(values) == ak.num(before), axis=None))


def _given(events: ak.Array, correction: Correction) -> CorrectionInput:
    columns = {path: column(events, path) for path in correction.reads}
    identifier = np.stack([ak.to_numpy(column(events, name)).astype(np.int64) for name in EVENT_ID], axis=-1)
    known = events.metadata
    return CorrectionInput(columns, identifier, known["dataset"], known.get("period", ""))


@lru_cache(maxsize=256)
def _set_up(correction: Correction) -> None:
    """Set up a correction, once per process."""
    correction.setup()


def _blamed(name: str) -> AbstractContextManager[None]:
    return blamed(f"correction {name!r} raised", kind=PluginError, remedy=_REMEDY)
