"""A stored result is used only if everything that determines it is the same."""

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import awkward as ak
import numpy as np
import pytest
import uproot
from coffea import processor

import hepreco
from hepreco.events import Dataset, to_fileset
from hepreco.processing import ReconstructionProcessor, make_executor, run

FILES = {"files": ["mended.root", "kept.root"]}
#: A cut that writes down which chunks it was asked about.
COUNTING = """
import numpy as np

def keep(events, log):
    with open(log, "a") as file:
        file.write(f"{events.metadata['filename']}\\n")
    return np.ones(len(events), bool)
"""
THRESHOLD = """
import awkward as ak

PT = 50.0

def keep(events):
    return ak.num(events.Jet[events.Jet.pt > _limit()]) >= 2

def _limit():
    return PT
"""


@pytest.fixture
def halfway(job):
    """A job of two files of which one is kept, since the other lacked a branch; then that one is mended.

    Returns a function that configures the job, runs it, mends the file, and says that it did not process all.
    """

    def begin(*options: object, **tables: object) -> None:
        job.write("kept.root", seed=1)
        job.write("mended.root", seed=2, Jet=None)
        job.configure(**{"datasets": {"x": FILES}, **tables})
        assert job.run(*options).exit_code == 1
        assert job.report()["events"] == {"x": 100}
        job.write("mended.root", seed=2)

    return begin


def assert_resumed_is_fresh(job, *options: object) -> None:
    """What ``--resume`` gives is what a run from the beginning gives, bin for bin."""
    resumed = job.run("--resume", *options)
    assert resumed.exit_code == 0, resumed.output
    fresh = job.run(*options, output="fresh")
    assert fresh.exit_code == 0, fresh.output
    assert job.histograms() == job.histograms("fresh")
    for key in ("events", "sum_of_weights", "cross_section", "scale", "processed", "without_answer", "columns"):
        assert job.report()[key] == job.report("fresh")[key], key


def axis(**changes: object) -> dict[str, object]:
    return {"name": "jet_pt", "columns": ["Jet.pt"], "axis": {"bins": 20, "start": 0, "stop": 200} | changes}


def cut(**changes: object) -> dict[str, object]:
    return {"name": "jets", "collection": "Jet", "where": ["pt > 50"], "at_least": 2} | changes


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (
            {"luminosity": 1.0, "datasets": {"x": FILES | {"cross_section": 100.0}}},
            {"luminosity": 1.0, "datasets": {"x": FILES | {"cross_section": 200.0}}},
        ),
        ({}, {"luminosity": 1.0, "datasets": {"x": FILES | {"cross_section": 200.0}}}),
        ({"luminosity": 1.0, "datasets": {"x": FILES | {"cross_section": 100.0}}}, {}),
        (
            {"luminosity": 1.0, "datasets": {"x": FILES | {"cross_section": 100.0}}},
            {"luminosity": 2.0, "datasets": {"x": FILES | {"cross_section": 100.0}}},
        ),
        ({"histograms": [axis(bins=20)]}, {"histograms": [axis(bins=10)]}),
        ({"histograms": [axis(stop=200)]}, {"histograms": [axis(stop=100)]}),
        ({"selection": [cut(where=["pt > 50"])]}, {"selection": [cut(where=["pt > 60"])]}),
        ({"selection": [cut(at_least=2)]}, {"selection": [cut(at_least=3)]}),
        ({"selection": [cut()]}, {}),
        ({}, {"variations": [{"name": "jes_up", "scale": 1.1}]}),
        (
            {"variations": [{"name": "jes_up", "scale": 1.1}]},
            {"variations": [{"name": "jes_up", "scale": 1.2}]},
        ),
        ({"plugins": {"chi2-assigner": {}}}, {"plugins": {"chi2-assigner": {"where": ["pt > 40"]}}}),
    ],
    ids=[
        *(
            "cross-section",
            "cross-section for the first time",
            "cross-section taken away",
            "luminosity",
            "bins",
            "axis",
        ),
        *("threshold of a cut", "count of a cut", "no cut", "new variation", "scale of a variation", "plugin's option"),
    ],
)
def test_after_a_change_of_the_configuration(job, halfway, before, after):
    halfway(**before)
    job.configure(**{"datasets": {"x": FILES}, **after})
    assert_resumed_is_fresh(job)


