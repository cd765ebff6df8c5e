"""Event selection: named cuts on how many objects pass, and functions for what cannot be said so."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pkgutil import resolve_name
from types import MappingProxyType
from typing import Any

import awkward as ak
import numpy as np
from numpy.typing import NDArray

from hepreco.errors import ConfigError, HepRecoError, SelectionError, what_was_raised
from hepreco.events import Columns, ObjectSpec, passing
from hepreco.events.columns import compared
from hepreco.events.objects import MOMENTUM
from hepreco.names import check_label
from hepreco.processing import identity


@dataclass(frozen=True)
class Cut:
    """Keep events in which enough objects of a collection pass.

    Parameters
    ----------
    name
        Its name in the cut flow.
    collection
        Selected objects, or a collection of NanoAOD; one that holds one record per event (``PuppiMET``, ``HLT``) counts
        as one object.
    where
        What an object must pass, for example ``("pt > 30", "|eta| < 2.4")``.
    at_least, at_most
        How many objects must pass; ``at_most = 0`` (with ``at_least = 0``) is a veto.

    Example
    -------
    >>> events = ak.Array([{"Jet": [{"pt": 50.0}, {"pt": 40.0}]}, {"Jet": [{"pt": 50.0}]}])
    >>> Cut("two jets", "Jet", where=("pt > 30",), at_least=2)(events).tolist()
    [True, False]
    """

    name: str
    collection: str
    where: tuple[str, ...] = ()
    at_least: int = 1
    at_most: int | None = None

    def __post_init__(self) -> None:
        check_label(self.name, what="a cut")
        ObjectSpec(self.collection, self.where)  # refuses what it cannot read

    @property
    def momentum_columns(self) -> tuple[str, ...]:
        """The components of momenta that it compares, such as ``Jet.pt``."""
        return tuple(f"{self.collection}.{name}" for name in compared(self.where) if name in MOMENTUM)

    @property
    def reads(self) -> Columns:
        """The columns that it compares, or any column of the collection where it counts objects alone."""
        return Columns(tuple(f"{self.collection}.{name}" for name in compared(self.where)) or (self.collection,))

    @property
    def provenance(self) -> Any:
        """What determines its answer, as plain values."""
        return identity.of_value(self)

    def __call__(self, events: ak.Array) -> NDArray[np.bool_]:
        """Whether each event passes."""
        mask = passing(events, self.collection, self.where)
        count = ak.to_numpy(ak.sum(mask, axis=1) if mask.ndim > 1 else mask).astype(np.int64)
        return (count >= self.at_least) & (count <= (np.inf if self.at_most is None else self.at_most))


@dataclass(frozen=True)
class FunctionCut:
    """Keep events for which a function of yours is true.

    Parameters
    ----------
    name
        Its name in the cut flow.
    function
        ``package.module:name`` of a function that takes the events, and the options by keyword, and returns one truth
        value per event.
    collections
        Those whose momenta it reads: an event with a momentum there that is not finite is cut first, and counted.
    options
        Keyword arguments of the function.

    Raises
    ------
    ConfigError
        There is no such function.

    Example
    -------
    >>> cut = FunctionCut("two jets", "awkward:all", options={"axis": 1})
    >>> cut(ak.Array([[True, True], [True, False]])).tolist()
    [True, False]
    """

    name: str
    function: str
    collections: tuple[str, ...] = ()
    options: Mapping[str, Any] | None = None

    def __post_init__(self) -> None:
        check_label(self.name, what="a cut")
        self._resolved()

    @property
    def momentum_columns(self) -> tuple[str, ...]:
        """All components of the momenta of its collections, such as ``Jet.pt``."""
        return tuple(f"{collection}.{name}" for collection in self.collections for name in MOMENTUM)

    @property
    def reads(self) -> Columns:
        """The momenta of its collections, and whatever else it asks for."""
        return Columns(optional=self.momentum_columns, anything=True)

    @property
    def provenance(self) -> Any:
        """What determines its answer, as plain values: the code of the function as well."""
        return {**identity.of_value(self), "code": identity.of_code(self._resolved())}

    def __call__(self, events: ak.Array) -> NDArray[np.bool_]:
        """Whether each event passes.

        Raises
        ------
        SelectionError
            The function raises, or gives something else than one truth value per event.
        """
        passes = self._called(events)
        if passes.shape != (len(events),) or passes.dtype != np.bool_:
            raise SelectionError(
                f"cut {self.name!r}: {self.function} gave {passes.dtype} of shape {passes.shape}",
                f"return one truth value for each of the {len(events)} events",
            )
        return passes

    def _called(self, events: ak.Array) -> NDArray[np.bool_]:
        try:
            return ak.to_numpy(self._resolved()(events, **(self.options or {})))
        except (HepRecoError, KeyboardInterrupt):
            raise
        except BaseException as error:
            problem = f"cut {self.name!r}: {self.function} raised {what_was_raised(error)}"
            cause = None if isinstance(error, OSError) else error  # coffea would take an OSError for one of the file
        raise SelectionError(problem, "mend the function, or take the cut out") from cause

    def _resolved(self) -> Callable[..., ak.Array]:
        try:
            function: Callable[..., ak.Array] = resolve_name(self.function)
        except (ValueError, ImportError, AttributeError) as error:
            raise ConfigError(
                f"cut {self.name!r}: no function {self.function!r}: {error}", "name it as package.module:name"
            ) from None
        except (HepRecoError, KeyboardInterrupt):
            raise
        except BaseException as error:
            problem = f"cut {self.name!r}: the module of {self.function!r} raised {what_was_raised(error)}"
            raise ConfigError(problem, "mend the module") from None
        return function


def cut_flow(
    events: ak.Array,
    cuts: Sequence[Cut | FunctionCut],
    *,
    finite: NDArray[np.bool_],
    filters: Mapping[str, NDArray[np.bool_]] = MappingProxyType({}),
) -> dict[str, NDArray[np.bool_]]:
    """For each filter and cut in order, the events that pass it and all before it; the last mask is the selection."""
    masks = {"all": np.ones(len(events), dtype=bool), **filters}
    passed = masks["finite momenta"] = last(masks) & finite
    for cut in cuts:
        passed = passed & cut(events)
        masks[cut.name] = passed
    return masks


def last(masks: Mapping[str, NDArray[np.bool_]]) -> NDArray[np.bool_]:
    """The events that pass everything."""
    return list(masks.values())[-1]
