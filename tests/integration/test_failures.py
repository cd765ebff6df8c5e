"""What failed, and whose fault it was: only what crosses the border of reading is ``unreadable``."""

import resource
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import uproot
from click.testing import CliRunner
from coffea import processor

import hepreco
from hepreco.cli import main
from hepreco.errors import WeightsError
from hepreco.events import Dataset, Variation, to_fileset
from hepreco.plugin import discover
from hepreco.processing import FunctionCut, ReconstructionProcessor
from hepreco.weights import read_card

#: Errors of other people's code are cut down to about a line.
LONGEST = 3000


def function_cut(job, body: str, *, head: str = "import numpy as np") -> None:
    """Configure a cut called ``my cut`` whose function has this body, and otherwise keeps all events."""
    job.module("my_cuts", f"{head}\ndef keep(events):\n    {body}\n    return np.ones(len(events), bool)\n")
    job.configure(selection=[{"name": "my cut", "function": "my_cuts:keep"}])


def failure(job) -> dict[str, object]:
    (failure,) = job.report()["failures"]
    return failure


# The output directory


@contextmanager
def small_disk(size: int) -> Iterator[None]:
    """No file can grow beyond this size, as on a full disk."""
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    writes, sys.dont_write_bytecode = sys.dont_write_bytecode, True
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, limits[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        sys.dont_write_bytecode = writes


@pytest.mark.parametrize("size", [0, 100, 2000, 5000])
@pytest.mark.parametrize("options", [(), ("--write-columns", "parquet"), ("--write-columns", "root")])
def test_a_full_disk(job, refused, size, options):
    job.write()
    job.configure(plugins={"chi2-assigner": {}})
    assert job.run("--skip-bad-files", *options, output="fine").exit_code == 0
    with small_disk(size):
        result = job.run("--skip-bad-files", *options)
    refused(result, "cannot write", str(job / "out"))
    assert "cannot read" not in result.output


@pytest.mark.parametrize("blocked", ["checkpoints", "columns"])
def test_a_directory_that_cannot_be_made(job, refused, blocked):
    job.write()
    (job / "out").mkdir()
    (job / "out" / blocked).write_text("a file is in the way")
    job.configure(plugins={"chi2-assigner": {}})
    refused(job.run("--skip-bad-files", "--write-columns", "parquet"), "cannot write", blocked)
    assert (job / "out" / blocked).read_text() == "a file is in the way"


# Functions of the user


def test_a_file_that_a_cut_misses(job, refused):
    job.write()
    function_cut(job, "open('corrections.json')")
    refused(job.run("--skip-bad-files"), "my cut", "corrections.json", "FileNotFoundError", status=(1,))
    assert failure(job)["kind"] == "error"
    assert (failure(job)["start"], failure(job)["stop"]) == (0, 100)


@pytest.mark.parametrize(
    "error",
    [
        "OSError('odd')", "PermissionError('odd')", "ConnectionError('odd')", "TimeoutError('odd')", "EOFError('odd')",
        "ValueError('odd')", "IndexError('odd')", "KeyError('odd')", "AssertionError('odd')", "MemoryError('odd')",
        "RecursionError('odd')", "zlib.error('odd')", "struct.error('odd')",
        "uproot.DeserializationError('odd', None, None, {}, 'a.root')", "StopIteration('odd')", "Warning('odd')",
    ],
)  # fmt: skip
def test_no_type_of_exception_makes_an_error_of_a_cut_one_of_the_file(job, refused, error):
    job.write()
    function_cut(job, f"raise {error}", head="import struct, zlib, uproot\nimport numpy as np")
    refused(job.run("--skip-bad-files"), "my cut", "odd", status=(1,))
    assert failure(job)["kind"] == "error"


def test_a_cut_that_reads_a_damaged_file_of_its_own(job, refused):
    """The innermost frame is uproot's, and yet the input is fine."""
    job.write()
    (job / "corrections.root").write_bytes(b"no ROOT file" * 50)
    function_cut(job, f"uproot.open({str(job / 'corrections.root')!r})", head="import uproot\nimport numpy as np")
    refused(job.run("--skip-bad-files"), "my cut", status=(1,))
    assert failure(job)["kind"] == "error"


def damage_basket(path: Path, branch: str) -> None:
    """Flip bits of the header of a compressed block."""
    with uproot.open(path)["Events"] as tree:
        key = tree[branch].basket_key(0)
    data = bytearray(path.read_bytes())
    start = key.fSeekKey + key.fKeylen
    data[start : start + 4] = bytes(byte ^ 0x5A for byte in data[start : start + 4])
    path.write_bytes(data)


BRANCHES = ("nJet", "Jet_pt", "Jet_eta", "genWeight", "run", "event", "PuppiMET_pt")


@pytest.mark.parametrize("branch", BRANCHES)
def test_any_damaged_branch_in_use_is_an_unreadable_file(job, refused, branch):
    job.write("good.root", compression=uproot.ZLIB(4))
    damage_basket(job.write("bad.root", compression=uproot.ZLIB(4)), branch)
    met = {"name": "met", "columns": ["PuppiMET.pt"], "axis": {"bins": 10, "start": 0, "stop": 100}}
    eta = {"name": "eta", "columns": ["Jet.eta"], "axis": {"bins": 10, "start": -2, "stop": 2}}
    cut = {"name": "jet", "collection": "Jet", "where": ["pt > 30"]}
    job.configure(
        datasets={"x": {"files": ["bad.root", "good.root"]}},
        selection=[cut],
        plugins={"chi2-assigner": {}},
        histograms=[met, eta],
    )
    skipped = job.run("--skip-bad-files")
    assert skipped.exit_code == 0, skipped.output
    assert failure(job)["kind"] == "unreadable"
    assert failure(job)["file"].endswith("bad.root")
    assert "unexpected" not in skipped.output
    assert job.report()["events"] == {"x": 100}
    refused(job.run(), "bad.root")


@pytest.mark.parametrize("where", ["selection", "plugin", "histogram"])
def test_whoever_reads_it_first_a_damaged_branch_is_the_files(job, where):
    damage_basket(job.write(compression=uproot.ZLIB(4)), "Jet_pt")
    tables = {
        "selection": {"selection": [{"name": "jet", "collection": "Jet", "where": ["pt > 30"]}], "histograms": []},
        "plugin": {"plugins": {"chi2-assigner": {}}, "histograms": []},
        "histogram": {},
    }
    job.configure(**tables[where])
    assert job.run("--skip-bad-files").exit_code == 0
    assert failure(job)["kind"] == "unreadable"


@pytest.mark.parametrize("branch", ["nJet", "Jet_mass"])
def test_what_a_function_reads_lazily_crosses_the_same_border(job, branch):
    damage_basket(job.write(compression=uproot.ZLIB(4)), branch)
    function_cut(job, "assert len(events.Jet.mass.tolist()) == len(events)")
    job.configure(selection=[{"name": "my cut", "function": "my_cuts:keep"}], histograms=[])
    assert job.run("--skip-bad-files").exit_code == 0
    assert failure(job)["kind"] == "unreadable"


def test_a_function_cannot_hide_that_the_file_could_not_be_read(job):
    """A cut that takes any error for an event without jets would give a wrong number."""
    damage_basket(job.write(compression=uproot.ZLIB(4)), "Jet_mass")
    body = "try:\n        events.Jet.mass.tolist()\n    except Exception:\n        return np.zeros(len(events), bool)"
    function_cut(job, body)
    assert job.run("--skip-bad-files").exit_code == 0
    assert failure(job)["kind"] == "unreadable"
    assert job.report()["events"] == {"x": 0}


def test_a_damaged_branch_that_nobody_reads_is_nobodys_business(job):
    damage_basket(job.write(compression=uproot.ZLIB(4)), "Jet_btagDeepFlavB")
    result = job.run()
    assert result.exit_code == 0, result.output
    assert job.report()["events"] == {"x": 100}


# Plugins and functions cannot end the process

ENDINGS = ("sys.exit(0)", "sys.exit(3)", "sys.exit('odd')", "raise GeneratorExit('odd')", "raise Odd('odd')")
HEAD = "import sys\nimport numpy as np\nclass Odd(BaseException):\n    pass\n"


@pytest.mark.usefixtures("ready_workers")
@pytest.mark.parametrize(
    ("executor", "ending"),
    [*(("iterative", ending) for ending in ENDINGS), ("futures", ENDINGS[0]), ("futures", ENDINGS[-1])],
)
def test_a_cut_that_ends_the_process(job, refused, ending, executor):
    job.write()
    function_cut(job, ending, head=HEAD)
    refused(job.run("--skip-bad-files", "--executor", executor, "--workers", 1), "my cut", status=(1,))
    assert failure(job)["kind"] == "error"


def test_a_cut_that_ends_the_process_on_dask(job, refused, ready_workers):
    job.write()
    function_cut(job, "sys.exit(0)", head=HEAD)
    refused(job.run("--executor", "dask", "--workers", 1), "my cut", status=(1,))
    assert failure(job)["kind"] == "error"


@pytest.mark.parametrize("ending", ENDINGS)
def test_a_cut_whose_import_ends_the_process(job, refused, ending):
    job.write()
    function_cut(job, "pass", head=f"{HEAD}{ending}")
    refused(job.run(), "my cut", "my_cuts", status=(2,))


@pytest.mark.parametrize("ending", ENDINGS)
def test_a_plugin_that_ends_the_process_in_reconstruct(job, refused, plugin, ending):
    job.write()
    job.install(HEAD + plugin.replace("pass  # reconstruct", ending))
    job.configure(plugins={"mine": {}})
    refused(job.run("--skip-bad-files"), "mine", "a.root", status=(1,))
    assert failure(job)["kind"] == "error"
    assert "mine" in failure(job)["reason"]


@pytest.mark.parametrize("ending", [*ENDINGS, "open('weights.bin')", "1 / 0"])
def test_a_plugin_that_ends_the_process_in_setup(job, refused, plugin, ending):
    job.write()
    job.install(HEAD + plugin.replace("pass  # setup", ending))
    job.configure(plugins={"mine": {}})
    refused(job.run("--skip-bad-files"), "mine", status=(2,))


@pytest.mark.parametrize(
    "place", ["# import", "pass  # inputs", 'register("mine", Plugin)'], ids=["import", "inputs", "hook"]
)
@pytest.mark.parametrize("ending", ENDINGS)
def test_a_plugin_that_ends_the_process_before_it_is_used(job, refused, plugin, ending, place):
    code = plugin.replace("def inputs(self):", "def inputs(self):\n        pass  # inputs").replace(place, ending)
    job.write()
    job.install(HEAD + code)
    job.configure(plugins={"mine": {}})
    refused(job.run(), "mine", status=(2,))
    assert {"chi2-assigner", "autoencoder"} <= {found.name for found in discover().plugins}


@pytest.mark.parametrize("ending", ENDINGS)
def test_a_plugin_whose_import_ends_the_process_is_listed_as_broken(job, plugin, ending):
    job.install(HEAD + plugin.replace("# import", ending))
    listed = CliRunner(env={"COLUMNS": "200"}).invoke(main, ["plugins", "list"])
    assert listed.exit_code == 0, listed.output
    (broken,) = discover().broken
    assert (broken.name, broken.distribution) == ("mine", "hepreco-mine")
    assert "mine" in listed.output
    assert "broken" in listed.output


def test_a_plugin_that_others_break_does_not_stop_a_run_without_it(job, plugin):
    job.write()
    job.install(HEAD + plugin.replace("# import", "sys.exit(0)"))
    result = job.run()
    assert result.exit_code == 0, result.output
    assert job.report()["events"] == {"x": 100}


# Errors of any shape


def shape(text: str, *, method: str = "__str__(self)") -> str:
    """An exception whose text is what this code gives."""
    return f"class Shape(Exception):\n    def {method}:\n        {text}\n    __repr__ = Exception.__str__"


SHAPES = {
    "text that raises": shape("raise RuntimeError('inner')").replace("Exception.__str__", "__str__"),
    "text that is no text": shape("return 3"),
    "text that exits": shape("raise SystemExit(0)").replace("Exception.__str__", "__str__"),
    "a megabyte": shape("return 'x' * 1_000_000"),
    "many lines": shape("return 'line\\n' * 100_000"),
    "control characters": shape("return 'a\\x1b[2Jb\\x00c\\rd'"),
    "markup": shape("return '[/red] [bold'"),
    "a lone surrogate": shape("return 'a\\udc80b'"),
    "a long chain": shape("self.__cause__ = ValueError('y' * 100_000)", method="__init__(self)"),
    "a circle": shape("self.__cause__ = ValueError('y'); self.__cause__.__cause__ = self", method="__init__(self)"),
    "no text": shape("return ''"),
}
EVERY_SHAPE = pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES.keys())


