"""Interrupts stop promptly, keep what is done and leave no orphans; workers that die are replaced."""

import os
import signal
import subprocess
import time
from collections.abc import Callable

import psutil
import pytest

#: What a shell gives a command that a signal ended: 128 and the number of the signal.
STATUS = {signal.SIGINT: 130, signal.SIGTERM: 143}
#: Seconds in which a process must start and reach its second chunk, on a machine that is busy with other things.
PATIENCE = 240
#: Seconds that stopping may take: the embedded Dask cluster is given time to close.
PROMPT = 15

WAITING = """
import time
from pathlib import Path
import numpy as np

def keep(events, directory):
    '''Say that a chunk has begun; the last one takes an hour, if it may.'''
    start = events.metadata["entrystart"]
    with open(Path(directory, "begun"), "a") as file:
        file.write(f"{start}\\n")
    if start == 75 and not Path(directory, "go").exists():
        while len(list(Path(directory, "out", "checkpoints").rglob("*.zip"))) < 3:
            time.sleep(0.05)
        Path(directory, "waiting").touch()
        time.sleep(3600)
    return np.ones(len(events), bool)
"""
DYING = """
import os
import signal
from pathlib import Path
import numpy as np

def keep(events, marker):
    if not Path(marker).exists():
        Path(marker).touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return np.ones(len(events), bool)
"""
#: Python runs this when it starts: the first worker dies before it has done anything.
DYING_AT_THE_START = """
import os, signal, sys
command = " ".join(sys.orig_argv)
if "popen_loky" in command or "spawn_main" in command:
    try:
        os.close(os.open({marker!r}, os.O_CREAT | os.O_EXCL))
    except FileExistsError:
        pass
    else:
        os.kill(os.getpid(), signal.SIGKILL)
"""
#: A protocol of fsspec: the worker that opens the first of all files dies.
DYING_FILES = """
import multiprocessing, os, signal
from pathlib import Path
from fsspec.implementations.local import LocalFileSystem

class Files(LocalFileSystem):
    protocol = ("dying",)

    @classmethod
    def _strip_protocol(cls, path):
        return super()._strip_protocol(str(path).removeprefix("dying://"))

    def _open(self, path, **options):
        marker = Path(path).with_name("opened")
        if multiprocessing.parent_process() is not None and not marker.exists():
            marker.touch()
            os.kill(os.getpid(), signal.SIGKILL)
        return super()._open(path, **options)
"""


def wait_until(condition: Callable[[], bool], process: subprocess.Popen[str]) -> None:
    end = time.monotonic() + PATIENCE
    while not condition():
        if process.poll() is not None or time.monotonic() > end:
            process.kill()
            pytest.fail(f"status {process.poll()}: {process.communicate()[0]}")
        time.sleep(0.05)


def shown(process: subprocess.Popen[str]) -> int:
    """The status as a shell shows it, also of a process that let the signal end it."""
    return process.returncode if process.returncode >= 0 else 128 - process.returncode


def session(leader: int) -> list[psutil.Process]:
    """The living processes of a session.

    A process that has ended and waits to be collected does not count: it has no command line any more, whatever its
    status is called.
    """
    found = []
    for process in psutil.process_iter():
        try:
            if os.getsid(process.pid) == leader and process.cmdline():
                found.append(process)
        except (ProcessLookupError, psutil.NoSuchProcess):
            continue
    return found


def written(job) -> dict[str, bytes]:
    """The files that a run writes at its end."""
    return {path.name: path.read_bytes() for path in (job / "out").glob("*.*")}


@pytest.fixture
def waiting(job):
    """A job of four chunks, of which the last waits until the other three are kept."""
    job.write()
    job.module("waiting", WAITING)
    options = {"directory": str(job.directory)}
    job.configure(selection=[{"name": "wait", "function": "waiting:keep", "options": options}])
    return job


@pytest.mark.parametrize("executor", ["iterative", "futures", "dask"])
@pytest.mark.parametrize(("sent", "workers"), [(signal.SIGINT, 2), (signal.SIGTERM, 1)])
def test_a_signal_stops_promptly_keeps_what_is_done_and_leaves_no_orphans(waiting, executor, sent, workers):
    (waiting / "go").touch()
    assert waiting.run().exit_code == 0
    before = written(waiting)
    assert {"histograms.zip", "report.json"} <= before.keys()
    (waiting / "go").unlink()
    (waiting / "begun").unlink()
    process = waiting.start("--executor", executor, "--workers", workers, "--chunksize", 25)
    try:
        wait_until((waiting / "waiting").exists, process)
        if sent == signal.SIGINT:  # as a terminal sends it: to all processes of the foreground
            os.killpg(process.pid, sent)
        else:  # as a batch system or 'kill' sends it
            process.send_signal(sent)
        began = time.monotonic()
        try:
            output, _ = process.communicate(timeout=PROMPT)
        except subprocess.TimeoutExpired:
            pytest.fail(f"still running {PROMPT} s after {sent.name}")
        assert time.monotonic() - began < PROMPT
        assert shown(process) == STATUS[sent], output
        assert "Traceback" not in output
        assert "--resume" in output
        assert [orphan.cmdline() for orphan in session(process.pid)] == []
    finally:
        for orphan in session(process.pid):
            orphan.kill()
        process.communicate()
    after = written(waiting)  # neither histograms nor a report of a part look like those of the whole
    assert {name: after.get(name) for name in before} == before
    (waiting / "begun").unlink()
    (waiting / "go").touch()
    resumed = waiting.run("--chunksize", 25, "--resume")
    assert resumed.exit_code == 0, resumed.output
    assert (waiting / "begun").read_text().split() == ["75"]
    assert waiting.report()["events"] == {"x": 100}


def test_one_chunk_on_futures_is_tried_again(job, ready_workers):
    job.write()
    job.module("dying", DYING)
    options = {"marker": str(job / "killed")}
    job.configure(selection=[{"name": "die once", "function": "dying:keep", "options": options}])
    result = job.run("--executor", "futures", "--workers", 1)
    assert (job / "killed").exists()
    assert result.exit_code == 0, result.output
    assert job.report()["events"] == {"x": 100}


@pytest.mark.parametrize("executor", ["futures", "dask"])
def test_a_worker_that_dies_while_it_starts_is_replaced(job, executor):
    job.write()
    (job / "sitecustomize.py").write_text(DYING_AT_THE_START.format(marker=str(job / "killed")))
    process = job.start("--executor", executor, "--workers", 2, "--chunksize", 25)
    output, _ = process.communicate(timeout=PATIENCE)
    assert (job / "killed").exists()
    assert process.returncode == 0, output
    assert job.report()["events"] == {"x": 100}


@pytest.mark.parametrize(("executor", "workers"), [("futures", 1), ("dask", 2)])
def test_a_worker_that_dies_while_it_prepares_is_replaced(job, executor, workers):
    """Preparing opens every file once, to see how many events it has."""
    info = job / "dying_files-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: dying-files\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[fsspec.specs]\ndying = dying_files:Files\n")
    (job / "dying_files.py").write_text(DYING_FILES)
    files = [f"dying://{job.write(name)}" for name in ("a.root", "b.root")]
    job.configure(datasets={"x": {"files": files}})
    process = job.start("--executor", executor, "--workers", workers)
    output, _ = process.communicate(timeout=PATIENCE)
    assert (job / "opened").exists()
    assert process.returncode == 0, output
    assert job.report()["events"] == {"x": 200}
