"""Public names of a package that are imported when they are first used, and names that they had before."""

import ast
import warnings
from collections.abc import Callable, Mapping
from importlib import import_module
from pathlib import Path


def public_names(
    package: str, file: str, former: Mapping[str, str] | None = None
) -> tuple[list[str], Callable[[str], object], Callable[[], list[str]]]:
    """``__all__``, ``__getattr__`` and ``__dir__`` of a package that imports its public names for type checkers alone.

    The statements ``from module import name as name`` under ``if TYPE_CHECKING`` are read, so that every name is
    written once. No name may be that of a submodule, which Python would find in its place.

    Parameters
    ----------
    package, file
        ``__name__`` and ``__file__`` of the package.
    former
        Names that some of the names had before.

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
    """``__getattr__`` of a package: what had a name before 0.2 is still found under it, with a ``DeprecationWarning``.

    Parameters
    ----------
    package
        ``__name__`` of the package.
    renamed
        The new name of each former one.
    """

    def get(name: str) -> object:
        if name not in renamed:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        message = f"{package}.{name} is called {renamed[name]} since hepreco 0.2"
        warnings.warn(message, DeprecationWarning, stacklevel=3)
        return getattr(import_module(package), renamed[name])

    return get