def test_the_cross_section_is_the_last_one_to_the_number(job):
    """σ·1000·L/Σw = 200·1000/8."""
    ones = np.ones(4, np.float32)
    table = {"events": 4, "Jet": None}
    job.write("mended.root", genWeight=None, **table)
    job.write("kept.root", genWeight=ones, **table)
    datasets = {"x": FILES | {"cross_section": 100.0}}
    job.configure(luminosity=1.0, datasets=datasets, histograms=[])
    assert job.run().exit_code == 1
    job.write("mended.root", genWeight=ones, **table)
    job.configure(luminosity=1.0, datasets={"x": FILES | {"cross_section": 200.0}}, histograms=[])
    assert job.run("--resume").exit_code == 0
    assert job.report()["sum_of_weights"] == {"x": 8.0}
    assert job.report()["scale"] == {"x": 25000.0}


@pytest.mark.parametrize(
    "change",
    [
        {"luminosity": 2.0},
        {"datasets": {"x": FILES | {"cross_section": 200.0}}},
        {"datasets": {"x": FILES | {"cross_section": 100.0, "label": "X"}}},
    ],
    ids=["luminosity", "cross-section", "label"],
)
def test_what_belongs_to_the_end_of_a_run_costs_no_chunk(job, halfway, change):
    job.module("counting", COUNTING)
    tables = {
        "luminosity": 1.0,
        "datasets": {"x": FILES | {"cross_section": 100.0}},
        "selection": [{"name": "count", "function": "counting:keep", "options": {"log": str(job / "log")}}],
    }
    halfway(**tables)
    job.configure(**tables | change)
    (job / "log").unlink()
    assert job.run("--resume").exit_code == 0
    assert (job / "log").read_text().split() == [str(job / "mended.root")]


def test_another_tree(job):
    for name, jets in (("kept.root", 6), ("mended.root", None)):
        with uproot.recreate(job / name) as file:
            for tree, seed in (("Events", 1), ("Other", 2)):
                table = job_columns(seed) if jets else {key: job_columns(seed)[key] for key in ("run", "event")}
                file.mktree(tree, {k: v.type.content if isinstance(v, ak.Array) else v.dtype for k, v in table.items()})
                file[tree].extend(table)
    job.configure(datasets={"x": FILES})
    assert job.run().exit_code == 1
    shutil.copy(job / "kept.root", job / "mended.root")
    job.configure(datasets={"x": FILES | {"tree": "Other"}})
    assert_resumed_is_fresh(job)


def job_columns(seed: int) -> dict[str, ak.Array | np.ndarray]:
    rng = np.random.default_rng(seed)
    jet = ak.zip({key: ak.Array(rng.integers(20, 200, (50, 3)).astype("f4")) for key in ("pt", "eta", "phi", "mass")})
    numbers = {"run": np.ones(50, "u4"), "luminosityBlock": np.ones(50, "u4"), "event": np.arange(50, dtype="u8")}
    return numbers | {"Jet": ak.from_regular(jet)}


@pytest.mark.parametrize(
    ("old", "new"),
    [("PT = 50.0", "PT = 80.0"), (">= 2", ">= 3"), ("return PT", "return PT + 20")],
    ids=["a constant", "the function", "another function of the module"],
)
def test_an_edited_cut_function(job, halfway, old, new):
    job.module("threshold", THRESHOLD)
    selection = [{"name": "cut", "function": "threshold:keep"}]
    halfway(selection=selection)
    job.module("threshold", THRESHOLD.replace(old, new))
    assert_resumed_is_fresh(job)


def test_an_edited_module_of_the_cuts_package(job, halfway):
    (job / "cuts").mkdir()
    (job / "cuts" / "__init__.py").write_text("from cuts.threshold import keep\n")
    (job / "cuts" / "threshold.py").write_text(THRESHOLD)
    halfway(selection=[{"name": "cut", "function": "cuts:keep"}])
    (job / "cuts" / "threshold.py").write_text(THRESHOLD.replace("50.0", "80.0"))
    job.forget("cuts")
    assert_resumed_is_fresh(job)


