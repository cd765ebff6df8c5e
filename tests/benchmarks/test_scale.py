"""What the driver costs however many chunks there are: simulated results of chunks through the real driver."""

import resource
import time
from dataclasses import dataclass, field

import hist
import numpy as np
import pytest

from hepreco.events import Columns
from hepreco.processing import Chunk, Plan, ProcessedChunks, ReconstructionProcessor, RunReport, make_executor, runner
from hepreco.processing.tasks import FileOfEvents, Task

HISTOGRAMS = 20
FILES = 1000
EVENTS = 100


@dataclass(frozen=True)
class Simulated:
    """Stands for :class:`hepreco.processing.tasks.Processing`: one event in every bin of every chunk."""

    pickled: bytes = field(repr=False)
    retries: int
    timeout: float
    stored: object
    conditions: object
    skims: object

    def __call__(self, bundle):
        dataset = bundle[0].chunk.dataset
        histograms = {f"h{i}": filled(dataset, len(bundle)) for i in range(HISTOGRAMS)}
        report = RunReport(
            processed=ProcessedChunks(task.chunk for task in bundle),
            sum_of_weights={dataset: float(EVENTS * len(bundle))},
            without_answer={dataset: {"plugin": {"no_answer": len(bundle)}}},
        )
        return {"histograms": {**histograms, "cutflow": cutflow(dataset, len(bundle))}, "report": report}


def booked(dataset, axis):
    return hist.Hist(
        hist.axis.StrCategory([dataset], growth=True, name="dataset", label="dataset"),
        hist.axis.StrCategory(["nominal", "up", "down"], growth=True, name="variation", label="variation"),
        axis,
        storage=hist.storage.Weight(),
    )


def filled(dataset, chunks):
    histogram = booked(dataset, hist.axis.Regular(50, 0, 1, name="x"))
    histogram.view()["value"] = chunks
    return histogram


def cutflow(dataset, chunks):
    histogram = booked(dataset, hist.axis.StrCategory(["all"], name="cut", overflow=False))
    histogram.view()["value"] = EVENTS * chunks
    return histogram


def planned(chunks):
    per_file = -(-chunks // FILES)
    tasks = [
        Task(Chunk(*file, start, start + EVENTS), str(i), FileOfEvents(*file, "Events", Columns()))
        for i in range(chunks)
        for start in [i % per_file * EVENTS]
        for file in [(f"d{i // per_file % 10}", f"f{i // per_file}.root")]
    ]
    return Plan(ReconstructionProcessor(), tuple(tasks), (), (), (), {})


def megabytes():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


@pytest.mark.bench
@pytest.mark.filterwarnings("ignore:Sending large graph")  # 15 MiB for 100 000 chunks
@pytest.mark.parametrize("name", ["iterative", "futures", "dask"])
@pytest.mark.parametrize("chunks", [1_000, 10_000, 100_000])
def test_chunks_through_the_driver(monkeypatch, name, chunks):
    monkeypatch.setattr(runner, "Processing", Simulated)
    plan = planned(chunks)
    before, wall, cpu = megabytes(), time.perf_counter(), time.process_time()
    with make_executor(name, workers=2) as executor:
        output = runner.process(plan, executor=executor)
        scheduler = memory_of_scheduler(executor)
    report = output["report"]
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    print(
        f"\n{name}, {chunks} chunks: {chunks / wall:.0f} chunks/s, driver {cpu:.1f} CPU-s, "
        f"{megabytes() - before:.0f} MB more than the plan{scheduler}"
    )
    assert report.complete
    assert sum(report.events(dataset) for dataset in report.datasets) == chunks * EVENTS
    assert len(report.processed) <= FILES
    np.testing.assert_array_equal(
        output["histograms"]["h0"][{"variation": "up"}].values().sum(axis=0), np.full(50, float(chunks))
    )


def memory_of_scheduler(executor):
    """The scheduler of an embedded cluster lives in the driver's process, and its tasks with it."""
    client = getattr(executor, "client", None)
    if client is None:
        return ""
    return f", {client.run_on_scheduler(lambda dask_scheduler: len(dask_scheduler.tasks))} tasks left in the scheduler"
