"""Functions of the user, named in a configuration: found by name, called with the events, blamed by name."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pkgutil import resolve_name
from typing import Any

import awkward as ak
import numpy as np
from numpy.typing import NDArray

from hepreco.errors import ConfigError, HepRecoError, SelectionError, what_was_raised
from hepreco.events import Columns
from hepreco.events.objects import MOMENTUM
from hepreco.names import check_field, check_label
from hepreco.processing import identity


@dataclass(frozen=True)
class _UserFunction:
    name: str
    function: str
    collections: tuple[str, ...] = ()
    options: Mapping[str, Any] | None = None

    @property
    def _said(self) -> str:
        raise NotImplementedError

    @property
    def momentum_columns(self) -> tuple[str, ...]:
        """All components of the momenta of its collections, such as ``Jet.pt``."""
        return tuple(f"{collection}.{name}" for collection in self.collections for name in MOMENTUM)

    @property
    def reads(self) -> Columns:
        """The momenta of its collections, and any further column."""
        return Columns(optional=self.momentum_columns, anything=True)

    @property
    def provenance(self) -> Any:
        """What determines its answer, as plain values: the code of the function as well."""
        return {**identity.of_value(self), "code": identity.of_code(self._resolved())}

    def _called(self, events: ak.Array) -> ak.Array:
        try:
            return self._resolved()(events, **(self.options or {}))
        except (HepRecoError, KeyboardInterrupt):
            raise
        except BaseException as error:
            problem = f"{self._said}: {self.function} raised {what_was_raised(error)}"
            cause = None if isinstance(error, OSError) else error  # coffea would take an OSError for one of the file
        raise SelectionError(problem, "mend the function, or take it out of the configuration") from cause

    def _resolved(self) -> Callable[..., ak.Array]:
        try:
            function: Callable[..., ak.Array] = resolve_name(self.function)
        except (ValueError, ImportError, AttributeError) as error:
            raise ConfigError(
                f"{self._said}: no function {self.function!r}: {error}", "name it as package.module:name"
            ) from None
        except (HepRecoError, KeyboardInterrupt):
            raise
        except BaseException as error:
            problem = f"{self._said}: the module of {self.function!r} raised {what_was_raised(error)}"
            raise ConfigError(problem, "mend the module") from None
        return function


@dataclass(frozen=True)
class FunctionCut(_UserFunction):
    """Keep events for which a function of yours returns true.

    Parameters
    ----------
    name
        Name of the cut in the cut flow.
    function
        The function as ``package.module:name``: it takes the events, and the options by keyword, and returns one truth
        value per event.
    collections
        Collections whose momenta it reads: events with non-finite momenta in them are cut first, and counted.
    options
        Keyword arguments of the function.

    Raises
    ------
    ConfigError
        The function does not exist.

    Example
    -------
    >>> cut = FunctionCut("two jets", "awkward:all", options={"axis": 1})
    >>> cut(ak.Array([[True, True], [True, False]])).tolist()
    [True, False]
    """

    def __post_init__(self) -> None:
        check_label(self.name, what="a cut")
        self._resolved()

    @property
    def _said(self) -> str:
        return f"cut {self.name!r}"

    def __call__(self, events: ak.Array) -> NDArray[np.bool_]:
        """Whether each event passes.

        Raises
        ------
        SelectionError
            The function raises, or gives something else than one truth value per event.
        """
        passes = ak.to_numpy(self._called(events))
        if passes.shape != (len(events),) or passes.dtype != np.bool_:
            raise SelectionError(
                f"{self._said}: {self.function} gave {passes.dtype} of shape {passes.shape}",
                f"return one truth value for each of the {len(events)} events",
            )
        return passes


@dataclass(frozen=True)
class Observable(_UserFunction):
    """A quantity that a function of yours computes from selected events, objects and answers of plugins.

    It stands in the events as ``observables.<name>``, for histograms and the cuts of regions.

    Parameters
    ----------
    name
        Letters, digits and underscores.
    function
        The function as ``package.module:name``: it takes the events, and the options by keyword, and returns one number
        per event, or a list of numbers.
    collections
        Collections whose momenta it reads: events with non-finite momenta in them are cut first, and counted.
    options
        Keyword arguments of the function.

    Raises
    ------
    ConfigError
        The function does not exist, or the name is no field name.
    """

    def __post_init__(self) -> None:
        check_field(self.name, what="an observable")
        self._resolved()

    @property
    def _said(self) -> str:
        return f"observable {self.name!r}"

    def __call__(self, events: ak.Array) -> ak.Array:
        """Its value in each event.

        Raises
        ------
        SelectionError
            The function raises, or gives something else than numbers for each event.
        """
        found = ak.Array(self._called(events))
        if len(found) != len(events) or found.fields:
            raise SelectionError(
                f"{self._said}: {self.function} gave {found.type}",
                f"return one number, or a list of numbers, for each of the {len(events)} events",
            )
        return found