def test_a_cut_function_that_is_the_same_keeps_its_chunks(job, halfway):
    job.module("counting", COUNTING)
    options = {"log": str(job / "log")}
    halfway(selection=[{"name": "count", "function": "counting:keep", "options": options}])
    (job / "log").unlink()
    job.module("counting", COUNTING)
    assert job.run("--resume").exit_code == 0
    assert (job / "log").read_text().split() == [str(job / "mended.root")]


def test_an_edited_plugin_of_the_same_version(job, halfway, plugin):
    job.install(plugin)
    halfway(plugins={"mine": {}})
    job.install(plugin.replace("FACTOR = 1.0", "FACTOR = 2.0"))
    assert_resumed_is_fresh(job)
    ht = job.histograms()["mine.ht"]
    assert ht[{"dataset": "x", "variation": "nominal"}].sum(flow=True).value == 200


def test_an_edited_module_of_a_plugins_package(job, halfway, plugin):
    (job / "hepreco_mine").mkdir()
    (job / "hepreco_mine" / "factor.py").write_text("FACTOR = 1.0\n")
    code = plugin.replace("FACTOR = 1.0", "from hepreco_mine.factor import FACTOR")
    (job / "hepreco_mine" / "__init__.py").write_text(code)
    job.install("")
    (job / "hepreco_mine.py").unlink()
    halfway(plugins={"mine": {}})
    (job / "hepreco_mine" / "factor.py").write_text("FACTOR = 2.0\n")
    job.install("")
    (job / "hepreco_mine.py").unlink()
    assert_resumed_is_fresh(job)


def overwrite(path: Path, old: bytes, new: bytes) -> None:
    """Other content of the same size in an uncompressed file, which keeps its UUID."""
    data = path.read_bytes()
    assert old in data
    assert len(old) == len(new)
    path.write_bytes(data.replace(old, new))


@pytest.mark.parametrize("older", [False, True])
def test_a_file_of_the_same_uuid_with_other_content(job, halfway, older):
    halfway()
    before, after = (np.full(100, weight, ">f4").tobytes() for weight in (1.0, 3.0))
    with uproot.open(job / "kept.root") as file:
        uuid = file.file.uuid
    overwrite(job / "kept.root", before, after)
    if older:  # as a copy that keeps its times has them
        os.utime(job / "kept.root", (1e9, 1e9))
    with uproot.open(job / "kept.root") as file:
        assert file.file.uuid == uuid
    assert_resumed_is_fresh(job)
    assert job.report()["sum_of_weights"] == {"x": 400.0}


def test_a_file_that_was_written_again_with_more_events(job, halfway):
    halfway()
    job.write("kept.root", events=150, seed=5)
    assert_resumed_is_fresh(job)
    assert job.report()["events"] == {"x": 250}


@pytest.mark.parametrize("format", ["parquet", "root"])
@pytest.mark.parametrize("gone", ["all", "one file"])
def test_columns_that_are_gone_are_made_again(job, halfway, format, gone):
    options = ("--write-columns", format, "--chunksize", 50)
    halfway(*options, plugins={"chi2-assigner": {}})
    (written,) = {path.parent for path in (job / "out" / "columns").rglob(f"*.{format}")}
    if gone == "all":
        shutil.rmtree(job / "out" / "columns")
    else:
        min(written.iterdir()).unlink()
    assert_resumed_is_fresh(job, *options)
    for name in job.report()["columns"]:
        path = job / "out" / "columns" / name
        table = ak.from_parquet(path) if format == "parquet" else uproot.open(f"{path}:Events").arrays()
        assert len(table) == 50


def test_a_damaged_file_of_columns_is_made_again(job, halfway):
    options = ("--write-columns", "parquet", "--chunksize", 50)
    halfway(*options, plugins={"chi2-assigner": {}})
    path = min((job / "out" / "columns").rglob("*.parquet"))
    path.write_bytes(b"")
    assert_resumed_is_fresh(job, *options)
    assert sum(len(ak.from_parquet(job / "out" / "columns" / name)) for name in job.report()["columns"]) == 200


