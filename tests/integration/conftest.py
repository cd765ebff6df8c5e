"""A job: a directory with NanoAOD files, a configuration, and what ``hepreco run`` makes of them."""

import importlib
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import awkward as ak
import hist
import numpy as np
import pytest
import tomli_w
import uproot
from click.testing import CliRunner, Result

from hepreco.cli import main
from hepreco.histograms import read_histograms
from hepreco.plugin import discover
from hepreco.processing import tasks

JET_PT = {"name": "jet_pt", "columns": ["Jet.pt"], "axis": {"bins": 20, "start": 0, "stop": 200}}
#: Longest time that a run may take, in seconds; one that hangs fails its test then. On a busy machine imports alone
#: may take a minute.
LIMIT = WORKERS_LIMIT = 300

PLUGIN = '''
import sys
from dataclasses import dataclass

from hepreco import Column, InputSpec, ObjectSpec, Reconstructor, hookimpl
from hepreco.plugin import Axis

HEPRECO_API_VERSION = 1
FACTOR = 1.0
# import

@dataclass(frozen=True)
class Plugin(Reconstructor):
    """H_T of the jets."""

    @property
    def inputs(self):
        return InputSpec((ObjectSpec("Jet"),))

    @property
    def outputs(self):
        return (Column("ht", unit="GeV", axis=Axis(50, 0.0, 1000.0)),)

    def setup(self, device):
        pass  # setup

    def reconstruct(self, batch):
        pass  # reconstruct
        return {"ht": FACTOR * batch.momenta[..., 1:3].norm(dim=-1).sum(dim=1)}

@hookimpl
def hepreco_register_reconstructors(register):
    register("mine", Plugin)
'''


def nanoaod(events: int = 100, jets: int = 6, seed: int = 1) -> dict[str, ak.Array | np.ndarray]:
    """The columns of a small NanoAOD file: whole numbers of GeV, so that no sum depends on its order."""
    rng = np.random.default_rng(seed)
    lengths = rng.integers(0, jets + 1, events)
    inner = {
        "pt": rng.integers(20, 200, lengths.sum()),
        "eta": rng.uniform(-2, 2, lengths.sum()),
        "phi": rng.uniform(-3, 3, lengths.sum()),
        "mass": rng.integers(5, 10, lengths.sum()),
        "btagDeepFlavB": rng.uniform(0, 1, lengths.sum()),
    }
    return {
        "run": np.ones(events, np.uint32),
        "luminosityBlock": np.ones(events, np.uint32),
        "event": np.arange(events, dtype=np.uint64),
        "genWeight": np.ones(events, np.float32),
        "PuppiMET_pt": rng.integers(0, 100, events).astype(np.float32),
        "PuppiMET_phi": rng.uniform(-3, 3, events).astype(np.float32),
        "Jet": ak.zip({name: ak.unflatten(values.astype(np.float32), lengths) for name, values in inner.items()}),
    }


@contextmanager
def limit(seconds: float) -> Iterator[None]:
    """Fail the test if what is inside takes longer."""

    def stop(*_: object) -> None:
        pytest.fail(f"still running after {seconds} s")

    previous = signal.signal(signal.SIGALRM, stop)
    signal.setitimer(signal.ITIMER_REAL, seconds, 5.0)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, previous)


