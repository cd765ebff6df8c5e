"""Hashes of all that a result depends on: files, options, and the code of functions and plugins."""

import ast
import hashlib
import importlib.util
import inspect
import json
import os
import sys
import sysconfig
from collections.abc import Iterator, Mapping
from dataclasses import fields, is_dataclass
from functools import cache, lru_cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from types import ModuleType
from typing import Any, Final

import cloudpickle
import fsspec
from fsspec.utils import get_protocol

#: Libraries whose versions may change the last digits of a result.
LIBRARIES: Final = ("awkward", "boost-histogram", "coffea", "numpy", "torch", "uproot", "vector")
_KEYS: Final = ("size", "ETag", "etag", "mtime", "LastModified", "Last-Modified", "last_modified", "mimetype")
_OURS: Final = Path(__file__).parents[1]
_INSTALLED: Final = tuple(Path(sysconfig.get_path(name)) for name in ("purelib", "platlib", "stdlib", "platstdlib"))


def digest(value: Any) -> str:
    """A short hash of plain values."""
    return hashlib.sha256(json.dumps(value, sort_keys=True, default=repr).encode()).hexdigest()[:32]


def of_file(path: str) -> str:
    """Size and modification time of a file, or similar properties of a remote file; empty if there are none.

    Raises
    ------
    OSError
        The file does not exist.
    """
    if get_protocol(path) == "file":
        status = Path(path).stat()
        return f"{status.st_size}:{status.st_mtime_ns}"
    system, inner = fsspec.url_to_fs(path)
    known = system.info(inner)
    return ":".join(f"{key}={known[key]}" for key in _KEYS if known.get(key) is not None)


def of_value(value: object) -> Any:
    """Options as plain values: dataclasses with their fields by name, and paths with a hash of the file's contents."""
    if is_dataclass(value) and not isinstance(value, type):
        named = {field.name: of_value(getattr(value, field.name)) for field in fields(value)}
        return {"class": f"{type(value).__module__}.{type(value).__qualname__}", **named}
    if isinstance(value, dict):
        return {str(key): of_value(entry) for key, entry in value.items()}
    if isinstance(value, list | tuple):
        return [of_value(entry) for entry in value]
    if isinstance(value, str | Path) and _is_file(value):
        return [str(value), hashlib.sha256(Path(value).read_bytes()).hexdigest()]
    return repr(value)


def of_code(thing: object) -> str:
    """A hash of the source of a function or class, of its package, and of its imports that are not installed.

    All files of a package enter the hash, so that data files beside the code count as well.
    """
    module = inspect.getmodule(thing)
    if module is None or getattr(module, "__file__", None) is None:
        return hashlib.sha256(cloudpickle.dumps(thing)).hexdigest()  # defined in a notebook
    return of_module(module.__name__, str(module.__file__))


def of_module(name: str, file: str) -> str:
    """A hash of the package and imports of a module, which lies in ``file``."""
    return _of_hepreco(name, file) if Path(file).is_relative_to(_OURS) else _of_package(name, file)


def _of_package(name: str, file: str) -> str:
    hashes: dict[Path, str] = {}
    waiting = [Path(file)]
    while waiting:
        path = waiting.pop()
        for source in () if path in hashes else _files(_outermost(path)):
            status = source.stat()
            hashes[source], imported = _source(source, status.st_mtime_ns, status.st_size)
            waiting += imported
    return digest([name, *sorted(hashes.values())])


_of_hepreco = cache(_of_package)  # which does not change once it is imported


@lru_cache(maxsize=4096)
def _source(path: Path, mtime: int, size: int) -> tuple[str, tuple[Path, ...]]:  # noqa: ARG001  they are part of the cache's key
    """The hash of a file, and the files that it imports."""
    content = path.read_bytes()
    imported = tuple(_imported(content)) if path.suffix == ".py" and not path.is_relative_to(_OURS) else ()
    return hashlib.sha256(content).hexdigest(), imported


@cache
def of_libraries() -> Mapping[str, str]:
    """Versions of the libraries that affect results."""
    return {name: distribution_version(name) for name in LIBRARIES}


def distribution_version(name: str) -> str:
    """The version of an installed distribution."""
    try:
        return version(name)
    except PackageNotFoundError:
        return "not installed"


def _outermost(path: Path) -> Path:
    """The directory of the outermost package that a module belongs to, or the file of the module."""
    while (path.parent / "__init__.py").is_file():
        path = path.parent
    return path


def _files(root: Path) -> Iterator[Path]:
    """All files of a package, or a module alone."""
    if root.is_file():
        yield root
        return
    for directory, inner, names in os.walk(root):
        inner[:] = [name for name in inner if name != "__pycache__"]
        for name in names:
            if not name.endswith(".pyc") and (file := Path(directory, name)).is_file():
                yield file


def _imported(content: bytes) -> Iterator[Path]:
    """Modules that a source file imports, without those of installed packages."""
    try:
        tree = ast.parse(content)
    except (SyntaxError, ValueError):
        return
    for node in ast.walk(tree):
        match node:
            case ast.Import(names=aliases):
                names = [alias.name for alias in aliases]
            case ast.ImportFrom(module=str(module), level=0):  # relative imports are of the same package
                names = [module]
            case _:
                continue
        for name in names:
            origin = _origin(name)
            if origin is not None and not any(origin.is_relative_to(place) for place in _INSTALLED):
                yield origin


def _origin(name: str) -> Path | None:
    root = name.partition(".")[0]
    if root in sys.stdlib_module_names or root == "hepreco":
        return None
    module = sys.modules.get(name)
    if isinstance(module, ModuleType) and getattr(module, "__file__", None):
        return Path(str(module.__file__))
    try:
        spec = importlib.util.find_spec(name)
    except (ImportError, ValueError, AttributeError):
        return None
    return Path(spec.origin) if spec is not None and spec.origin and Path(spec.origin).is_file() else None


def _is_file(value: str | Path) -> bool:
    try:
        return Path(value).is_file()
    except (OSError, ValueError):
        return False
