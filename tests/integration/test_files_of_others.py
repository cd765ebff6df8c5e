"""Files that other programs wrote: they are read, or the answer says what is missing and what to do."""

import json
import socket
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import awkward as ak
import h5py
import numpy as np
import pytest
import uproot
from click.testing import CliRunner

from hepreco.cli import main
from hepreco.events import Dataset, to_fileset
from hepreco.events.spanet import SpanetSource

# Connections to a server that keeps silent are closed by the garbage collector.
pytestmark = [
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]
MET = {"name": "met", "columns": ["PuppiMET.pt"], "axis": {"bins": 10, "start": 0, "stop": 100}}
JET_PT = {"name": "jet_pt", "columns": ["Jet.pt"], "axis": {"bins": 20, "start": 0, "stop": 200}}


def flat(table: dict[str, object]) -> dict[str, object]:
    """NanoAOD's own names of branches, one for each component."""
    plain = {name: values for name, values in table.items() if name != "Jet"}
    return plain | {f"Jet_{name}": table["Jet"][name] for name in table["Jet"].fields}


# Counters


@pytest.mark.parametrize("kind", ["TTree", "RNTuple"])
def test_no_counter(job, columns, kind):
    """A skim as uproot's documentation writes it: it is read rightly, or the missing counter is named."""
    table = flat(columns())
    with uproot.recreate(job / "a.root") as file:
        if kind == "TTree":
            types = {k: v.type.content if isinstance(v, ak.Array) else v.dtype for k, v in table.items()}
            file.mktree("Events", types)
            file["Events"].extend(table)
        else:
            file.mkrntuple("Events", table)
    job.configure(plugins={"kinematic-variables": {"where": ["pt > 30"]}}, histograms=[JET_PT])
    result = job.run()
    assert "JetArray" not in result.output
    assert "unexpected" not in result.output
    if result.exit_code == 0:
        assert job.filled() == ak.count(table["Jet_pt"])
    else:
        assert result.exit_code in (1, 2)
        for word in ("nJet", "counter", "what to do"):
            assert word in result.output


# Numbers of events


@pytest.mark.parametrize("missing", [("luminosityBlock",), ("run",), ("event",), ("run", "luminosityBlock", "event")])
def test_events_without_numbers_are_numbered(job, missing):
    job.write(**dict.fromkeys(missing))
    job.configure(plugins={"chi2-assigner": {}})
    result = job.run("--write-columns", "parquet", "--chunksize", 30)
    assert result.exit_code == 0, result.output
    assert job.report()["events"] == {"x": 100}
    assert missing[-1] in result.output
    written = ak.concatenate([ak.from_parquet(job / "out" / "columns" / name) for name in job.report()["columns"]])
    assert len(set(zip(*(written[name].tolist() for name in ("run", "luminosityBlock", "event")), strict=True))) == 100
    job.write()
    assert job.run("--write-columns", "parquet", output="numbered").exit_code == 0
    assert job.histograms() == job.histograms("numbered")


def test_events_without_numbers_do_not_depend_on_chunks(job):
    job.write(run=None, luminosityBlock=None, event=None)
    job.configure(plugins={"chi2-assigner": {}})
    numbers = []
    for size in (7, 100):
        assert job.run("--write-columns", "parquet", "--chunksize", size, output=f"out{size}").exit_code == 0
        names = job.report(f"out{size}")["columns"]
        read = ak.concatenate([ak.from_parquet(job / f"out{size}" / "columns" / name) for name in names])
        order = ak.argsort(read.event)
        numbers.append(read[["event", "chi2_assigner_chi2"]][order])
    assert numbers[0].event.tolist() == numbers[1].event.tolist()
    assert ak.array_equal(*(ak.nan_to_num(read.chi2_assigner_chi2, nan=-1) for read in numbers))


def test_a_cut_on_an_event_without_a_number(job):
    """The smallest case: no plugin needs the numbers."""
    job.write(luminosityBlock=None)
    job.configure(selection=[{"name": "met", "collection": "PuppiMET", "where": ["pt > -1"]}], histograms=[MET])
    result = job.run()
    assert result.exit_code == 0, result.output
    assert job.filled("met") == 100


