"""Public names of a package that are imported on first use, and their deprecated former names."""

import ast
import warnings
from collections.abc import Callable, Mapping
from importlib import import_module
from pathlib import Path


def public_names(
    package: str, file: str, former: Mapping[str, str] | None = None
) -> tuple[list[str], Callable[[str], object], Callable[[], list[str]]]:
    """``__all__``, ``__getattr__`` and ``__dir__`` of a package whose public names are imported on first use.

    The names are read from the statements ``from module import name as name`` under ``if TYPE_CHECKING``, so that each
    is written once. No name may equal that of a submodule, which Python would return instead.

    Parameters
    ----------
    package, file
        ``__name__`` and ``__file__`` of the package.
    former
        Current names by their former names.

    Example
    -------
    >>> import hepreco
    >>> names, get, _ = public_names("hepreco", hepreco.__file__)
    >>> "EventBatch" in names, get("HepRecoError").__module__
    (True, 'hepreco.errors')
    """
    home = {
        alias.name: str(statement.module)
        for block in ast.parse(Path(file).read_text("utf-8")).body
        if isinstance(block, ast.If)
        for statement in block.body
        if isinstance(statement, ast.ImportFrom)
        for alias in statement.names
    }

    get_former = former_names(package, former or {})

    def get(name: str) -> object:
        return getattr(import_module(home[name]), name) if name in home else get_former(name)

    return sorted(home), get, lambda: sorted(home)


def former_names(package: str, renamed: Mapping[str, str]) -> Callable[[str], object]:
    """``__getattr__`` of a package: names from before 0.2 still work, with a ``DeprecationWarning``.

    Parameters
    ----------
    package
        ``__name__`` of the package.
    renamed
        Current names by their former names.
    """

    def get(name: str) -> object:
        if name not in renamed:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        message = f"{package}.{name} is called {renamed[name]} since hepreco 0.2"
        warnings.warn(message, DeprecationWarning, stacklevel=3)
        return getattr(import_module(package), renamed[name])

    return get
