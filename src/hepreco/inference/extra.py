"""Imports the packages of the extra ``hepreco[fit]`` when they are needed."""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from typing import Any

from hepreco.errors import ConfigError


def cabinetry(module: str) -> Any:
    """A module of cabinetry, or pyhf itself.

    Raises
    ------
    ConfigError
        They are not installed.
    """
    try:
        return import_module(module if module == "pyhf" else f"cabinetry.{module}")
    except ModuleNotFoundError as error:
        missing = str(error.name).partition(".")[0]
        if missing not in ("cabinetry", "pyhf"):
            raise
        raise ConfigError(
            f"fits and smoothing need cabinetry and pyhf, and {missing} is not installed", "pip install 'hepreco[fit]'"
        ) from None


@contextmanager
def quiet_pyhf() -> Iterator[None]:
    """Silence the deprecation warnings of pyhf 0.7 about jsonschema and numpy, which concern its developers.

    MINUIT's remarks on single steps are silenced too: whether a fit has converged is checked at its end.
    """
    optimize = cabinetry("pyhf").optimize
    optimizer = optimize.minuit_optimizer

    def silent(self: Any, **options: Any) -> None:
        optimizer.__init__(self, **{**options, "verbose": 0})

    optimize.minuit_optimizer = type("Silent", (optimizer,), {"__init__": silent})
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)
            yield
    finally:
        optimize.minuit_optimizer = optimizer
