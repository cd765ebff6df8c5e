"""What the tests of matrix elements share: independent numbers, and phase space of our own."""

import json
import math
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from hepreco.amplitudes import StandardModel
from hepreco.kinematics import boost


@dataclass(frozen=True)
class Reference:
    """MadGraph's numbers for one process."""

    process: str
    pdg_ids: tuple[int, ...]
    averaging_factor: int
    arrays: dict[str, np.ndarray]

    def tensor(self, name: str) -> Tensor:
        return torch.from_numpy(self.arrays[name])


@pytest.fixture(scope="session")
def reference() -> Callable[[str], Reference]:
    """Reads the reference points of a process, which are not part of the repository."""
    root = Path(os.environ.get("HEPRECO_SHARED", Path(__file__).parents[3] / "shared")) / "reference"
    if not root.is_dir():
        message = f"no reference points at {root}: set HEPRECO_SHARED"
        if os.environ.get("CI") == "true":
            pytest.fail(message)
        pytest.skip(message)

    def read(name: str) -> Reference:
        card = json.loads((root / f"points_{name}.json").read_text())
        with np.load(root / f"points_{name}.npz") as points:
            arrays = {key: points[key] for key in points}
        return Reference(card["process"], tuple(card["pdg_order"]), card["average_factor"], arrays)

    return read


@pytest.fixture(scope="session")
def phase_space() -> Callable[..., Tensor]:
    """Flat phase space (RAMBO; Kleiss, Stirling, Ellis, Comput. Phys. Commun. 40 (1986) 359), (event, leg, 4)."""

    def generate(
        final: list[float], *, energy: float, incoming: tuple[float, ...] = (0.0, 0.0), events: int = 5, seed: int = 1
    ) -> Tensor:
        beams = _beams(incoming, energy).expand(events, -1, 4)
        if len(final) == 1:
            return torch.cat((beams, beams.sum(dim=1, keepdim=True)), dim=1)
        generator = torch.Generator().manual_seed(seed)
        cos, azimuth, one, two = torch.rand(4, events, len(final), generator=generator, dtype=torch.float64)
        cos, azimuth, length = 2 * cos - 1, 2 * math.pi * azimuth, -torch.log(one * two)
        sin = torch.sqrt(1 - cos**2)
        p = length[..., None] * torch.stack(
            (torch.ones_like(cos), sin * torch.cos(azimuth), sin * torch.sin(azimuth), cos), dim=-1
        )
        total = p.sum(dim=1, keepdim=True)
        p = boost(p, velocity=-total[..., 1:] / total[..., :1])[..., 1:]
        masses = torch.tensor(final, dtype=torch.float64)
        squares = (p**2).sum(-1)
        scale = torch.full((events, 1), energy / float(length.sum(1).mean()), dtype=torch.float64)
        for _ in range(100):  # Newton: the scale at which the energies add up
            energies = torch.sqrt(scale**2 * squares + masses**2)
            excess = energies.sum(1, keepdim=True) - energy
            scale = scale - excess / (scale * squares / energies).sum(1, keepdim=True)
        energies = torch.sqrt(scale**2 * squares + masses**2)
        final_momenta = torch.cat((energies[..., None], scale[..., None] * p), dim=-1)
        return torch.cat((beams, final_momenta), dim=1)

    return generate


def _beams(masses: tuple[float, ...], energy: float) -> Tensor:
    if len(masses) == 1:
        return torch.tensor([[energy, 0.0, 0.0, 0.0]], dtype=torch.float64)
    one, two = masses
    p = math.sqrt((energy**2 - (one + two) ** 2) * (energy**2 - (one - two) ** 2)) / (2 * energy)
    return torch.tensor([[math.hypot(p, one), 0, 0, p], [math.hypot(p, two), 0, 0, -p]], dtype=torch.float64)


@pytest.fixture(scope="session")
def on_shell(phase_space: Callable[..., Tensor]) -> Callable[..., Tensor]:
    """Phase space for a matrix element, with the masses of its legs."""

    def generate(me, *, energy: float, events: int = 5, seed: int = 1) -> Tensor:
        incoming, final = (
            [float(getattr(me.model, particle.mass)) if particle.mass else 0.0 for particle in particles]
            for particles in (me.process.incoming, me.process.final)
        )
        return phase_space(final, energy=energy, incoming=tuple(incoming), events=events, seed=seed)

    return generate


@pytest.fixture(scope="session")
def stable() -> StandardModel:
    """The default model without widths, in which gauge symmetry is exact."""
    return StandardModel(width_t=0.0, width_w=0.0, width_z=0.0, width_h=0.0)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print the validation table: the worst deviation of every comparison that was recorded."""
    rows = [
        dict(report.user_properties)["validation"]
        for report in terminalreporter.stats.get("passed", [])
        if "validation" in dict(report.user_properties)
    ]
    if rows:
        terminalreporter.section("validation of matrix elements")
        terminalreporter.line("| compared | points | worst relative deviation |")
        terminalreporter.line("|---|---|---|")
        for name, points, deviation in rows:
            terminalreporter.line(f"| {name} | {points} | {deviation:.0e} |")