def assert_short(text: str) -> None:
    assert len(text) < LONGEST
    assert "\x1b" not in text
    assert "\x00" not in text


@EVERY_SHAPE
def test_an_error_of_any_shape_in_a_cut(job, refused, shape):
    job.write()
    function_cut(job, "raise Shape", head=f"import numpy as np\n{shape}")
    result = job.run("--skip-bad-files")
    refused(result, "my cut", "Shape", status=(1,))
    assert_short(result.output)
    assert_short(failure(job)["reason"])
    assert "\n" not in failure(job)["reason"]


@EVERY_SHAPE
@pytest.mark.parametrize("place", ["# import", "pass  # setup", "pass  # reconstruct"])
def test_an_error_of_any_shape_in_a_plugin(job, refused, plugin, shape, place):
    job.write()
    job.install(f"{shape}\n{plugin.replace(place, 'raise Shape')}")
    job.configure(plugins={"mine": {}})
    result = job.run()
    refused(result, "mine", "Shape", status=(1,) if "reconstruct" in place else (2,))
    assert_short(result.output)


@EVERY_SHAPE
def test_an_error_of_any_shape_at_the_import_of_a_cut(job, refused, shape):
    job.write()
    function_cut(job, "pass", head=f"import numpy as np\n{shape}\nraise Shape")
    result = job.run()
    refused(result, "my cut", status=(2,))
    assert_short(result.output)


