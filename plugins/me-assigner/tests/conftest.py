from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import Tensor

from hepreco.events import Dataset, EventBatch, read_batch
from hepreco.generation import Detector, Sample, write_sample
from hepreco_me_assigner import MatrixElementAssigner
from hepreco_me_assigner.frames import partonic

PARTONS = {"collection": "LHEPart", "where": ("status == 1",)}


@pytest.fixture(scope="session")
def written(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str, int], Path]:
    """A NanoAOD file of generated events, by the name of a sample and their number."""
    directory = tmp_path_factory.mktemp("samples")

    def write(process: str, events: int) -> Path:
        path = directory / f"{process}-{events}.root"
        if not path.exists():
            write_sample(Sample(process, events, seed=77, detector=Detector(radiation=1.0)), path)
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


def pytest_configure() -> None:
    torch.set_num_threads(1)
