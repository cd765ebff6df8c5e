"""Imports an analysis's own functions from installed modules or from a module beside its configuration."""

import sys
from importlib import import_module, invalidate_caches
from importlib.util import find_spec
from pathlib import Path

from hepreco.errors import ConfigError, HepRecoError, describe
from hepreco.plugin.isolation import interrupts


def import_beside(module: str, directory: Path, *, where: str) -> None:
    """Import a module that is installed or lies in a directory.

    The directory is appended to ``sys.path`` and stays there, since the functions of the module are looked up again
    when they are called. Processes that are started from here inherit it.

    Parameters
    ----------
    module
        Full name of the module.
    directory
        The directory that may contain it.
    where
        What needs the module, for errors.

    Raises
    ------
    ConfigError
        The module does not exist, another module of its name is found first, or importing it raises any exception.
    """
    outermost = module.partition(".")[0]
    own = _module_file(outermost, directory.resolve())
    if own and str(own[0]) not in sys.path:
        sys.path.append(str(own[0]))
        invalidate_caches()
    if own and not _is_found(outermost, own[1]):
        raise ConfigError(
            f"{where}: another module named {outermost!r} is found before {own[1]}",
            f"rename {own[1].name}, and name the function by the new name",
        )
    _import(module, directory, where=where)


def _module_file(name: str, directory: Path) -> tuple[Path, Path] | None:
    """The directory, and the file in it that holds the module of this name."""
    for path in (directory / f"{name}.py", directory / name / "__init__.py"):
        if path.is_file():
            return directory, path
    return None


def _is_found(name: str, file: Path) -> bool:
    spec = find_spec(name)
    return spec is not None and spec.origin is not None and Path(spec.origin).resolve() == file.resolve()


def _import(module: str, directory: Path, *, where: str) -> None:
    with interrupts() as interrupted:
        try:
            import_module(module)
        except HepRecoError:
            raise
        except BaseException as error:
            if interrupted():
                raise
            if isinstance(error, ModuleNotFoundError) and error.name in (module, module.partition(".")[0]):
                raise ConfigError(
                    f"{where}: there is no module {module!r}",
                    f"put {module.replace('.', '/')}.py into {directory}, or install the package that holds it",
                ) from None
            raise ConfigError(
                f"{where}: the module {module!r} cannot be imported: {describe(error)}", "correct the module"
            ) from error