def test_a_trigger_that_one_of_two_files_lacks(job):
    """It did not fire there: 3 of 200 events, and the terminal says which file lacks it."""
    fired = np.zeros(100, bool)
    fired[:3] = True
    job.write("a.root", HLT_IsoMu24=fired, HLT_Mu50=np.ones(100, bool))
    job.write("b.root", HLT_Mu50=np.ones(100, bool), seed=2)
    job.configure(
        datasets={"x": {"files": ["a.root", "b.root"]}},
        selection=[{"name": "trigger", "collection": "HLT", "where": ["IsoMu24 == 1"]}],
    )
    result = job.run()
    assert result.exit_code == 0, result.output
    flow = job.histograms()["cutflow"][{"dataset": "x", "variation": "nominal"}]
    assert flow[{"cut": "all"}].value == 200
    assert flow[{"cut": "trigger"}].value == 3
    assert "IsoMu24" in result.output
    assert "b.root" in result.output


def test_a_trigger_that_no_file_has_is_a_mistake(job, refused):
    job.write("a.root", HLT_IsoMu24=np.ones(100, bool))
    job.configure(selection=[{"name": "trigger", "collection": "HLT", "where": ["IsoMu42 == 1"]}])
    refused(job.run(), "IsoMu42", "IsoMu24")


# Servers


@contextmanager
def silence() -> Iterator[str]:
    """The address of a server that accepts connections, and never says anything."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        connections: list[socket.socket] = []
        stop = threading.Event()

        def accept() -> None:
            server.settimeout(0.1)
            while not stop.is_set():
                try:
                    connections.append(server.accept()[0])
                except TimeoutError:
                    continue

        thread = threading.Thread(target=accept, daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.getsockname()[1]}/silent.root"
        finally:
            stop.set()
            thread.join()
            for connection in connections:
                connection.close()


class Ranges(SimpleHTTPRequestHandler):
    """Serves parts of files, as the servers of the field do; falls silent after a number of answers."""

    protocol_version = "HTTP/1.1"

    def __init__(self, *arguments: object, answers: list[int], stop: threading.Event, **options: object) -> None:
        self.answers, self.stop = answers, stop
        super().__init__(*arguments, **options)

    def log_message(self, *_: object) -> None:
        """Nothing on the terminal."""

    def do_GET(self) -> None:
        if not self.answers:
            self.stop.wait(60)
            return
        self.answers.pop()
        path = Path(self.translate_path(self.path))
        if not path.is_file():
            self.send_error(404)
            return
        data = path.read_bytes()
        first, last = 0, len(data) - 1
        asked = self.headers.get("Range")
        if asked:
            one, _, other = asked.removeprefix("bytes=").partition("-")
            first, last = int(one), min(int(other or last), last)
        self.send_response(206 if asked else 200)
        self.send_header("Accept-Ranges", "bytes")
        if asked:
            self.send_header("Content-Range", f"bytes {first}-{last}/{len(data)}")
        self.send_header("Content-Length", str(last - first + 1))
        self.end_headers()
        self.wfile.write(data[first : last + 1])


@pytest.fixture
def serve(job, monkeypatch):
    """Serve the job's directory; the argument says how many requests are answered before the server falls silent."""
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    stop, servers = threading.Event(), []

    def start(answers: int = 10_000) -> str:
        handler = partial(Ranges, answers=[1] * answers, stop=stop, directory=str(job.directory))
        server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, daemon=True).start()
        servers.append(server)
        return f"http://127.0.0.1:{server.server_address[1]}"

    yield start
    stop.set()
    for server in servers:
        server.shutdown()
        server.server_close()


def test_a_file_of_a_server(job, serve):
    job.write()
    result = job.run("--files", f"x={serve()}/a.root", "--timeout", 20)
    assert result.exit_code == 0, result.output
    assert job.report()["events"] == {"x": 100}


@pytest.mark.parametrize("executor", ["iterative", "futures"])
def test_a_server_that_never_answers(job, refused, monkeypatch, ready_workers, executor):
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    job.write()
    with silence() as address:
        options = ("--timeout", 1, "--executor", executor, "--workers", 1)
        refused(job.run("--files", f"x={address}", *options), "silent.root", "--timeout")
        files = ("--files", f"x={address}", "--files", f"x={job / 'a.root'}")
        skipped = job.run(*files, "--skip-bad-files", *options)
    assert skipped.exit_code == 0, skipped.output
    assert job.report()["events"] == {"x": 100}
    (failure,) = job.report()["failures"]
    assert failure["kind"] == "unreadable"
    assert failure["file"] == address


