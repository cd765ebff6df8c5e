"""A plugin of pytest that checks types and shapes of arguments and results while testing: ``pytest -p shapes``.

It installs jaxtyping's import hook, as ``--jaxtyping-packages`` does, but checks the arguments of a call once, together
with the result, and does not bind them to names, which no annotation here needs. These are the same checks in a third
of the time; only their messages are plainer. Of each function the first calls in every test are checked: a search makes
a million calls alike.
"""

import dataclasses
import inspect
from functools import partial, wraps

import jaxtyping
from beartype import beartype

#: Within it, and not beyond, a name of an axis means one length.
ONE_CALL = jaxtyping.jaxtyped("context")

#: Calls of each function that are checked in a test.
CALLS = 20

PACKAGES = (
    "hepreco.amplitudes",
    "hepreco.kinematics",
    "hepreco.events",
    "hepreco.detector",
    "hepreco.formats",
    "hepreco.generation",
    "hepreco_chi2_assigner",
    "hepreco_me_assigner",
    "hepreco_event_variables",
    "hepreco_part_sm",
)


def checked(member=None, *, typechecker=None):
    """What jaxtyping's hook decorates every function and class with, in place of ``jaxtyping.jaxtyped``."""
    if member is None:
        return partial(checked, typechecker=typechecker)
    if member == "context":
        return ONE_CALL
    if inspect.isclass(member):
        if dataclasses.is_dataclass(member) and "__init__" in vars(member):
            member.__init__ = checked(member.__init__)
        return member
    if isinstance(member, classmethod | staticmethod):
        return type(member)(checked(member.__func__))
    if isinstance(member, property):
        return property(*(function and checked(function) for function in (member.fget, member.fset, member.fdel)))
    return _checked_function(member)


class Current:
    """The test that runs, by a number."""

    test = 0


def _checked_function(function):
    inner = beartype(function)
    test, calls = 0, 0

    @wraps(function)
    def wrapper(*args, **kwargs):
        nonlocal test, calls
        if test != Current.test:
            test, calls = Current.test, 0
        if calls >= CALLS:
            return function(*args, **kwargs)
        calls += 1
        with ONE_CALL:
            return inner(*args, **kwargs)

    return wrapper


def pytest_runtest_setup() -> None:
    Current.test += 1


def pytest_load_initial_conftests() -> None:
    jaxtyping.jaxtyped = checked
    jaxtyping.install_import_hook(PACKAGES, "beartype.beartype")


def pytest_report_header() -> str:
    return f"types and shapes are checked in: {', '.join(PACKAGES)}"
