"""How the benchmarks measure."""

import time
from collections.abc import Callable

import pytest
import torch


@pytest.fixture(autouse=True)
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture
def best_of() -> Callable[..., list[float]]:
    """The least time of each function, measured in turns."""

    def measure(*functions: Callable[[], object], rounds: int = 7) -> list[float]:
        times = [[] for _ in functions]
        for _ in range(rounds):
            for function, taken in zip(functions, times, strict=True):
                start = time.perf_counter()
                function()
                taken.append(time.perf_counter() - start)
        return [min(taken) for taken in times]

    return measure