@pytest.mark.parametrize("answers", [1, 2, 3])
def test_a_server_that_falls_silent(job, serve, answers):
    """While the file is opened, or while events are read."""
    job.write("a.root", events=2000)
    address = f"{serve(answers)}/a.root"
    result = job.run("--files", f"x={address}", "--timeout", 1, "--skip-bad-files")
    assert result.exit_code == 0, result.output
    (failure,) = job.report()["failures"]
    assert failure["kind"] == "unreadable"
    assert failure["file"] == address
    assert job.report()["events"] == {"x": 0}


@pytest.mark.parametrize("options", [("--timeout", 5), ()])
def test_a_file_that_a_server_does_not_have(job, refused, serve, options):
    refused(job.run("--files", f"x={serve()}/absent.root", *options), "absent.root")


def test_a_server_that_is_not_there(job, refused):
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    refused(job.run("--files", f"x=http://127.0.0.1:{port}/a.root", "--timeout", 5), f":{port}/a.root")


@pytest.mark.parametrize("value", ["0", "-1", "nan", "soon"])
def test_a_time_limit_is_a_positive_number(job, value):
    job.write()
    result = job.run("--timeout", value)
    assert result.exit_code == 2
    assert "--timeout" in result.output


def test_xrootd_is_named_with_its_extra(job, refused, monkeypatch):
    for module in ("fsspec_xrootd", "XRootD", "XRootD.client"):
        monkeypatch.setitem(sys.modules, module, None)
    result = job.run("--files", "x=root://127.0.0.1:1//store/a.root", "--timeout", 5)
    refused(result, "root://127.0.0.1:1//store/a.root", "fsspec-xrootd", "hepreco[xrootd]")


# Names of files


@pytest.mark.parametrize(
    "name",
    ["München.root", "日本.root", "a b.root", "a#b.root", "100%.root", "a+b=c.root", "[1].root", "ttbar.v1.root"],
)
def test_a_file_of_any_name(job, name):
    job.write().rename(job / name)
    job.configure(datasets={"x": {"files": [name]}}, plugins={"chi2-assigner": {}})
    result = job.run("--write-columns", "parquet")
    assert result.exit_code == 0, result.output
    assert job.report()["events"] == {"x": 100}
    (chunk,) = job.report()["processed"]
    assert chunk["file"].endswith(name)


def test_a_dataset_of_any_name(job):
    job.write()
    job.configure(datasets={"Zürich tt̄": {"files": ["a.root"]}})
    result = job.run()
    assert result.exit_code == 0, result.output
    assert job.report()["events"] == {"Zürich tt̄": 100}


@pytest.mark.parametrize(
    "second", ["{path}", "file://{path}", "file://localhost{path}", "{directory}/./a.root", "link.root", "*.root"]
)
def test_one_file_under_two_names_counts_once(job, second):
    path = job.write()
    (job / "link.root").symlink_to(path)
    other = second.format(path=path, directory=path.parent)
    job.configure(datasets={"x": {"files": ["a.root", other]}})
    result = job.run()
    assert result.exit_code == 0, result.output
    assert job.report()["events"] == {"x": 100}


def test_an_address_of_a_local_file_is_read(job):
    path = job.write().rename(job / "a b.root")
    result = job.run("--files", f"x=file://{path}")
    assert result.exit_code == 0, result.output
    assert job.report()["events"] == {"x": 100}


def test_an_address_of_a_local_file_that_is_not_there(job, refused):
    refused(job.run("--files", "x=file:///nowhere/a.root"), "/nowhere/a.root", status=(2,))


# Parquet


