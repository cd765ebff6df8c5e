"""The errors that hepreco raises: each states a problem and a remedy."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from traceback import extract_tb
from typing import Final

__all__ = [
    "ConfigError",
    "DatasetError",
    "ForbiddenProcessError",
    "HepRecoError",
    "IncompleteRunError",
    "ModelError",
    "MomentaError",
    "OutputError",
    "PluginError",
    "ProcessError",
    "SelectionError",
    "StudyError",
    "UnreadableError",
    "WeightsError",
]

#: Longer messages are cut to this number of characters.
LONGEST: Final = 2000
#: Messages longer by this number of characters stay, so that a cut message with a few words added is not cut again.
_REST: Final = 200


class HepRecoError(Exception):
    """Base class of all errors that hepreco raises on purpose.

    Parameters
    ----------
    problem
        What was found and what was expected, naming the file, branch, plugin or dataset.
    remedy
        What the reader can do about it.

    Example
    -------
    >>> print(HepRecoError("no branch 'Jet_pt' in a.root", "check the file with 'uproot'"))
    no branch 'Jet_pt' in a.root
      what to do: check the file with 'uproot'
    """

    def __init__(self, problem: str, remedy: str) -> None:
        super().__init__(problem, remedy)
        self.problem = problem
        self.remedy = remedy

    def __str__(self) -> str:
        return f"{self.problem}\n  what to do: {self.remedy}"


class ConfigError(HepRecoError):
    """A configuration that cannot be understood."""


class DatasetError(HepRecoError):
    """Input that is missing, unreadable, or not what the analysis needs."""


class UnreadableError(DatasetError):
    """A file whose contents cannot be read: damaged, cut short, or out of reach."""


class PluginError(HepRecoError):
    """A plugin that is unknown, broken, or breaks its contract."""


class WeightsError(HepRecoError):
    """Trained weights that are missing, tampered with, or made for another network."""


class OutputError(HepRecoError):
    """Results that cannot be written or read back."""


class IncompleteRunError(HepRecoError):
    """A run that could not process all of its chunks."""


class StudyError(HepRecoError):
    """A histogram from which the requested quantity cannot be computed."""


class ProcessError(HepRecoError):
    """A process that cannot be understood, or that does not exist."""


class ForbiddenProcessError(ProcessError):
    """A well-formed process that charge, flavour or the vertices of the model forbid."""


class ModelError(HepRecoError):
    """Parameters of a model that are impossible."""


class MomentaError(HepRecoError):
    """Momenta that do not fit a process: off their mass shells, unbalanced, too few, or not finite."""


class SelectionError(ConfigError):
    """A cut function that raises an exception or does not return one truth value per event."""


def text_of(error: BaseException) -> str:
    """The message of an exception in one printable line, even if formatting it raises another exception."""
    try:
        return one_line(str(error))
    except BaseException as another:  # a broken exception may raise anything
        return f"(its text raises {type(another).__name__})"


def what_was_raised(error: BaseException) -> str:
    """An exception in one line: its type, its message, and the place in the code that raised it."""
    frames = extract_tb(error.__traceback__)
    place = f" ({Path(frames[-1].filename).name}, line {frames[-1].lineno})" if frames else ""
    return f"{type(error).__name__}: {text_of(error)[:300]}{place}"


@contextmanager
def blamed(said: str, *, kind: type[HepRecoError], remedy: str, where: str = "") -> Iterator[None]:
    """Turn any exception of code that others wrote, ``SystemExit`` included, into an error that names it.

    An OSError is not kept as the cause: with ``skipbadfiles`` coffea silently drops a chunk if an OSError is anywhere
    in the chain of causes.

    Parameters
    ----------
    said
        The beginning of the problem, such as ``plugin 'ht' raised``; the exception in words follows.
    kind, remedy
        The error that is raised. A :class:`HepRecoError` and an interrupt are passed on as they are.
    where
        The end of the problem.

    Example
    -------
    >>> with blamed("plugin 'ht' raised", kind=PluginError, remedy="tell its author"):
    ...     raise SystemExit(0)
    Traceback (most recent call last):
    ...
    hepreco.errors.PluginError: plugin 'ht' raised SystemExit: 0 (<doctest hepreco.errors.blamed[0]>, line 2)
      what to do: tell its author
    """
    try:
        yield
    except (HepRecoError, KeyboardInterrupt):
        raise
    except BaseException as error:
        problem = f"{said} {what_was_raised(error)}{where}"
        cause = None if isinstance(error, OSError) else error
    else:
        return
    raise kind(problem, remedy) from cause


def describe(error: BaseException) -> str:
    """Any exception in one printable line, even if its text is very long or formatting it fails.

    Example
    -------
    >>> describe(ValueError("no such   number"))
    'ValueError: no such number'
    >>> describe(ConfigError("no key 'luminosty'", "write 'luminosity'"))
    "no key 'luminosty'; what to do: write 'luminosity'"
    """
    if isinstance(error, HepRecoError):
        return one_line(f"{error.problem}; what to do: {error.remedy}")
    text = text_of(error)
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


def one_line(text: str) -> str:
    """A text without line breaks, cut as by :func:`shorten`."""
    return shorten(" ".join(text.split()))


def shorten(text: str) -> str:
    """A text cut after :data:`LONGEST` characters, with unprintable characters escaped.

    Example
    -------
    >>> shorten("a" * 10_000).lstrip("a")
    ' … (10000 characters, cut)'
    """
    cut = text if len(text) <= LONGEST + _REST else f"{text[:LONGEST]} … ({len(text)} characters, cut)"
    return "".join(letter if letter.isprintable() or letter == "\n" else _escaped(letter) for letter in cut)


def _escaped(letter: str) -> str:
    return letter.encode("unicode_escape").decode()
