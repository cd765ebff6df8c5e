"""The output directory holds what runs made, and nothing else is touched, inside or outside of it."""

import os
import signal
import subprocess
import time
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from hepreco.cli import main
from hepreco.errors import HepRecoError
from hepreco.events import Dataset
from hepreco.histograms import HistogramSpec, read_histograms
from hepreco.plugin import Axis

AXIS = {"bins": 20, "start": 0, "stop": 200}
#: Names that are a path, or part of one, or that no file can have.
NAMES = [
    "../../escaped", "..", ".", "/tmp/escaped", "a/b", "/", "a/../../../escaped", "", "a\0b", "a\nb", "x" * 300,
    "\\..\\escaped", "a\x1b[2Jb", "~/escaped/..", " ", "a/",
]  # fmt: skip
IDS = [ascii(name)[:24] for name in NAMES]
#: Names that people give, and that harm nobody.
GOOD = ["W + jets", "tt̄", "data 2018 (A-D)", "QCD_HT-100to200", "t#bar{t}", "Zürich", "a.b.c", "x" * 60]


def everything(directory: Path) -> dict[str, bytes | None]:
    """All files and directories, with their content."""
    return {
        str(path.relative_to(directory)): path.read_bytes() if path.is_file() else None
        for path in sorted(directory.rglob("*"))
    }


# Names


@pytest.fixture
def deep(job, tmp_path):
    """A job whose output is three directories down, so that what leaves it is seen."""
    job.write()

    def check(refused, *words: str, **tables: object) -> None:
        before = everything(tmp_path)
        outside = set(Path("/tmp").glob("*escaped*"))
        job.configure(**tables)
        result = job.run("--write-columns", "parquet", output="x/y/out")
        refused(result, *words, status=(2,))
        after = {name: content for name, content in everything(tmp_path).items() if not name.startswith("job/x")}
        assert after.keys() == before.keys()
        assert set(Path("/tmp").glob("*escaped*")) == outside

    return check


@pytest.mark.parametrize("name", NAMES, ids=IDS)
def test_a_datasets_name_is_no_path(job, deep, refused, name):
    deep(refused, "dataset", datasets={name: {"files": [str(job / "a.root")]}}, plugins={"chi2-assigner": {}})


@pytest.mark.parametrize("name", NAMES, ids=IDS)
def test_a_histograms_name_is_no_path(deep, refused, name):
    deep(refused, "histogram", histograms=[{"name": name, "columns": ["Jet.pt"], "axis": AXIS}])


@pytest.mark.parametrize("name", NAMES, ids=IDS)
def test_the_name_of_a_plugins_table_is_no_path(deep, refused, name):
    deep(refused, "plugin", plugins={name: {"plugin": "chi2-assigner"}})


@pytest.mark.parametrize("name", NAMES, ids=IDS)
def test_names_are_refused_from_python_too(name):
    with pytest.raises(HepRecoError, match="name"):
        Dataset(name, ("a.root",))
    with pytest.raises(HepRecoError, match="name"):
        HistogramSpec(name, ("Jet.pt",), Axis(5, 0.0, 1.0))


def test_the_name_of_files_is_no_path(job, refused):
    job.write()
    before = everything(job.directory)
    result = job.run("--files", f"..={job / 'a.root'}", "--write-columns", "parquet")
    refused(result, "dataset", status=(2,))
    assert {name for name in everything(job.directory) if not name.startswith("out")} == before.keys()


@pytest.mark.parametrize("name", ["index", "provenance"])
def test_a_histogram_does_not_replace_an_entry_of_the_archive(job, name):
    """Refused, or stored and read back."""
    job.write()
    job.configure(histograms=[{"name": name, "columns": ["Jet.pt"], "axis": AXIS}])
    result = job.run()
    if result.exit_code == 2:
        assert name in result.output
        assert "what to do" in result.output
        assert "unexpected" not in result.output
    else:
        assert result.exit_code == 0, result.output
        stored = read_histograms(job / "out" / "histograms.zip")
        assert {name, "cutflow"} <= stored.histograms.keys()
        assert stored.histograms[name].sum(flow=True).value > 0
        assert "hepreco" in stored.provenance
        drawn = CliRunner().invoke(main, ["plot", str(job / "out")])
        assert drawn.exit_code == 0, drawn.output


@pytest.mark.parametrize("name", GOOD)
def test_names_that_people_give_are_kept(job, name):
    job.write()
    job.configure(
        datasets={name: {"files": ["a.root"]}},
        histograms=[{"name": name, "columns": ["Jet.pt"], "axis": AXIS}],
        plugins={"mine": {}},
    )
    job.install()
    result = job.run("--write-columns", "parquet")
    assert result.exit_code == 0, result.output
    assert list(job.histograms()[name].axes["dataset"]) == [name]
    assert job.report()["events"] == {name: 100}
    (written,) = job.report()["columns"]
    assert (job / "out" / "columns" / written).is_file()


def test_names_that_people_give_are_drawn(job):
    job.write()
    job.configure(
        datasets={name: {"files": ["a.root"]} for name in GOOD},
        histograms=[{"name": name, "columns": ["Jet.pt"], "axis": AXIS} for name in GOOD],
    )
    assert job.run().exit_code == 0
    drawn = CliRunner().invoke(main, ["plot", str(job / "out")])
    assert drawn.exit_code == 0, drawn.output
    assert len(list((job / "out" / "figures").glob("*.png"))) == len(GOOD) + 1  # and the cut flow