@pytest.mark.parametrize("counter", [True, False])
@pytest.mark.parametrize("chunksize", [30, 1000])
def test_parquet_gives_what_root_gives(job, columns, counter, chunksize):
    job.write()
    table = flat(columns())
    if counter:
        table["nJet"] = ak.num(table["Jet_pt"])
    ak.to_parquet(ak.zip(table, depth_limit=1), job / "a.parquet", row_group_size=40)
    job.configure(
        selection=[{"name": "jets", "collection": "Jet", "where": ["pt > 50"], "at_least": 2}],
        histograms=[JET_PT, MET],
        plugins={"chi2-assigner": {}},
    )
    assert job.run(output="root").exit_code == 0
    job.configure(
        datasets={"x": {"files": ["a.parquet"]}},
        selection=[{"name": "jets", "collection": "Jet", "where": ["pt > 50"], "at_least": 2}],
        histograms=[JET_PT, MET],
        plugins={"chi2-assigner": {}},
    )
    result = job.run("--chunksize", chunksize, output="parquet")
    assert result.exit_code == 0, result.output
    assert job.histograms("parquet") == job.histograms("root")
    assert job.report("parquet")["events"] == {"x": 100}


def test_root_and_parquet_in_one_dataset(job, columns):
    job.write("a.root")
    ak.to_parquet(ak.zip(flat(columns(50, seed=2)), depth_limit=1), job / "b.parquet")
    job.configure(datasets={"x": {"files": ["a.root", "b.parquet"]}})
    result = job.run()
    assert result.exit_code == 0, result.output
    assert job.report()["events"] == {"x": 150}


def test_parquet_that_is_not_nanoaod(job, refused):
    ak.to_parquet(ak.Array({"a": [1, 2], "b": [3, 4]}), job / "a.parquet")
    refused(job.run("--files", f"x={job / 'a.parquet'}"), "a.parquet")


def test_parquet_whose_lists_have_different_lengths(job, refused, columns):
    table = flat(columns())
    table["Jet_eta"] = table["Jet_eta"][::-1]
    ak.to_parquet(ak.zip(table, depth_limit=1), job / "a.parquet")
    job.configure(datasets={"x": {"files": ["a.parquet"]}}, plugins={"chi2-assigner": {}})
    refused(job.run(), "a.parquet")
    assert job.run("--skip-bad-files").exit_code == 0
    (failure,) = job.report()["failures"]
    assert failure["kind"] == "unreadable"


# HDF5 of SPANet


def spanet(path: Path, table: dict[str, object], *, chunks: tuple[int, int] | None = None) -> Path:
    """The jets and missing momentum of a table, with truth that has the names of columns."""
    jets, slots = table["Jet"], 6
    with h5py.File(path, "w") as file:
        for name in jets.fields:
            padded = ak.fill_none(ak.pad_none(jets[name], slots, clip=True), 0)
            file.create_dataset(f"INPUTS/Source/{name}", data=ak.to_numpy(padded), chunks=chunks)
        file["INPUTS/Source/MASK"] = np.arange(slots) < ak.to_numpy(ak.num(jets))[:, None]
        file["INPUTS/Met/met"], file["INPUTS/Met/phi"] = table["PuppiMET_pt"], table["PuppiMET_phi"]
        file["TARGETS/Jet/truth"] = np.zeros(len(jets), int)
    return path


@pytest.mark.parametrize("options", [("--chunksize", 30), ()])
def test_spanet_gives_what_root_gives(job, columns, options):
    job.write()
    spanet(job / "a.h5", columns(), chunks=(16, 6))
    tables = {
        "selection": [{"name": "jets", "collection": "Jet", "where": ["pt > 50"], "at_least": 2}],
        "histograms": [JET_PT, MET],
        "plugins": {"chi2-assigner": {"b_tag": "btagDeepFlavB"}},
        "variations": [{"name": "jes_up", "scale": 1.1}],
    }
    job.configure(**tables)
    assert job.run(output="root").exit_code == 0
    job.configure(datasets={"x": {"files": ["a.h5"]}}, **tables)
    result = job.run(*options, output="spanet")
    assert result.exit_code == 0, result.output
    assert job.histograms("spanet") == job.histograms("root")
    assert job.report("spanet")["events"] == {"x": 100}
    (warning,) = job.report("spanet")["warnings"]
    assert warning == "dataset 'x': run, luminosityBlock, event: missing, entries are numbered instead"