def test_a_module_of_a_cut_that_is_no_python(job, refused):
    job.write()
    function_cut(job, "pass", head="def (:")
    refused(job.run(), "my cut", "my_cuts", status=(2,))


@pytest.mark.parametrize(
    "content",
    [
        b"\xff\xfe[\x00d\x00", b"name = '\xe9'", b"\x00", b"\x7fELF" + bytes(range(256)),
        b"x = " + b"[" * 20_000 + b"]" * 20_000, b"a." * 5_000 + b"b = 1", b"x = '" + b"y" * 1_000_000 + b"'",
        b"x = " + b"9" * 10_000, b"k" * 1_000_000 + b" = 1", b"\xef\xbb\xbfx = 1",
    ],
    ids=["UTF-16", "Latin-1", "NUL", "binary", "nested", "dotted", "long value", "long number", "long key", "mark"],
)  # fmt: skip
def test_a_configuration_of_any_bytes(job, refused, content):
    (job / "a.toml").write_bytes(content)
    result = job.run()
    refused(result, "a.toml", status=(2,))
    assert_short(result.output)


def test_a_configuration_that_is_a_directory(job, refused):
    (job / "a.toml").unlink()
    (job / "a.toml").mkdir()
    refused(job.run(), "a.toml", status=(2,))


