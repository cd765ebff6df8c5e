"""Importing the modules that hold an analysis's own functions: installed, or beside its configuration."""

import sys
from importlib import import_module, invalidate_caches
from importlib.util import find_spec
from pathlib import Path

from hepreco.errors import ConfigError, HepRecoError, describe
from hepreco.plugin.isolation import interrupts


def import_beside(module: str, directory: Path, *, where: str) -> None:
    """Import a module that is installed or stands in a directory, which is then searched for modules last.

    The directory stays on ``sys.path``, since the functions of the module are looked up again when they are called,
    and processes that are started from here inherit it.

    Parameters
    ----------
    module
        Its full name.
    directory
        Where it may stand.
    where
        Who needs it, for errors.

    Raises
    ------
    ConfigError
        There is no such module, another one of that name comes first, or it fails while it is imported, by whatever
        exception.
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
    """The directory, and the file in it that a module of that name is read from."""
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
                f"{where}: the module {module!r} cannot be imported: {describe(error)}", "mend the module"
            ) from error