@pytest.mark.parametrize("changed", [False, True])
def test_spanet_is_resumed_unless_it_has_changed(job, columns, monkeypatch, changed):
    """One of two files lacks a branch; then that one is mended."""
    spanet(job / "kept.h5", columns())
    job.write("mended.root", seed=2, Jet=None)
    job.configure(datasets={"x": {"files": ["kept.h5", "mended.root"]}})
    assert job.run("--chunksize", 50).exit_code == 1
    job.write("mended.root", seed=2)
    if changed:
        spanet(job / "kept.h5", columns(seed=3))
    read, original = set(), SpanetSource.read

    def noted(source, names, *entries):
        read.add(entries)
        return original(source, names, *entries)

    monkeypatch.setattr(SpanetSource, "read", noted)
    assert job.run("--chunksize", 50, "--resume").exit_code == 0
    assert read == ({(0, 0), (0, 50), (50, 100)} if changed else set())
    assert job.report()["events"] == {"x": 200}


@pytest.mark.parametrize("keep", [0.1, 0.5, 0.99])
def test_spanet_that_is_cut_short(job, refused, columns, keep):
    job.write("good.root")
    path = spanet(job / "a.h5", columns())
    path.write_bytes(path.read_bytes()[: int(keep * path.stat().st_size)])
    job.configure(datasets={"x": {"files": ["a.h5", "good.root"]}})
    refused(job.run(), "a.h5", "HDF5")
    assert job.run("--skip-bad-files").exit_code == 0
    assert job.report()["events"] == {"x": 100}
    (failure,) = job.report()["failures"]
    assert failure["kind"] == "unreadable"


def test_spanet_of_another_layout(job, refused):
    with h5py.File(job / "a.h5", "w") as file:
        file["jets"], file["tracks"] = np.zeros(3), np.zeros(3)
    for options in ((), ("--skip-bad-files",)):
        refused(job.run("--files", f"x={job / 'a.h5'}", *options), "a.h5", "not a file of SPANet", "Umami", status=(2,))


@pytest.mark.parametrize("column", ["TARGETS.Jet", "Jet.truth", "Jet.TARGETS", "TARGETS_Jet.truth", "MASK"])
def test_truth_of_spanet_is_no_column(job, refused, columns, column):
    spanet(job / "a.h5", columns())
    histogram = {"name": "truth", "columns": [column], "axis": {"bins": 2, "start": 0, "stop": 2}}
    job.configure(datasets={"x": {"files": ["a.h5"]}}, histograms=[histogram])
    refused(job.run(), "a.h5", column.replace(".", "_"), status=(2,))


def test_a_function_finds_no_truth_of_spanet(job, columns):
    spanet(job / "a.h5", columns())
    job.module("cuts", "def fields(events):\n    raise ValueError(sorted(events.fields + events.Jet.fields))\n")
    job.configure(datasets={"x": {"files": ["a.h5"]}}, selection=[{"name": "fields", "function": "cuts:fields"}])
    job.run()
    (failure,) = job.report()["failures"]
    own = ["Jet", "MET", "PuppiMET", *("btagDeepFlavB", "charge", "eta", "event", "luminosityBlock", "mass", "phi")]
    assert str([*own, "pt", "run"]) in failure["reason"]


def test_a_plugin_is_trained_on_spanet(job, columns):
    spanet(job / "a.h5", columns())
    arguments = ["train", "autoencoder", "--files", str(job / "a.h5"), "--objects", "3", "--epochs", "1"]
    result = CliRunner().invoke(main, [*arguments, "--output", str(job / "weights")])
    assert result.exit_code == 0, result.output
    assert 'sample = "a.h5"' in (job / "weights/weights.toml").read_text()


# Filesets


def fileset(job, content: object, name: str = "fileset.json") -> Path:
    (job / name).write_text(content if isinstance(content, str) else json.dumps(content))
    return job / name


def layouts(one: Path, other: Path) -> dict[str, object]:
    return {
        "paths and trees": {str(one): "Events", str(other): "Events"},
        "preprocessed": {
            str(path): {"object_path": "Events", "steps": [[0, 50], [50, 100]], "num_entries": 100, "uuid": "x"}
            for path in (one, other)
        },
        "a list": [str(one), str(other)],
    }


@pytest.mark.parametrize("layout", ["paths and trees", "preprocessed", "a list"])
def test_a_fileset_of_coffea(job, layout):
    files = layouts(job.write("a.root"), job.write("b.root", seed=2))[layout]
    path = fileset(
        job,
        {"ttbar": {"files": files, "metadata": {"is_mc": True}}, "data": {"files": {str(job / "a.root"): "Events"}}},
    )
    result = job.run("--files", path)
    assert result.exit_code == 0, result.output
    assert job.report()["events"] == {"ttbar": 200, "data": 100}


