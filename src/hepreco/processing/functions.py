"""Functions of the user that a configuration names; errors in them name the function."""

import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from pkgutil import resolve_name
from typing import Any

import awkward as ak
import cloudpickle
import numpy as np
from numpy.typing import NDArray

from hepreco.errors import ConfigError, SelectionError, blamed
from hepreco.events import Columns
from hepreco.events.objects import MOMENTUM
from hepreco.names import check_field, check_label
from hepreco.processing import identity


def send_by_value(directory: Path) -> None:
    """Send functions of the modules in a directory to workers by value, for workers that cannot import the modules.

    It applies to the modules that are imported so far, with those of packages in the directory.
    """
    for name, module in list(sys.modules.items()):
        place = directory.resolve() / name.replace(".", "/")
        if getattr(module, "__file__", None) in {f"{place}.py", f"{place}/__init__.py"}:
            cloudpickle.register_pickle_by_value(module)


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
        """The momentum components of its collections, such as ``Jet.pt``."""
        return tuple(f"{collection}.{name}" for collection in self.collections for name in MOMENTUM)

    @property
    def reads(self) -> Columns:
        """The momenta of its collections, and possibly any other column."""
        return Columns(optional=self.momentum_columns, anything=True)

    @property
    def provenance(self) -> Any:
        """All that determines its result, with the code of the function, as plain values."""
        return {**identity.of_value(self), "code": identity.of_code(self._resolved())}

    def __getstate__(self) -> dict[str, Any]:
        by_value = self.function.partition(":")[0] in cloudpickle.list_registry_pickle_by_value()
        return {**vars(self), **({"_sent": self._resolved()} if by_value else {})}

    def _called(self, events: ak.Array) -> ak.Array:
        remedy = "mend the function, or take it out of the configuration"
        with blamed(f"{self._said}: {self.function} raised", kind=SelectionError, remedy=remedy):
            return self._resolved()(events, **(self.options or {}))

    def _resolved(self) -> Callable[..., ak.Array]:
        sent: Callable[..., ak.Array] | None = vars(self).get("_sent")
        if sent is not None:
            return sent
        said = f"{self._said}: the module of {self.function!r} raised"
        with blamed(said, kind=ConfigError, remedy="mend the module"):
            try:
                function: Callable[..., ak.Array] = resolve_name(self.function)
            except (ValueError, ImportError, AttributeError) as error:
                raise ConfigError(
                    f"{self._said}: no function {self.function!r}: {error}", "name it as package.module:name"
                ) from None
            return function


@dataclass(frozen=True)
class FunctionCut(_UserFunction):
    """Keep events for which your function returns true.

    Parameters
    ----------
    name
        Name of the cut in the cut flow.
    function
        The function as ``package.module:name``. It takes the events, and the options by keyword, and returns one truth
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
            The function raises, or does not return one truth value per event.
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
    """A quantity that your function computes from selected events, objects and columns of plugins.

    It is the column ``observables.<name>``, for histograms and cuts of regions.

    Parameters
    ----------
    name
        Name of the column, made of letters, digits and underscores.
    function
        The function as ``package.module:name``. It takes the events, and the options by keyword, and returns one number
        per event, or a list of numbers.
    collections
        Collections whose momenta it reads: events with non-finite momenta in them are cut first, and counted.
    options
        Keyword arguments of the function.

    Raises
    ------
    ConfigError
        The function does not exist, or the name is not a valid field name.
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
            The function raises, or does not return numbers for each event.
        """
        found = ak.Array(self._called(events))
        if len(found) != len(events) or found.fields:
            raise SelectionError(
                f"{self._said}: {self.function} gave {found.type}",
                f"return one number, or a list of numbers, for each of the {len(events)} events",
            )
        return found