@pytest.mark.parametrize(
    ("before", "after"),
    [((), ("--write-columns", "parquet")), (("--write-columns", "parquet"), ("--write-columns", "root"))],
    ids=["asked for later", "other format"],
)
def test_columns_of_another_format(job, halfway, before, after):
    halfway(*before, plugins={"chi2-assigner": {}})
    assert_resumed_is_fresh(job, *after)
    assert len(job.report()["columns"]) == 2


def test_resume_after_nothing_changed_processes_only_what_is_missing(job, halfway):
    job.module("counting", COUNTING)
    options = {"log": str(job / "log")}
    halfway("--chunksize", 50, selection=[{"name": "count", "function": "counting:keep", "options": options}])
    (job / "log").unlink()
    assert job.run("--resume", "--chunksize", 50).exit_code == 0
    assert (job / "log").read_text().split() == [str(job / "mended.root")] * 2


def coffea_runner(path: Path, **dataset: object) -> object:
    """What README documents for Python: coffea's Runner."""
    runner = processor.Runner(executor=processor.IterativeExecutor(status=False), schema=hepreco.NanoAODSchema)
    fileset = to_fileset([Dataset("x", files=(str(path),), **dataset)])
    return runner(fileset, processor_instance=ReconstructionProcessor(luminosity=1.0))["report"]


def ours(path: Path, **dataset: object) -> object:
    """What hepreco offers for Python."""
    with make_executor("iterative") as executor:
        datasets = [Dataset("x", files=(str(path),), **dataset)]
        return run(ReconstructionProcessor(luminosity=1.0), datasets, executor=executor)["report"]


RUNNERS = pytest.mark.parametrize("runner", [coffea_runner, ours])


def test_what_is_remembered_of_files_is_of_the_last_run(job):
    """However often a directory is used, and whatever was read there."""
    job.write()
    job.write("b.root", seed=2)

    def remembered(*files: str, **tables: object) -> dict[str, object]:
        job.configure(datasets={"x": {"files": list(files)}}, **tables)
        assert job.run().exit_code == 0
        return json.loads((job / "out" / "prepared.json").read_text())

    both = remembered("a.root", "b.root")
    assert len(both) == 2
    one = remembered("a.root")
    assert one.items() < both.items()
    others = remembered("a.root", plugins={"chi2-assigner": {}})
    assert len(others) == 1
    assert not others.keys() & one.keys()


@RUNNERS
def test_a_second_run_in_one_process_has_its_own_cross_section(job, runner: Callable[..., object]):
    path = job.write(events=4)
    assert runner(path, cross_section=100.0).scale == {"x": 25000.0}
    assert runner(path, cross_section=200.0).scale == {"x": 50000.0}
    assert runner(path).scale == {"x": 1.0}


@RUNNERS
def test_a_second_run_in_one_process_reads_the_file_as_it_is_now(job, runner: Callable[..., object]):
    path = job.write(events=4)
    assert runner(path).events("x") == 4
    job.write(events=10)
    assert runner(path).events("x") == 10
    job.write(events=3)
    assert runner(path).events("x") == 3


def test_checkpoints_of_the_python_interface_know_no_cross_section(job):
    datasets = [Dataset("x", files=(str(job.write(events=4)),), cross_section=100.0)]
    for cross_section, scale in ((100.0, 25000.0), (200.0, 50000.0)):
        datasets = [Dataset("x", files=(str(job / "a.root"),), cross_section=cross_section)]
        with make_executor("iterative") as executor:
            output = run(
                ReconstructionProcessor(luminosity=1.0), datasets, executor=executor, checkpoints=job / "checkpoints"
            )
        assert output["report"].scale == {"x": scale}
        flow = output["histograms"]["cutflow"][{"dataset": "x", "variation": "nominal", "cut": "all"}]
        assert flow.value == 4 * scale


def test_what_is_stored_of_a_chunk_has_no_cross_section(job, halfway):
    """Not in the files of checkpoints, nor in any name of them."""
    halfway(luminosity=1.0, datasets={"x": FILES | {"cross_section": 123.4375}})
    stored = [path for path in (job / "out" / "checkpoints").rglob("*") if path.is_file()]
    assert stored
    assert not any(b"123.4375" in path.read_bytes() for path in stored)
    assert json.loads((job / "out" / "report.json").read_text())["cross_section"] == {"x": 123.4375}
