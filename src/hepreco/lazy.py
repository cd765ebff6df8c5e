"""Public names of a package that are imported when they are first used."""

import ast
from collections.abc import Callable
from importlib import import_module
from pathlib import Path


def public_names(package: str, file: str) -> tuple[list[str], Callable[[str], object], Callable[[], list[str]]]:
    """``__all__``, ``__getattr__`` and ``__dir__`` of a package that imports its public names for type checkers alone.

    The statements ``from module import name as name`` under ``if TYPE_CHECKING`` are read, so that every name is
    written once. No name may be that of a submodule, which Python would find in its place.

    Parameters
    ----------
    package, file
        ``__name__`` and ``__file__`` of the package.

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

    def get(name: str) -> object:
        if name not in home:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        return getattr(import_module(home[name]), name)

    return sorted(home), get, lambda: sorted(home)
