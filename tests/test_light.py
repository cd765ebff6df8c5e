"""What importing the contract of plugins costs: torch, and little else; and what an extra is enough for."""

import subprocess
import sys
import tomllib
from importlib.metadata import PackageNotFoundError, packages_distributions, requires
from importlib.util import find_spec
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

CONTRACT = (
    "from hepreco import Column, EventBatch, HepRecoError, InputSpec, ObjectSpec, Reconstructor, hookimpl",
    "from hepreco.plugin import Axis, Reason, Trainable, TrainingOptions",
    "from hepreco.training import fit; from hepreco.weights import load_network",
)
HEAVY = {
    *("awkward", "coffea", "dask", "distributed", "fsspec", "hist", "matplotlib", "mplhep", "numba", "pyarrow"),
    *("rich", "scipy", "uproot", "vector"),
}
PROJECT = tomllib.loads((Path(__file__).parents[1] / "pyproject.toml").read_text())["project"]
#: What each part of hepreco is, and what it needs beside the contract.
PARTS = {
    "generate": "import hepreco.generation, hepreco.cli.generate",
    "plot": "import hepreco.histograms, hepreco.plotting, hepreco.studies",
    "run": "import hepreco.processing, hepreco.cli.run, hepreco.cli.train, hepreco.testing.conformance",
}


READERS = tuple(f"from hepreco.events import {name}" for name in ("to_batch", "read_batch", "Dataset"))
#: One process imports torch, and copies itself for each statement.
IMPORTS = """
import os, sys, torch
before = set(sys.modules)
for statement in sys.argv[1:]:
    if not os.fork():
        exec(statement)
        print(*{name.partition(".")[0] for name in set(sys.modules) - before}, flush=True)
        os._exit(0)
    assert os.wait()[1] == 0, statement
"""


def imported_by(*statements):
    """The packages that a fresh process has imported after each of these, but not with torch alone."""
    done = subprocess.run([sys.executable, "-c", IMPORTS, *statements], capture_output=True, text=True, check=True)
    return [set(line.split()) for line in done.stdout.splitlines()]


def test_the_contract_imports_torch_and_nothing_else_of_weight():
    assert all(map(find_spec, HEAVY))
    contract, *readers = imported_by(";".join(CONTRACT), *READERS)
    assert "hepreco" in contract
    assert not contract & HEAVY
    assert len(readers) == len(READERS)
    assert all(each & HEAVY for each in readers), "were nothing of weight ever found, this test would say nothing"


def required(extra):
    """The requirements that an extra names, those of others within it included."""
    for line in PROJECT["optional-dependencies"][extra]:
        requirement = Requirement(line)
        yield from (
            (one for inner in requirement.extras for one in required(inner))
            if requirement.name == "hepreco"
            else [line]
        )


def with_all_they_need(names):
    """The distributions, and those that they require."""
    found, new = set(), set(map(canonicalize_name, names))
    while new:
        name = new.pop()
        found.add(name)
        try:
            needed = map(Requirement, requires(name) or ())
        except PackageNotFoundError:
            continue  # for another platform
        new |= {
            canonicalize_name(one.name) for one in needed if not one.marker or one.marker.evaluate({"extra": ""})
        } - found
    return found


OWNERS = packages_distributions()
CONTRACT_ALONE = set(PROJECT["dependencies"]) - set(required("run"))


def test_extras_name_all_dependencies_but_those_of_the_contract():
    assert {*required("run")} < set(PROJECT["dependencies"])
    assert {*required("generate"), *required("plot")} < {*required("run")}
    assert {Requirement(one).name for one in CONTRACT_ALONE} == {
        *("cattrs", "jaxtyping", "numpy", "pluggy", "safetensors", "tomli-w", "torch")
    }


def missing(part):
    """The packages of all dependencies that an extra does not need."""
    lines = CONTRACT_ALONE | set(required(part) if part else ())
    present = with_all_they_need(Requirement(one).name for one in lines)
    others = {canonicalize_name(Requirement(one).name) for one in PROJECT["dependencies"]} - present
    return {top for top, owners in OWNERS.items() if {*map(canonicalize_name, owners)} & others}


def test_an_extra_is_enough_for_its_part():
    """Every other dependency is made to be missing."""
    parts = {None: ";".join(CONTRACT), **PARTS}
    blocked = {part: sorted(missing(part)) for part in parts}
    assert [part for part in parts if not blocked[part]] == ["run"]
    imported_by(*(f"import sys; sys.modules |= dict.fromkeys({blocked[part]}); {parts[part]}" for part in parts))


@pytest.mark.parametrize("package", ["hepreco", "hepreco.events", "hepreco.plugin", "hepreco.testing"])
def test_public_names_are_found_when_they_are_used(package):
    module = __import__(package, fromlist=["x"])
    assert module.__all__
    assert set(module.__all__) <= set(dir(module))
    for name in module.__all__:
        assert getattr(module, name) is not None
        assert find_spec(f"{package}.{name}") is None, "a submodule of that name would stand in its place"
    with pytest.raises(AttributeError, match="has no attribute 'nothing'"):
        _ = module.nothing
