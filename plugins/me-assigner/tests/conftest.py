import os
from collections.abc import Callable
from itertools import permutations
from pathlib import Path

import pytest
import torch
from filelock import FileLock
from torch import Tensor

from hepreco.amplitudes import MatrixElement
from hepreco.events import Dataset, EventBatch, read_batch
from hepreco.generation import Detector, Sample, write_sample
from hepreco.generation.hard import IntegrationBudget
from hepreco.kinematics import boost
from hepreco_me_assigner import MatrixElementAssigner
from hepreco_me_assigner.process.frames import partonic
from hepreco_me_assigner.process.hypothesis import MASSLESS

QUICK = IntegrationBudget(iterations=3, points=3000, last=8000)
PARTONS = {"collection": "LHEPart", "where": ("status == 1",)}


@pytest.fixture(scope="session")
def written(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str, int], Path]:
    """A NanoAOD file of generated events, by the name of a sample and their number."""
    parallel = "PYTEST_XDIST_WORKER" in os.environ
    directory = tmp_path_factory.getbasetemp().parent if parallel else tmp_path_factory.getbasetemp()

    def write(process: str, events: int) -> Path:
        path = directory / f"{process}-{events}.root"
        with FileLock(path.with_suffix(".lock")):  # processes that test in parallel share the samples
            if not path.exists():
                write_sample(Sample(process, events, seed=77, budget=QUICK, detector=Detector(radiation=1.0)), path)
        return path

    return write


@pytest.fixture(scope="session")
def partons(written: Callable[[str, int], Path]) -> Callable[[str, str, int], EventBatch]:
    """Final partons of a sample, by names of process and sample."""

    def read(process: str, sample: str, events: int) -> EventBatch:
        inputs = MatrixElementAssigner(process=process, **PARTONS).inputs
        return read_batch(Dataset("test", (str(written(sample, events)),)), inputs)

    return read


@pytest.fixture(scope="session")
def ttbar(partons: Callable[[str, str, int], EventBatch]) -> EventBatch:
    """gg → tt̄, all hadronic, as partons by decreasing pt."""
    return partons("ttbar", "ttbar-hadronic", 300)


def in_order(batch: EventBatch) -> Tensor:
    """Momenta in their centre of mass in the order of the file: truth."""
    return partonic(batch.objects_ordered_by(-batch.index.double(), at_most=batch.mask.shape[1]).momenta)


@pytest.fixture(scope="session")
def ordered() -> Callable[[EventBatch], Tensor]:
    """Momenta in the order of the process."""
    return in_order


def with_beams(momenta: Tensor) -> Tensor:
    """Massless final momenta in their centre of mass, behind partons along ±z: (event, assignment, leg, 4)."""
    massless = torch.cat((momenta[..., 1:].norm(dim=-1, keepdim=True), momenta[..., 1:]), dim=-1)
    total = massless.sum(dim=-2, keepdim=True)
    final = boost(massless, velocity=(-total[..., 1:] / total[..., :1]).expand_as(massless[..., 1:]))
    incoming = torch.zeros_like(final[..., :2, :])
    incoming[..., 0] = final[..., 0].sum(dim=-1, keepdim=True) / 2
    incoming[..., 0, 3], incoming[..., 1, 3] = incoming[..., 0, 0], -incoming[..., 1, 0]
    return torch.cat((incoming, final), dim=-2)


@pytest.fixture(scope="session")
def in_every_order() -> Callable[[Tensor, int], tuple[Tensor, Tensor]]:
    """Every way to put objects on legs, and the momenta then, beams first: nothing of the plugin is used."""

    def make(momenta: Tensor, legs: int) -> tuple[Tensor, Tensor]:
        orders = torch.tensor(list(permutations(range(momenta.shape[1]), legs)))
        return orders, with_beams(momenta[:, orders])

    return make


@pytest.fixture(scope="session")
def log_me2() -> Callable[[str, Tensor], Tensor]:
    """ln|M|² of a process by single calls, summed over both ways in which unlike partons can come."""

    def evaluate(process: str, momenta: Tensor) -> Tensor:
        me = MatrixElement(process, model=MASSLESS)
        one, other = process.split()[:2]
        ways = [momenta] if one == other else [momenta, momenta[..., [1, 0, *range(2, momenta.shape[-2])], :]]
        return sum(me(way.flatten(0, -3)) for way in ways).log().view(momenta.shape[:-2])

    return evaluate


def pytest_configure() -> None:
    torch.set_num_threads(1)
