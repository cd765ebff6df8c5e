"""Values are frozen, room by room: what is hashed, compared or sent to workers does not change afterwards."""

import inspect
from dataclasses import is_dataclass
from importlib import import_module
from pathlib import Path
from pkgutil import walk_packages

import pytest

ROOT = Path(__file__).parents[1]
ROOMS = {
    path.parent.name: f"hepreco.{path.parent.name}" for path in sorted((ROOT / "src/hepreco").glob("*/__init__.py"))
}
PLUGINS = {path.parents[1].name: path.name for path in (ROOT / "plugins").glob("*/src/hepreco_*")}
#: What changes by its nature: sums that grow while a run is merged, executors that hold a pool of workers, and what a
#: compiler collects.
GROWING = {
    "Assembly", "DaskExecutor", "FuturesExecutor", "IterativeExecutor", "ProgramBuilder", "Reply", "RunReport",
    "Uniforms", "_Seen",
}  # fmt: skip


def dataclasses_of(package):
    """The dataclasses that the modules of a package define."""
    root = import_module(package)
    for module in (root, *(import_module(found.name) for found in walk_packages(root.__path__, f"{package}."))):
        for _, value in inspect.getmembers(module, inspect.isclass):
            if is_dataclass(value) and value.__module__ == module.__name__:
                yield value


@pytest.mark.parametrize("room", sorted({**ROOMS, **PLUGINS}))
def test_values_are_frozen(room):
    package = {**ROOMS, **PLUGINS}[room]
    changing = {value.__qualname__ for value in dataclasses_of(package) if not value.__dataclass_params__.frozen}
    assert changing <= GROWING
