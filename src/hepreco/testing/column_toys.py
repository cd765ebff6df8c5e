"""Random columns in the shape that a correction asks for, without any file."""

import re
from collections.abc import Callable, Iterable
from functools import lru_cache
from typing import Any, Final

import awkward as ak
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from hepreco.plugin import CorrectionInput
from hepreco.plugin.listing import announced_plugins
from hepreco.testing.branches import COLLECTIONS, MISSING_MOMENTA, RANGES, UNKNOWN, falling, one_of, uniform, whole
from hepreco.testing.toys import ETA_MAX, MORE, PT_MIN, PT_SLOPE

#: Lists of weights that generators store, and how many numbers NanoAOD mostly holds.
MEMBERS: Final = {"LHEScaleWeight": 9, "LHEPdfWeight": 103, "PSWeight": 4}
#: Collections of NanoAOD of which an event has one.
_SINGLE: Final = frozenset(("PV", "TauProd"))
_PLURALS: Final = {"bjets": "Jet", "leptons": "Muon"}
#: Values of columns that are nobody's features.
_VALUES: Final = tuple(
    (re.compile(pattern), values)
    for pattern, values in (
        (r"eta", uniform(-ETA_MAX, ETA_MAX)),
        (r"phi\w*", uniform(-3.1, 3.1)),
        (r"pt\w*|rawPt|sumEt", lambda u: PT_MIN + falling(PT_SLOPE)(u)),
        (r"(hadron|parton)Flavour", one_of(0, 4, 5)),
        (r"nTrueInt|nPU|npvs\w*", whole(10, 60)),
        (r"fixedGridRho\w*", uniform(5.0, 50.0)),
        (r"\w*Weight\w*|weight\w*", uniform(0.8, 1.2)),
        (r"rawFactor", uniform(0.0, 0.2)),
        (r"\w*EmEF", uniform(0.0, 0.5)),
        (r"\w*DeltaPhi", uniform(-0.05, 0.05)),
        *((pattern.pattern, values.at) for pattern, values in RANGES),
    )
)


def collection_of(name: str) -> str:
    """The collection of NanoAOD that objects of a configuration mostly are; other names as they are.

    Example
    -------
    >>> collection_of("jets"), collection_of("tight_muons"), collection_of("Jet")
    ('Jet', 'Muon', 'Jet')
    """
    last = name.rpartition("_")[2]
    singular = _PLURALS.get(last, last.removesuffix("s").capitalize())
    return singular if name[:1].islower() and singular in COLLECTIONS else name


def has_objects(path: str) -> bool:
    """Whether a column holds a list in each event."""
    collection, _, rest = path.partition(".")
    if not rest:
        return collection in MEMBERS
    if collection[:1].islower():
        return "." not in rest and collection.replace("_", "-") not in {plugin.name for plugin in announced_plugins()}
    return collection in COLLECTIONS - MISSING_MOMENTA - _SINGLE


def toy_columns(reads: Iterable[str], *, events: int = 64, seed: int = 1) -> CorrectionInput:
    """Events with these columns, for tests of form: there is no physics in them.

    Each collection has between none and six objects. Values are in the working range of their branch; in [0, 1] where
    the name is not known.

    Parameters
    ----------
    reads
        Paths of columns.
    events
        How many.
    seed
        Of everything random.

    Example
    -------
    >>> given = toy_columns(["Jet.pt", "Pileup.nTrueInt"], events=3)
    >>> given["Jet.pt"].ndim, given["Pileup.nTrueInt"].ndim
    (2, 1)
    """
    generator = torch.Generator().manual_seed(seed)

    def random(*shape: int) -> Tensor:
        return torch.rand(*shape, generator=generator, dtype=torch.float64)

    counts: dict[str, NDArray[np.int64]] = {}
    columns = {}
    for path in dict.fromkeys(reads):
        collection = path.partition(".")[0]
        if has_objects(path) and collection not in counts:
            fixed = MEMBERS.get(collection)
            drawn = (random(events) * (MORE + 1)).long().numpy()
            counts[collection] = drawn if fixed is None else np.full(events, fixed)
        number = counts[collection] if has_objects(path) else None
        values = _drawn(path, random(int(events if number is None else number.sum())))
        columns[path] = ak.Array(values) if number is None else ak.unflatten(values, number)
    order = 1 + torch.randperm(events, generator=generator).numpy()
    return CorrectionInput(columns, np.stack((np.ones_like(order), 1 + order // 10, order), axis=1), "toys")


def _drawn(path: str, quantile: Tensor) -> NDArray[Any]:
    values = _at(path.rpartition(".")[2])(quantile).numpy()
    return values.astype(np.int32 if len(values) and np.all(values == np.round(values)) else np.float32)


@lru_cache(maxsize=256)
def _at(branch: str) -> Callable[[Tensor], Tensor]:
    return next((values for pattern, values in _VALUES if pattern.fullmatch(branch)), UNKNOWN.at)
