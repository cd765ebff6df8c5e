"""What the tests of matrix elements share: independent numbers, and the table of agreement with them."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from hepreco.amplitudes import StandardModel


@dataclass(frozen=True)
class Reference:
    """MadGraph's numbers for one process."""

    process: str
    pdg_ids: tuple[int, ...]
    averaging_factor: int
    arrays: dict[str, np.ndarray]

    def tensor(self, name: str) -> Tensor:
        return torch.from_numpy(self.arrays[name])


@pytest.fixture(scope="session", params=["frozen", "shared"])
def reference(request: pytest.FixtureRequest) -> Callable[[str], Reference]:
    """Reads the reference points of a process: ten of the repository's own, and all of them where they are at hand."""
    frozen = Path(__file__).parents[1] / "data" / "madgraph"
    root = frozen if request.param == "frozen" else request.getfixturevalue("shared")("reference")

    def read(name: str) -> Reference:
        card = json.loads((root / f"points_{name}.json").read_text())
        with np.load(root / f"points_{name}.npz") as points:
            arrays = {key: points[key] for key in points}
        return Reference(card["process"], tuple(card["pdg_order"]), card["average_factor"], arrays)

    return read


@pytest.fixture(scope="session")
def stable() -> StandardModel:
    """The default model without widths, in which gauge symmetry is exact."""
    return StandardModel(width_t=0.0, width_w=0.0, width_z=0.0, width_h=0.0)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print the validation table: the worst deviation of every comparison that was recorded."""
    rows: dict[str, tuple[str, int, float]] = {}
    for report in terminalreporter.stats.get("passed", []):
        row = dict(report.user_properties).get("validation")
        if row and row[1] >= rows.get(row[0], row)[1]:  # of ten points and of all of them, all
            rows[row[0]] = row
    if rows:
        terminalreporter.section("validation of matrix elements")
        terminalreporter.line("| compared | points | worst relative deviation |")
        terminalreporter.line("|---|---|---|")
        for name, points, deviation in rows.values():
            terminalreporter.line(f"| {name} | {points} | {deviation:.0e} |")
