"""What importing the contract of plugins costs: torch, and little else."""

import subprocess
import sys
from importlib.util import find_spec

import pytest

CONTRACT = (
    "from hepreco import Column, EventBatch, HepRecoError, InputSpec, ObjectSpec, Reconstructor, hookimpl",
    "from hepreco.plugin import Axis, Reason, Trainable, TrainingOptions",
    "from hepreco.training import fit; from hepreco.weights import load_network",
)
HEAVY = {
    *("awkward", "coffea", "dask", "distributed", "fsspec", "hist", "matplotlib", "mplhep", "numba", "pyarrow"),
    *("rich", "scipy", "uproot", "vector"),
}
#: What 'pip install --no-deps hepreco' needs beside it; the Python API names them.
ENOUGH = {"cattrs", "jaxtyping", "numpy", "pluggy", "safetensors", "tomli_w", "torch"}


def imported_by(*statements):
    """The packages that a fresh process has imported after these statements, but not with torch alone."""
    code = "import sys, torch; before = set(sys.modules);" + ";".join(statements)
    code += "; print(*{name.partition('.')[0] for name in set(sys.modules) - before})"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return set(done.stdout.split())


def test_the_contract_imports_torch_and_nothing_else_of_weight():
    assert all(map(find_spec, HEAVY))
    found = imported_by(*CONTRACT)
    assert "hepreco" in found
    assert not found & HEAVY


@pytest.mark.parametrize("name", ["to_batch", "read_batch", "Dataset"])
def test_what_reads_files_imports_more(name):
    """Were nothing of weight ever found, the test above would say nothing."""
    assert imported_by(f"from hepreco.events import {name}") & HEAVY


def test_the_contract_needs_few_packages():
    third = {name for name in imported_by(*CONTRACT) if name not in sys.stdlib_module_names} - {"hepreco"}
    assert third - {"attr", "attrs"} <= ENOUGH  # on which cattrs stands


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
