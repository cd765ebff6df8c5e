"""Compares the manifest of a package of plugins with its code."""

import json
from dataclasses import asdict
from typing import Any

from hepreco.errors import PluginError
from hepreco.plugin.description import describe_module
from hepreco.plugin.manifest import FILE, manifest_path, read_manifest
from hepreco.testing.answers import ConformanceError


def assert_manifest(module: str) -> None:
    """Compare ``hepreco.json`` of a package with what its code registers.

    A plugin's test is one line: ``hepreco.testing.assert_manifest("hepreco_my_plugin")``.

    Raises
    ------
    ConformanceError
        There is no manifest, it cannot be read, or it differs from the code; the message names the keys that differ.
    """
    path = manifest_path(module)
    remedy = f"write it again: hepreco plugins manifest {module} > {FILE}, beside its __init__.py"
    if path is None or not path.is_file():
        raise ConformanceError(f"the package {module} has no {FILE}", remedy)
    try:
        written = read_manifest(path)
    except PluginError as error:
        raise ConformanceError(error.problem, remedy) from None
    found = json.loads(describe_module(module).as_json())
    if different := _differences(json.loads(json.dumps(asdict(written))), found):
        raise ConformanceError(f"{FILE} of {module} and its code differ in {', '.join(different)}", remedy)


def _differences(written: Any, found: Any, place: str = "") -> list[str]:
    """The paths of the keys in which two documents differ."""
    if isinstance(written, dict) and isinstance(found, dict):
        keys = dict.fromkeys([*written, *found])
        parts = [(written.get(key), found.get(key), f"{place}.{key}".lstrip(".")) for key in keys]
    elif isinstance(written, list) and isinstance(found, list) and len(written) == len(found):
        parts = [(*pair, f"{place}[{number}]") for number, pair in enumerate(zip(written, found, strict=True))]
    else:
        return [] if written == found else [place]
    return [each for part in parts for each in _differences(*part)]
