"""The trees ``Runs`` and ``LuminosityBlocks`` of NanoAOD files: sums of weights, and luminosity sections."""

from contextlib import closing
from pathlib import PurePath
from typing import Any, NamedTuple

import awkward as ak
import numpy as np
import uproot
from numpy.typing import NDArray

from hepreco.errors import DatasetError
from hepreco.events.luminosity import LumiSections
from hepreco.events.sources import HDF5, PARQUET

RUNS = "Runs"
LUMINOSITY_BLOCKS = "LuminosityBlocks"


class Generated(NamedTuple):
    """The generated events that a file represents, including those that a skim has removed."""

    sum_of_weights: float
    events: int


def read_generated(path: str) -> Generated:
    """The sum of weights and the number of generated events from the ``Runs`` tree of a file.

    Raises
    ------
    DatasetError
        The file has no such tree, or the tree has no ``genEventSumw``.
    """
    table = _read(path, RUNS, ("genEventSumw", "genEventSumw_", "genEventCount", "genEventCount_"))
    table = {name.removesuffix("_"): values for name, values in table.items()}  # NanoAOD before version 6
    if "genEventSumw" not in table:
        raise DatasetError(
            f"{path} has no tree {RUNS!r} with genEventSumw, which tells the sum of weights of a skim",
            "take skim out of the dataset if its files hold all generated events",
        )
    count = table.get("genEventCount", np.zeros(1))
    return Generated(float(table["genEventSumw"].sum(dtype=np.float64)), int(count.sum()))


def read_sections(path: str) -> LumiSections:
    """The luminosity sections in the ``LuminosityBlocks`` tree of a file, including those without events."""
    table = _read(path, LUMINOSITY_BLOCKS, ("run", "luminosityBlock"))
    return LumiSections(table["run"], table["luminosityBlock"]) if len(table) == 2 else LumiSections()


def _read(path: str, tree: str, names: tuple[str, ...]) -> dict[str, NDArray[Any]]:
    """The columns that exist; none if the tree does not exist."""
    if PurePath(path).suffix in PARQUET | HDF5:
        return {}
    with closing(uproot.open({path: None})) as file:
        if tree not in file.keys(cycle=False):
            return {}
        known = [name for name in names if name in file[tree].keys()]  # noqa: SIM118  a tree is no mapping of names
        return {name: ak.to_numpy(file[tree][name].array()) for name in known}