# What is deleted


@pytest.fixture
def precious(job):
    """Files of the user where a run keeps its own."""
    for name in (
        "figures/precious.pdf",
        "columns/mine.parquet",
        "checkpoints/mine.zip",
        "samples/mine.root",
        "notes.txt",
    ):
        path = job / "out" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("thesis")
    return everything(job / "out")


def assert_still_there(job, precious) -> None:
    after = everything(job / "out")
    assert {name: after.get(name, "gone") for name in precious} == precious


@pytest.mark.parametrize("options", [(), ("--resume",), ("--write-columns", "parquet")])
def test_a_run_deletes_nothing_that_it_did_not_make(job, precious, options):
    job.write()
    job.configure(plugins={"chi2-assigner": {}})
    for _ in range(2):
        result = job.run(*options)
        assert result.exit_code == 0, result.output
        assert_still_there(job, precious)


def test_a_run_with_figures_deletes_nothing_that_it_did_not_make(job, precious):
    job.write()
    with_figures = [word for word in job.arguments() if word != "--no-figures"]
    for _ in range(2):
        result = CliRunner().invoke(main, with_figures)
        assert result.exit_code == 0, result.output
        assert_still_there(job, precious)
    assert (job / "out" / "figures" / "jet_pt.png").is_file()


REASONS = {
    "missing file": {"datasets": {"x": {"files": ["missing.root"]}}},
    "not a ROOT file": {"datasets": {"x": {"files": ["a.toml"]}}},
    "no dataset": {"datasets": {}},
    "unknown plugin": {"plugins": {"unknown": {}}},
    "unknown key": {"colour": 3},
    "unknown function": {"selection": [{"name": "cut", "function": "no.such:thing"}]},
    "missing weights": {"plugins": {"autoencoder": {"weights_directory": "/nowhere"}}},
}


@pytest.fixture(scope="module")
def drawn():
    """The content of an output directory after a run with figures, which a test fills once."""
    return {}


@pytest.mark.parametrize("options", [(), ("--resume",)])
@pytest.mark.parametrize("reason", REASONS)
def test_nothing_is_deleted_by_a_run_that_does_not_start(job, refused, precious, drawn, options, reason):
    """Nor the results of the last run."""
    job.write()
    everything_drawn = [word for word in job.arguments("--write-columns", "parquet") if word != "--no-figures"]
    if not drawn:
        assert CliRunner().invoke(main, everything_drawn).exit_code == 0
        drawn |= everything(job / "out")
    for name, content in drawn.items():
        path = job / "out" / name
        path.mkdir(parents=True, exist_ok=True) if content is None else path.write_bytes(content)
    before = everything(job / "out")
    assert {"histograms.zip", "report.json", "studies.json", "figures/jet_pt.png"} <= before.keys()
    job.configure(**REASONS[reason])
    refused(job.run(*options), status=(2,))
    after = everything(job / "out")
    assert {name: after.get(name, "gone") for name in before} == before
    assert_still_there(job, precious)


def test_checkpoints_of_an_unfinished_run_survive_a_mistyped_command(job, refused):
    job.write("a.root")
    job.write("b.root", Jet=None)
    job.configure(datasets={"x": {"files": ["a.root", "b.root"]}})
    assert job.run().exit_code == 1
    before = {name for name in everything(job / "out") if name.startswith("checkpoints/")}
    assert before
    refused(job.run("--files", "x=missing.root"), status=(2,))
    assert before <= everything(job / "out").keys()


# Two runs

WAITING = """
import time
from pathlib import Path
import numpy as np

def keep(events, directory):
    Path(directory, "begun").touch()
    while not Path(directory, "go").exists():
        time.sleep(0.05)
    return np.ones(len(events), bool)
"""


@pytest.fixture
def first(job):
    """A run in a process of its own, which waits in its only chunk."""
    job.write()
    job.module("waiting", WAITING)
    options = {"directory": str(job.directory)}
    job.configure(selection=[{"name": "wait", "function": "waiting:keep", "options": options}])
    process = job.start()
    end = time.monotonic() + 240
    while not (job / "begun").exists():
        assert process.poll() is None, process.communicate()[0]
        assert time.monotonic() < end
        time.sleep(0.05)
    yield process
    if process.poll() is None:
        process.kill()
        process.communicate()


def test_the_second_run_in_a_directory_is_refused(job, first: subprocess.Popen[str], refused):
    before = everything(job / "out")
    job.configure()
    for options in ((), ("--resume",)):
        refused(job.run(*options), "another run", str(job / "out"), status=(2,))
        assert everything(job / "out") == before
    elsewhere = job.run(output="elsewhere")
    assert elsewhere.exit_code == 0, elsewhere.output
    (job / "go").touch()
    output, _ = first.communicate(timeout=60)
    assert first.returncode == 0, output
    assert job.report()["events"] == {"x": 100}
    assert "wait" in job.histograms()["cutflow"].axes["cut"]
    assert job.run().exit_code == 0


def test_a_run_that_was_killed_blocks_nobody(job, first: subprocess.Popen[str]):
    os.kill(first.pid, signal.SIGKILL)
    first.communicate()
    job.configure()
    result = job.run()
    assert result.exit_code == 0, result.output
    assert np.isclose(job.report()["sum_of_weights"]["x"], 100.0)