@dataclass(frozen=True)
class Job:
    """One directory: ``a.toml``, files beside it, results in ``out``."""

    directory: Path

    def __truediv__(self, name: str) -> Path:
        return self.directory / name

    def write(
        self, name: str = "a.root", *, tree: str = "Events", compression: object = None, **columns: object
    ) -> Path:
        """A NanoAOD file with counters, as CMS writes them. A column that is ``None`` is left out."""
        options = {key: columns.pop(key) for key in ("events", "jets", "seed") if key in columns}
        table = {key: value for key, value in (nanoaod(**options) | columns).items() if value is not None}
        types = {
            key: value.type.content if isinstance(value, ak.Array) else value.dtype for key, value in table.items()
        }
        with uproot.recreate(self / name, compression=compression) as file:
            file.mktree(tree, types, counter_name=lambda counted: f"n{counted}")
            file[tree].extend(table)
        return self / name

    def configure(self, **tables: object) -> None:
        """One dataset ``x`` of ``a.root`` and a histogram of the jets' pt, where the tables do not say otherwise."""
        table = {"datasets": {"x": {"files": ["a.root"]}}, "histograms": [JET_PT], **tables}
        (self / "a.toml").write_bytes(tomli_w.dumps(table).encode())

    def module(self, name: str, code: str) -> None:
        """A module that a configuration can name, as if written just now."""
        (self / f"{name}.py").write_text(code)
        self.forget(name)

    def forget(self, *names: str) -> None:
        """Have modules imported afresh, as a new process would."""
        for loaded in [key for key in sys.modules if key.partition(".")[0] in names]:
            del sys.modules[loaded]
        for path in self.directory.rglob("__pycache__/*.pyc"):
            path.unlink()
        importlib.invalidate_caches()

    def install(self, code: str = PLUGIN, *, name: str = "hepreco_mine") -> None:
        """A plugin's module and what an installer writes beside it; the plugin is called ``mine``."""
        info = self / f"{name}-1.2.dist-info"
        info.mkdir(exist_ok=True)
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name.replace('_', '-')}\nVersion: 1.2\n")
        (info / "entry_points.txt").write_text(f"[hepreco]\nmine = {name}\n")
        (info / "RECORD").write_text(f"{name}.py,,\n")
        self.module(name, code)
        discover.cache_clear()

    def arguments(self, *options: object, output: str = "out") -> list[str]:
        """The words of the command line."""
        return ["run", str(self / "a.toml"), "--output", str(self / output), "--no-figures", *map(str, options)]

    def run(self, *options: object, output: str = "out") -> Result:
        """``hepreco run`` in this process."""
        with limit(WORKERS_LIMIT if "--executor" in options else LIMIT):
            return CliRunner(env={"COLUMNS": "300"}).invoke(main, self.arguments(*options, output=output))

    def start(self, *options: object, output: str = "out", **environment: str) -> subprocess.Popen[str]:
        """``hepreco run`` in a process of its own, at the head of its own session."""
        paths = os.pathsep.join([str(self.directory), *filter(None, sys.path)])
        return subprocess.Popen(
            [sys.executable, "-c", "from hepreco.cli import main; main()", *self.arguments(*options, output=output)],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
            env={**os.environ, "PYTHONPATH": paths, "PYTHONDONTWRITEBYTECODE": "1", "COLUMNS": "300", **environment},
        )

    def report(self, output: str = "out") -> dict[str, object]:
        return json.loads((self / output / "report.json").read_text())

    def histograms(self, output: str = "out") -> dict[str, hist.Hist]:
        return dict(read_histograms(self / output / "histograms.zip").histograms)

    def filled(self, name: str = "jet_pt", output: str = "out") -> float:
        """The sum of weights of a histogram, flow included."""
        return self.histograms(output)[name].sum(flow=True).value


@pytest.fixture(autouse=True)
def no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    """A damaged file is read again, but not half a second later: no server recovers here."""
    monkeypatch.setattr(tasks, "PAUSE", 0.0)


@pytest.fixture
def job(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Job]:
    """An empty job, whose modules and plugins can be imported."""
    directory = tmp_path / "job"
    directory.mkdir()
    monkeypatch.syspath_prepend(directory)
    job = Job(directory)
    job.configure()
    yield job
    job.forget(*(path.stem for path in directory.glob("*.py")), *(path.name for path in directory.iterdir()))
    if any(directory.glob("*.dist-info")):
        discover.cache_clear()


@pytest.fixture(scope="session")
def columns() -> Callable[..., dict[str, ak.Array | np.ndarray]]:
    """What :meth:`Job.write` writes."""
    return nanoaod


@pytest.fixture(scope="session")
def plugin() -> str:
    """The code of a plugin that works, with the places ``# import``, ``pass  # setup``, ``pass  # reconstruct``."""
    return PLUGIN


@pytest.fixture(scope="session")
def refused() -> Callable[..., None]:
    """Asserts that a command ended with an error that says what to do, and with these words in it."""

    def check(result: Result, *words: str, status: tuple[int, ...] = (1, 2)) -> None:
        end = result.output[-2000:]
        assert result.exit_code in status, end
        assert "Traceback" not in result.output, end
        assert "unexpected" not in result.output, end
        assert "what to do" in result.output, end
        missing = [word for word in words if word not in result.output]
        assert missing == [], end

    return check