def test_a_fileset_names_trees(job):
    job.write("a.root", tree="Other")
    result = job.run("--files", fileset(job, {"x": {"files": {str(job / "a.root"): "Other"}}}))
    assert result.exit_code == 0, result.output
    assert job.report()["events"] == {"x": 100}


def test_a_fileset_that_hepreco_gives_to_coffea_comes_back(job):
    dataset = Dataset("x", (str(job.write(events=4)),), cross_section=200.0)
    path = fileset(job, to_fileset([dataset]))
    job.configure(luminosity=1.0, datasets={})
    result = job.run("--files", path)
    assert result.exit_code == 0, result.output
    assert job.report()["scale"] == {"x": 50000.0}


def test_a_fileset_keeps_what_the_configuration_says_of_its_datasets(job):
    path = fileset(job, {"x": {"files": {str(job.write(events=4)): "Events"}}})
    job.configure(luminosity=1.0, datasets={"x": {"files": ["absent.root"], "cross_section": 200.0}})
    result = job.run("--files", path)
    assert result.exit_code == 0, result.output
    assert job.report()["scale"] == {"x": 50000.0}


@pytest.mark.parametrize(
    "content",
    ["", "{", "[]", "3", '{"x": 3}', '{"x": {}}', '{"x": {"files": 3}}', '{"x": {"files": {"a.root": 3}}}',
     '{"x": {"files": {}}}', "\x00", "[" * 5000, '{"../x": {"files": {"a.root": "Events"}}}', "{}"],
)  # fmt: skip
def test_a_fileset_that_is_none(job, refused, content):
    job.write()
    refused(job.run("--files", fileset(job, content)), "fileset.json" if ".." not in content else "../x", status=(2,))


# Other schemas

OTHERS = {
    "PHYSLITE": ("CollectionTree", ("AnalysisJetsAuxDyn.pt", "AnalysisJetsAuxDyn.eta", "EventInfoAuxDyn.runNumber")),
    "Delphes": ("Delphes", ("Event.Number", "Jet.PT", "Jet.Eta", "Jet_size", "MissingET.MET")),
    "EDM4hep": ("events", ("EventHeader.eventNumber", "ReconstructedParticles.energy", "ReconstructedParticles.PDG")),
}


def write_other(path: Path, tree: str, branches: tuple[str, ...], kind: str) -> None:
    jagged = ak.values_astype(ak.Array([[50.0, 40.0], [60.0]]), np.float32)
    table = {name: np.ones(2, np.int32) if name.endswith(("umber", "size")) else jagged for name in branches}
    with uproot.recreate(path) as file:
        if kind == "TTree":
            types = {k: v.type.content if isinstance(v, ak.Array) else v.dtype for k, v in table.items()}
            file.mktree(tree, types)
            file[tree].extend(table)
        else:
            file.mkrntuple(tree, {name.replace(".", "_"): values for name, values in table.items()})


@pytest.mark.parametrize("schema", OTHERS)
@pytest.mark.parametrize("named", [False, True])
def test_another_schema_is_refused_by_name(job, refused, schema, named):
    """Also where the configuration names its tree."""
    tree, branches = OTHERS[schema]
    write_other(job / "a.root", tree, branches, "TTree")
    job.configure(datasets={"x": {"files": ["a.root"], **({"tree": tree} if named else {})}})
    refused(job.run(), "a.root", "not NanoAOD", schema)


@pytest.mark.parametrize("schema", ["PHYSLITE", "EDM4hep"])
def test_another_schema_in_an_rntuple_is_refused(job, refused, schema):
    tree, branches = OTHERS[schema]
    write_other(job / "a.root", tree, branches, "RNTuple")
    refused(job.run(), "a.root", "not NanoAOD")


def test_a_file_of_histograms_is_refused(job, refused):
    with uproot.recreate(job / "a.root") as file:
        file["h"] = np.histogram([1.0, 2.0])
    refused(job.run(), "a.root", "Events", "what to do")


def test_another_tree_of_the_same_file_is_offered(job, refused):
    job.write(tree="Evts")
    refused(job.run(), "a.root", "Events", "Evts", status=(2,))
