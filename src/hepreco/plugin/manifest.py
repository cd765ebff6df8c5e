"""The static manifest of a distribution, which describes its plugins without importing them.

A package of plugins ships the file ``hepreco.json`` beside its ``__init__.py``. ``hepreco plugins manifest`` writes it
from the code, and :func:`hepreco.testing.assert_manifest` tests that it still agrees with the code.
"""

import json
from dataclasses import asdict, dataclass
from importlib.metadata import EntryPoint
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final, Literal

from hepreco.errors import PluginError, describe

FILE: Final = "hepreco.json"


@dataclass(frozen=True)
class ManifestEntry:
    """One plugin, as its manifest describes it.

    Parameters
    ----------
    name
        Name of the plugin in configurations.
    kind
        The hook that registers it.
    summary
        What it does, in one line.
    trains_on
        What ``hepreco train`` trains it on: ``events``, ``classes`` or ``generated``; ``None`` if it has no weights.
    options
        A JSON Schema of its options.
    """

    name: str
    kind: Literal["reconstructor", "correction"]
    summary: str
    trains_on: str | None
    options: dict[str, Any]

    def __post_init__(self) -> None:
        kinds = {"name": str, "kind": str, "summary": str, "trains_on": str | None, "options": dict}
        for name, kind in kinds.items():
            if not isinstance(getattr(self, name), kind):
                raise TypeError(f"{name} is no {getattr(kind, '__name__', kind)}")


@dataclass(frozen=True)
class Manifest:
    """The plugins of one module, and the version of the contract that they follow, or its oldest and newest version."""

    api_version: int | tuple[int, int]
    plugins: tuple[ManifestEntry, ...]

    def as_json(self) -> str:
        """The text of the file."""
        return json.dumps(asdict(self), indent=2, ensure_ascii=False) + "\n"


def manifest_path(module: str) -> Path | None:
    """The path of a package's manifest, which need not exist; ``None`` if the module is not an installed package.

    Only the outermost package is searched for, since a search inside it would import it.
    """
    outermost, *inner = module.split(".")
    spec = find_spec(outermost)
    places = spec.submodule_search_locations if spec else None
    return Path(next(iter(places)), *inner, FILE) if places else None


def find_manifest(entry: EntryPoint) -> Manifest | None:
    """The manifest of an entry point's module, if it ships one.

    Raises
    ------
    PluginError
        The file cannot be read.
    """
    try:
        path = manifest_path(entry.module)
        return read_manifest(path) if path and path.is_file() else None
    except (ImportError, ValueError, OSError):
        return None  # the module is missing or broken, which shows when it is imported


def read_manifest(path: Path) -> Manifest:
    """Read one file; :class:`~hepreco.errors.PluginError` says what is wrong with it."""
    try:
        document = json.loads(path.read_text("utf-8"))
        version = document["api_version"]
        followed = tuple(version) if isinstance(version, list) else int(version)
        return Manifest(followed, tuple(ManifestEntry(**_renamed(entry)) for entry in document["plugins"]))
    except (OSError, ValueError, TypeError, KeyError, RecursionError) as error:
        raise PluginError(
            f"{path} is not a manifest of plugins: {describe(error)}", "write it again with 'hepreco plugins manifest'"
        ) from None


def names_of(entry: EntryPoint) -> tuple[str, ...]:
    """Names of the plugins in an entry point's manifest; empty if no manifest can be read."""
    try:
        manifest = find_manifest(entry)
    except PluginError:
        return ()
    return tuple(entry.name for entry in manifest.plugins) if manifest else ()


def _renamed(entry: dict[str, Any]) -> dict[str, Any]:
    """An entry as it is written today: until hepreco 0.2 it had ``trainable``, true or false."""
    if "trainable" not in entry:
        return entry
    rest = {name: value for name, value in entry.items() if name != "trainable"}
    return {**rest, "trains_on": "events" if entry["trainable"] else None}