@pytest.mark.parametrize("content", [b"\xff\xfe", b"x = " + b"[" * 20_000, b"sha256 = '\x00'"])
def test_a_manifest_of_any_bytes(tmp_path, content):
    (tmp_path / "weights.toml").write_bytes(content)
    with pytest.raises(WeightsError, match=r"weights\.toml"):
        read_card(tmp_path)


@pytest.mark.parametrize("content", [b"", b"\xff\xfe", b"{", b"[" * 20_000, b"[]", b"null", b'{"processed": 3}'])
@pytest.mark.parametrize("name", ["histograms.zip", "report.json"])
def test_results_of_any_bytes_are_refused_by_plot(job, content, name):
    job.write()
    good = job.run()
    assert good.exit_code == 0, good.output
    (job / "out" / name).write_bytes(content)
    result = CliRunner().invoke(main, ["plot", str(job / "out")])
    assert "unexpected" not in result.output
    assert isinstance(result.exception, SystemExit | None)
    if name == "histograms.zip":
        assert result.exit_code == 2
        assert name in result.output


def test_names_in_an_error_are_not_taken_for_markup(job, refused):
    job.write("[bold]a.root", Jet=None)
    job.configure(datasets={"[bold]": {"files": ["*.root"]}})
    refused(job.run(), "[bold]a.root", status=(2,))


# A traceback says where

NOTED = """
import awkward as ak

def keep(events):
    1 / int(ak.max(events.Jet.pt) < {limit})
    return ak.num(events.Jet) >= 0
"""


@pytest.mark.parametrize(("limit", "variation"), [(0, "nominal"), (210, "doubled")])
def test_a_note_on_the_original_exception(job, limit, variation):
    """Dataset, file, entries and variation, where a traceback is shown."""
    path = job.write()
    job.module("my_cuts", NOTED.format(limit=limit))
    reconstruction = ReconstructionProcessor(
        selection=[FunctionCut("my cut", "my_cuts:keep")], variations=[Variation("doubled", 2.0)]
    )
    runner = processor.Runner(
        executor=processor.IterativeExecutor(status=False, retries=0), schema=hepreco.NanoAODSchema, metadata_cache={}
    )
    with pytest.raises(Exception) as caught:  # noqa: PT011  coffea may wrap it
        runner(to_fileset([Dataset("my dataset", (str(path),))]), processor_instance=reconstruction)
    notes = "\n".join(notes_of(caught.value))
    for word in ("my dataset", str(path), "0", "100", variation):
        assert word in notes


def notes_of(error: BaseException | None) -> Iterator[str]:
    """The notes on the ZeroDivisionError in a chain of exceptions."""
    while error is not None:
        if isinstance(error, ZeroDivisionError):
            yield from getattr(error, "__notes__", ())
        error = error.__cause__ or error.__context__
