"""Data: certified luminosity, triggers, events that come twice; periods, skims and replicas, from the command line."""

import json
import shutil

import awkward as ak
import numpy as np
import pytest
import uproot
from click.testing import CliRunner
from coffea.processor import IterativeExecutor, Runner

from hepreco.cli import main
from hepreco.events import Dataset, NanoAODSchema, to_fileset
from hepreco.histograms import HistogramSpec, read_histograms
from hepreco.plugin import Axis
from hepreco.processing import ReconstructionProcessor, SkimWriter, make_executor, prepare, process, runner

EVENTS = 100
HEADER = "#run:fill,ls,time,beamstatus,E(GeV),delivered({unit}),recorded({unit}),avgpu,source\n"
SHIFT = {"name": "jes_up", "collection": "Jet", "scale": 1.2}
TWO_JETS = {"name": "two jets", "collection": "Jet", "where": ["pt > 60"], "at_least": 2}


def result(job, output="out"):
    return read_histograms(job / output / "histograms.zip").histograms


def flow(job, dataset="x", output="out"):
    cutflow = result(job, output)["cutflow"][{"dataset": dataset, "variation": "nominal"}]
    return {cut: cutflow[{"cut": cut}].value for cut in cutflow.axes["cut"]}


def numbered(first=0, events=EVENTS):
    """Event numbers of data: ten events in a luminosity section."""
    number = np.arange(first, first + events)
    return {
        "run": np.full(events, 355100, np.uint32),
        "luminosityBlock": (1 + number // 10).astype(np.uint32),
        "event": number.astype(np.uint64),
    }


def table(job, rows, unit="/pb", name="lumi.csv"):
    lines = [
        f"355100:8000,{s}:{s},09/01/22 00:00:00,STABLE BEAMS,6800,{2 * value},{value},30,HFET\n" for s, value in rows
    ]
    (job / name).write_text("#Data tag : 22v1\n" + HEADER.format(unit=unit) + "".join(lines) + "#Summary:\n")


@pytest.fixture
def data(job):
    """A dataset of data with a generator weight that must not count."""
    job.write(**numbered(), genWeight=np.full(EVENTS, 3.0, np.float32))

    def configure(golden=None, **more):
        if golden is not None:
            (job / "golden.json").write_text(json.dumps(golden))
            more["certified"] = "golden.json"
        job.configure(datasets={"x": {"files": ["a.root"], "data": True, **more}})
        return job

    return configure


class TestCertified:
    def test_other_events_are_removed_first_and_counted(self, data):
        job = data({"355100": [[1, 2], [5, 5]], "400000": [[1, 9]]})
        printed = job.run()
        assert printed.exit_code == 0, printed.output
        assert list(flow(job).items())[:3] == [("all", EVENTS), ("certified", 30), ("finite momenta", 30)]
        report = job.report()
        assert report["removed"] == {"x": {"certified": 70}}
        assert report["lumi_sections"] == {"x": {"355100": [[1, 2], [5, 5]]}}
        assert "70 of 100 events removed before the cuts (certified)" in printed.output
        jets = uproot.open({job / "a.root": "Events"})["Jet_pt"].array()
        kept = np.isin(numbered()["luminosityBlock"], [1, 2, 5])
        filled = result(job)["jet_pt"][{"dataset": "x", "variation": "nominal"}]
        assert filled.sum(flow=True).value == ak.sum(ak.num(jets[kept]))

    def test_one_that_covers_nothing_is_said(self, data):
        job = data({"1": [[1, 10]]})
        assert job.run().exit_code == 0
        assert any("covers none of its 100 events" in said for said in job.report()["warnings"])
        assert flow(job)["finite momenta"] == 0

    @pytest.mark.parametrize(
        ("text", "words"),
        [
            ("no JSON", ["is not JSON"]),
            ("{}", ["lists no luminosity section"]),
            ('{"1": [[5, 1]]}', ["is not a table of luminosity sections"]),
            ('[[1, "a"]]', ["is not a table of luminosity sections"]),
            (None, ["cannot read", "golden.json"]),
        ],
    )
    def test_one_that_cannot_be_used_stops_the_run(self, data, refused, text, words):
        job = data(certified="golden.json")
        if text is not None:
            (job / "golden.json").write_text(text)
        refused(job.run(), *words, status=(2,))

    def test_files_without_numbers_are_refused(self, data, refused):
        job = data({"355100": [[1, 2]]})
        job.write(run=None)
        refused(job.run(), "no branch 'run'", status=(2,))


class TestLuminosity:
    def test_it_is_summed_over_what_was_processed(self, data):
        job = data({"355100": [[1, 4]]}, luminosity_table="lumi.csv")
        table(job, [(section, 10.0 * section) for section in range(1, 50)])
        printed = job.run()
        assert printed.exit_code == 0, printed.output
        assert job.report()["luminosity"]["x"] == pytest.approx(0.1)  # 10 + 20 + 30 + 40 pb⁻¹
        assert "0.1 fb⁻¹ in the 4 luminosity sections" in printed.output

    def test_sections_without_events_count_where_the_file_lists_them(self, data):
        job = data({"355100": [[1, 12]]}, luminosity_table="lumi.csv")
        with uproot.update(job / "a.root") as file:
            sections = np.arange(1, 15, dtype=np.uint32)
            file.mktree("LuminosityBlocks", {"run": np.uint32, "luminosityBlock": np.uint32}).extend(
                {"run": np.full(14, 355100, np.uint32), "luminosityBlock": sections}
            )
        table(job, [(section, 1e6) for section in range(1, 50)], unit="/ub")
        for chunksize in (1000, 7):
            assert job.run("--chunksize", chunksize).exit_code == 0
            assert job.report()["luminosity"]["x"] == pytest.approx(12e-3)

    def test_sections_that_the_table_lacks_and_another_luminosity_are_said(self, data):
        keys = {"files": ["a.root"], "data": True, "luminosity_table": "lumi.csv", "period": "2022"}
        job = data()
        table(job, [(section, 1.0) for section in range(1, 8)])
        job.configure(datasets={"x": keys}, periods={"2022": {"luminosity": 0.02}})
        assert job.run().exit_code == 0
        said = " ".join(job.report()["warnings"])
        assert "lacks 3 of 10 processed luminosity sections" in said
        assert "0.007 fb⁻¹ were processed, and simulation is normalised to 0.02 fb⁻¹" in said

    @pytest.mark.parametrize(
        ("text", "words"),
        [
            ("run,lumi\n1,2\n", ["no header that begins with #run:fill"]),
            ("#run:fill,ls,time\n1:2,3:3,0\n", ["its columns are #run:fill"]),
            (HEADER.format(unit="hz/ub") + "1:2,3:3,,,,1,1,1,\n", ["its luminosities are in hz/ub"]),
            (HEADER.format(unit="/pb") + "1:2,3:3,,,,1,one,1,\n", ["is no table of luminosity sections"]),
            (None, ["cannot read"]),
        ],
    )
    def test_a_table_without_the_columns_stops_the_run(self, data, refused, text, words):
        job = data(luminosity_table="lumi.csv")
        if text is not None:
            (job / "lumi.csv").write_text(text)
        refused(job.run(), *words, status=(2,))


@pytest.mark.parametrize(
    ("keys", "words"),
    [
        ({"data": True, "cross_section": 1.0}, ["is data and has cross_section"]),
        ({"data": True, "skim": True}, ["is data and has skim"]),
        ({"certified": "golden.json"}, ["has certified and is not data"]),
        ({"triggers": ["HLT_IsoMu24"]}, ["no trigger bit", "'HLT.IsoMu24'"]),
        ({"veto_triggers": ["Jet.pt"]}, ["no trigger bit"]),
        ({"period": "2023", "cross_section": 1.0}, ["period '2023'", "the periods are 2022"]),
    ],
)
def test_what_contradicts_itself_is_refused(job, refused, keys, words):
    job.write()
    job.configure(datasets={"x": {"files": ["a.root"], **keys}}, periods={"2022": {"luminosity": 1.0}})
    refused(job.run(), *words, status=(2,))


class TestTriggers:
    @pytest.fixture
    def bits(self):
        rng = np.random.default_rng(5)
        names = ("HLT_IsoMu24", "HLT_IsoTkMu24", "HLT_Ele32")
        return {name: rng.random(EVENTS) < 0.4 for name in names}

    def test_one_of_several_passes_and_none_of_others(self, job, bits):
        job.write("a.root", **bits)
        job.write("b.root", **(bits | {"HLT_IsoTkMu24": None}))
        job.configure(
            datasets={
                "x": {
                    "files": ["a.root", "b.root"],
                    "triggers": ["HLT.IsoMu24", "HLT.IsoTkMu24"],
                    "veto_triggers": ["HLT.Ele32"],
                },
                "y": {"files": ["a.root"]},
            }
        )
        assert job.run().exit_code == 0
        mu, tk, ele = bits.values()
        expected = ((mu | tk) & ~ele).sum() + (mu & ~ele).sum()
        assert list(flow(job).items())[1] == ("triggers", expected)
        assert flow(job, "y")["triggers"] == EVENTS
        report = job.report()
        assert report["removed"]["x"] == {"triggers": 2 * EVENTS - expected}
        assert any("HLT_IsoTkMu24 counts as false" in said for said in report["warnings"])

    def test_one_that_no_file_has_stops_the_run_with_the_closest(self, job, bits, refused):
        job.write(**bits)
        job.write("b.root", **bits)
        datasets = {"x": {"files": ["a.root"], "triggers": ["HLT.IsoMu42"]}, "y": {"files": ["b.root"]}}
        job.configure(datasets=datasets)
        refused(job.run(), "HLT_IsoMu42", "IsoMu24", status=(2,))

    def test_a_dataset_whose_files_have_none_of_its_triggers_stops_the_run(self, job, bits, refused):
        job.write(**bits)
        job.write("b.root", **(bits | {"HLT_IsoMu24": None}))
        of = {"triggers": ["HLT.IsoMu24"]}
        job.configure(datasets={"x": {"files": ["a.root"], **of}, "y": {"files": ["b.root"], **of}})
        refused(job.run(), "'y'", "none of its files has one of the triggers", status=(2,))


def test_coffeas_runner_gives_the_same(data, job):
    job = data({"355100": [[1, 6]]}, triggers=["HLT.Mu"])
    job.write(**numbered(), HLT_Mu=np.arange(EVENTS) % 3 == 0, genWeight=np.full(EVENTS, 3.0, np.float32))
    assert job.run("--chunksize", 40).exit_code == 0
    keys = {"data": True, "certified": str(job / "golden.json"), "triggers": ("HLT.Mu",)}
    dataset = Dataset("x", (str(job / "a.root"),), **keys)
    spec = HistogramSpec("jet_pt", ("Jet.pt",), Axis(20, 0.0, 200.0))
    runner = Runner(executor=IterativeExecutor(status=False), schema=NanoAODSchema, chunksize=40)
    output = runner(to_fileset([dataset]), processor_instance=ReconstructionProcessor(histograms=[spec]))
    assert output["histograms"]["jet_pt"] == result(job)["jet_pt"]
    assert output["report"].removed == job.report()["removed"] == {"x": {"certified": 40, "triggers": 40}}
    assert output["report"].lumi_sections["x"].as_json() == job.report()["lumi_sections"]["x"]
    assert output["report"].event_ids == {}


class TestDuplicates:
    def test_they_are_counted_with_a_remedy_for_any_chunk_size(self, job):
        job.write("a.root", **numbered())
        job.write("b.root", **numbered(first=95), seed=2)
        job.write("c.root", **numbered(first=150), seed=3)
        data = {"x": {"files": ["a.root", "b.root"], "data": True}, "y": {"files": ["c.root"], "data": True}}
        job.configure(datasets=data, selection=[])
        for chunksize in (1000, 9):
            assert job.run("--chunksize", chunksize).exit_code == 0
            report = job.report()
            assert report["duplicates"] == {"x": {"x": 5, "y": 45}, "y": {"x": 45}}
            assert any("5 selected events come again" in said for said in report["warnings"])
            assert any("give one of them veto_triggers or veto_datasets" in said for said in report["warnings"])

    def test_copies_of_files_are_named(self, job):
        shutil.copy(job.write("a.root"), job / "b.root")
        job.configure(datasets={"x": {"files": ["a.root", "b.root"]}})
        assert job.run().exit_code == 0
        (said,) = job.report()["warnings"]
        assert "b.root is a copy of" in said
        assert "100 events count twice" in said

    def test_files_without_event_numbers_are_left_alone(self, job):
        job.write("a.root", event=None)
        (job / "other").mkdir()
        job.write("other/a.root", event=None, seed=2)
        job.configure(datasets={"x": {"files": ["a.root", "other/a.root"], "data": True}})
        assert job.run().exit_code == 0
        assert job.report()["duplicates"] == {}


class TestEventsOfOtherDatasets:
    @pytest.fixture
    def muons_and_electrons(self, job):
        """Events 0 to 99 with a muon trigger, of which the second half passes, and 40 to 139 as electrons."""
        job.write("mu.root", **numbered(), HLT_IsoMu24=np.arange(EVENTS) >= 50)
        job.write("ele.root", **numbered(first=40), seed=2)

        def configure(**more):
            muon = {"files": ["mu.root"], "data": True, "triggers": ["HLT.IsoMu24"]}
            electron = {"files": ["ele.root"], "data": True, "veto_datasets": ["muon"], **more}
            job.configure(datasets={"electron": electron, "muon": muon}, selection=[])
            return job

        return configure

    @pytest.mark.parametrize("options", [(), ("--chunksize", 9), ("--executor", "futures", "--workers", 2)])
    def test_they_are_removed_by_number(self, muons_and_electrons, options):
        job = muons_and_electrons()
        printed = job.run(*options)
        assert printed.exit_code == 0, printed.output
        # Events 50 to 99 are in both datasets; 40 to 49 do not fire the trigger of the other.
        assert flow(job, "electron")["overlap"] == EVENTS - 50
        assert flow(job, "muon")["overlap"] == 50
        report = job.report()
        assert report["removed"]["electron"] == {"triggers": 0, "overlap": 50}
        assert report["duplicates"] == {}
        jets = uproot.open({job / "ele.root": "Events"})["Jet_pt"].array()
        kept = ~np.isin(np.arange(40, 140), np.arange(50, 100))
        filled = result(job)["jet_pt"][{"dataset": "electron", "variation": "nominal"}]
        assert filled.sum(flow=True).value == ak.sum(ak.num(jets[kept]))

    def test_a_resumed_run_notices_other_events(self, muons_and_electrons):
        job = muons_and_electrons()
        assert job.run().exit_code == 0
        job.write("mu.root", **numbered(), HLT_IsoMu24=np.arange(EVENTS) >= 90)
        assert job.run("--resume").exit_code == 0
        assert flow(job, "electron")["overlap"] == EVENTS - 10

    def test_events_of_a_file_that_is_skipped_stay(self, muons_and_electrons):
        job = muons_and_electrons()
        (job / "mu.root").write_bytes(b"no ROOT file")
        assert job.run("--skip-bad-files").exit_code == 0
        assert flow(job, "electron")["overlap"] == EVENTS

    def test_files_without_numbers_are_refused(self, muons_and_electrons, refused):
        job = muons_and_electrons()
        job.write("ele.root", event=None, run=None, luminosityBlock=None)
        refused(job.run(), "dataset 'electron' cannot be compared", "event", "veto triggers", status=(2,))

    @pytest.mark.parametrize(
        ("vetoes", "words"),
        [
            ({"electron": ["muons"]}, ["vetoes the dataset 'muons'", "did you mean 'muon'?"]),
            ({"electron": ["ttbar"]}, ["'ttbar', which is not data"]),
            ({"electron": ["muon"], "muon": ["electron"]}, ["veto each other"]),
            ({"electron": ["muon"], "muon": ["tau"], "tau": ["electron"]}, ["veto each other"]),
            ({"ttbar": ["muon"]}, ["has veto_datasets and is not data"]),
        ],
    )
    def test_vetoes_that_cannot_be_are_refused(self, job, refused, vetoes, words):
        job.write()
        data = {name: {"files": ["a.root"], "data": True} for name in ("electron", "muon", "tau")}
        datasets = {**data, "ttbar": {"files": ["a.root"]}}
        job.configure(
            datasets={name: {**each, "veto_datasets": vetoes.get(name, [])} for name, each in datasets.items()}
        )
        refused(job.run(), *words, status=(2,))

    @pytest.mark.filterwarnings("ignore:Performed attempt")
    def test_a_runner_of_coffea_cannot_compare(self, job):
        job.write(**numbered())
        files = (str(job / "a.root"),)
        datasets = [Dataset("muon", files, data=True), Dataset("electron", files, data=True, veto_datasets=("muon",))]
        spec = HistogramSpec("jet_pt", ("Jet.pt",), Axis(20, 0.0, 200.0))
        runner = Runner(executor=IterativeExecutor(status=False), schema=NanoAODSchema)
        with pytest.raises(Exception) as caught:  # noqa: PT011  coffea's own, caused by ours
            runner(to_fileset(datasets), processor_instance=ReconstructionProcessor(histograms=[spec]))
        assert "'electron' is to have no events of muon" in str(caught.value.__cause__ or caught.value)


def test_each_period_has_its_luminosity(job):
    job.write()
    x = {"files": ["a.root"], "cross_section": 2.0}
    datasets = {"a": {**x, "period": "2022"}, "b": {**x, "period": "2023"}, "c": x}
    job.configure(datasets=datasets, luminosity=3.0, periods={"2022": {"luminosity": 1.0}, "2023": {"luminosity": 2.0}})
    assert job.run().exit_code == 0
    assert job.report()["scale"] == pytest.approx({"a": 20.0, "b": 40.0, "c": 60.0})


def test_processes_are_kept_with_the_result(job, refused):
    job.write()
    process = {"files": ["a.root"], "process": "ttbar"}
    datasets = {"semileptonic": process, "hadronic": process, "data": {"files": ["a.root"], "data": True}}
    processes = {"ttbar": {"label": "top pairs", "colour": "#5790fc", "order": 2}}
    job.configure(datasets=datasets, processes=processes)
    assert job.run().exit_code == 0
    kept = read_histograms(job / "out" / "histograms.zip").provenance["processes"]
    assert kept["hadronic"] == kept["semileptonic"] == {"name": "ttbar", **processes["ttbar"]}
    assert kept["data"] == {"name": "data", "label": "", "colour": "", "order": 0}
    job.configure(datasets=datasets, processes={"tbar": {}})
    refused(job.run(), "[processes.tbar]", "did you mean 'ttbar'?", status=(2,))


class TestReplicas:
    def test_the_next_is_tried_and_the_result_does_not_depend_on_it(self, job):
        path = job.write()
        (job / "elsewhere").mkdir()
        shutil.copy(path, job / "elsewhere" / "a.root")
        job.configure(datasets={"x": {"files": [["a.root", "elsewhere/a.root"]]}})
        assert job.run(output="first").exit_code == 0
        path.write_bytes(b"not a file any more")
        assert job.run(output="second").exit_code == 0
        assert result(job, "first")["jet_pt"] == result(job, "second")["jet_pt"]
        processed = [job.report(output)["processed"] for output in ("first", "second")]
        assert processed[0] == processed[1]
        assert processed[0][0]["file"] == str(path)

    def test_a_resumed_run_does_not_ask_which_one_was_read(self, job, monkeypatch):
        path = job.write()
        shutil.copy(path, job / "b.root")
        job.configure(datasets={"x": {"files": [["a.root", "b.root"]]}})
        keys = []
        original = runner.process
        monkeypatch.setattr(
            "hepreco.cli.run.process",
            lambda plan, **options: keys.append([task.key for task in plan.tasks]) or original(plan, **options),
        )
        assert job.run().exit_code == 0
        path.unlink()
        assert job.run().exit_code == 0
        assert keys[0] == keys[1]

    def test_another_file_is_no_replica(self, job):
        path, other = job.write("a.root"), job.write("b.root", seed=2)
        dataset = Dataset("x", ((str(path), str(other)),))
        with make_executor("iterative", file_retries=0) as executor:
            plan = prepare(ReconstructionProcessor(), [dataset], executor=executor)
            path.unlink()
            (failure,) = process(plan, executor=executor)["report"].failures
        assert failure.kind == "unreadable"
        assert failure.chunk.file == str(path)
        assert "b.root has changed since the run was prepared" in failure.reason

    def test_where_all_fail_each_is_named(self, job, refused):
        job.configure(datasets={"x": {"files": [["missing.root", "also_missing.root"]]}})
        refused(job.run(), "none of 2 replicas can be read", "also_missing.root", status=(2,))

    def test_lists_of_rucio_are_filesets(self, job):
        job.write()
        fileset = {"/TT/Run3-v1/NANOAODSIM": {"files": [[str(job / "gone.root"), str(job / "a.root")]]}}
        (job / "fileset.json").write_text(json.dumps(fileset))
        assert job.run("--files", job / "fileset.json").exit_code == 0
        assert job.report()["events"] == {"TT_Run3-v1_NANOAODSIM": EVENTS}


class TestSkims:
    @pytest.mark.usefixtures("ready_workers")
    def test_they_can_be_written_from_python_in_any_process(self, job, tmp_path):
        dataset = Dataset("x", (str(job.write()),))
        with make_executor("futures", workers=1) as executor:
            plan = prepare(
                ReconstructionProcessor(), [dataset], executor=executor, skims=SkimWriter(tmp_path / "skims")
            )
            report = process(plan, executor=executor)["report"]
        (name,) = report.skims
        assert plan.writes == {"columns": [], "skims": [name]}
        with uproot.open({tmp_path / "skims" / name: "Events"}) as tree:
            assert tree.num_entries == EVENTS

    @pytest.fixture
    def originals(self, job):
        weight = np.random.default_rng(1).integers(-1, 3, EVENTS).astype(np.float32)
        job.write("a.root", genWeight=weight)
        job.write("b.root", genWeight=weight[::-1], seed=2)
        return job

    def configure(self, job, *files, **keys):
        job.configure(
            datasets={"x": {"files": list(files), "cross_section": 5.0, **keys}},
            selection=[TWO_JETS],
            variations=[SHIFT],
            luminosity=2.0,
        )

    def test_a_run_on_a_skim_gives_the_histograms_of_the_originals(self, originals):
        job = originals
        self.configure(job, "a.root", "b.root")
        assert job.run("--write-skim", "--chunksize", 30).exit_code == 0
        report, whole = job.report(), result(job)
        files = sorted((job / "out" / "skims" / "x").iterdir())
        assert [f"x/{file.name}" for file in files] == report["skims"]
        with uproot.open(files[0]) as file:
            assert file["Events"].num_entries < 30
            assert {"genEventSumw", "genEventCount"} <= set(file["Runs"].keys())
        self.configure(job, "out/skims/x/*.root", skim=True)
        printed = job.run("--write-skim", "--chunksize", 11, output="again")
        assert printed.exit_code == 0, printed.output
        assert result(job, "again")["jet_pt"] == whole["jet_pt"]
        assert job.report("again")["sum_of_weights"] == report["sum_of_weights"]
        assert flow(job, output="again")["two jets"] == flow(job)["two jets"]
        self.configure(job, "again/skims/x/*.root", skim=True)
        assert job.run(output="thrice").exit_code == 0
        assert result(job, "thrice")["jet_pt"] == whole["jet_pt"]

    def test_a_skim_without_its_tree_of_runs_stops_the_run(self, originals, refused):
        self.configure(originals, "a.root", skim=True)
        refused(originals.run(), "no tree 'Runs'", "genEventSumw", status=(2,))

    def test_a_file_counts_once_for_any_chunk_size_and_in_part_where_a_chunk_fails(self, originals):
        job = originals
        with uproot.update(job / "a.root") as file:
            file.mktree("Runs", {"genEventSumw": np.float64, "genEventCount": np.int64}).extend(
                {"genEventSumw": np.array([300.0, 100.0]), "genEventCount": np.array([200, 100])}
            )
        self.configure(job, "a.root", skim=True)
        assert job.run("--chunksize", 10).exit_code == 0
        assert job.report()["sum_of_weights"] == {"x": 400.0}
        assert job.report()["scale"]["x"] == pytest.approx(5.0 * 2000 / 400)
        job.module("fails", "def cut(events):\n    assert events.event[0] < 50\n    return events.event >= 0\n")
        job.configure(
            datasets={"x": {"files": ["a.root"], "cross_section": 5.0, "skim": True}},
            selection=[{"name": "fails", "function": "fails:cut"}],
            luminosity=2.0,
        )
        assert job.run("--chunksize", 10).exit_code == 1
        report = job.report()
        assert report["sum_of_weights"] == {"x": 200.0}
        assert any("processed in part" in said for said in report["warnings"])

    def test_skims_of_data_have_the_same_luminosity(self, data):
        job = data({"355100": [[1, 6]]}, luminosity_table="lumi.csv", triggers=["HLT.Mu"])
        job.write(**numbered(), HLT_Mu=np.arange(EVENTS) % 3 == 0)
        table(job, [(section, 1.0) for section in range(1, 50)])
        assert job.run("--write-skim").exit_code == 0
        whole = result(job)["jet_pt"]
        for file in (job / "out" / "skims" / "x").iterdir():
            shutil.copy(file, job / "a.root")
        assert job.run(output="again").exit_code == 0
        assert result(job, "again")["jet_pt"] == whole
        assert job.report("again")["luminosity"] == job.report()["luminosity"] == pytest.approx({"x": 0.006})

    def test_a_resumed_run_writes_skims_that_are_gone(self, originals):
        job = originals
        job.module("fails", "def cut(events):\n    assert events.event[0] != 50\n    return events.event >= 0\n")
        cuts = [{"name": "fails", "function": "fails:cut"}]
        job.configure(selection=cuts)
        assert job.run("--write-skim", "--chunksize", 50).exit_code == 1
        (written,) = (job / "out" / "skims" / "x").iterdir()
        written.unlink()
        assert job.run("--write-skim", "--chunksize", 50, "--resume").exit_code == 1
        assert written.exists()


def test_skims_of_real_files_give_the_same_with_plugins(samples, request, tmp_path, monkeypatch):
    monkeypatch.chdir(request.config.rootpath)
    config = "analyses/ttbar/lepton_jets.toml"

    def run(output, *files, skim=False):
        options = ["--no-figures", "--chunksize", "70", *(("--write-skim",) if skim else ())]
        named = [word for file in files for word in ("--files", f"x={file}")]
        printed = CliRunner().invoke(main, ["run", config, "--output", str(tmp_path / output), *options, *named])
        assert printed.exit_code == 0, printed.output
        return read_histograms(tmp_path / output / "histograms.zip").histograms

    whole = run("whole", samples / "nano_tt_v12.root", samples / "nano_tt_v15.root", skim=True)
    skimmed = run("skimmed", tmp_path / "whole/skims/x/*.root")
    assert len(whole) > 2
    assert {name: skimmed[name] for name in whole if name != "cutflow"} == {
        name: each for name, each in whole.items() if name != "cutflow"
    }


def test_real_data_with_certified_luminosity_and_triggers(samples, job):
    path = samples / "nano_dimuon.root"
    with uproot.open({path: "Events"}) as tree:
        numbers = tree.arrays(["run", "luminosityBlock", "HLT_IsoMu24", "HLT_IsoMu20"], library="np")
    run, section = int(numbers["run"][0]), int(numbers["luminosityBlock"][0])
    (job / "golden.json").write_text(json.dumps({str(run): [[section, section]]}))
    triggers = ["HLT.IsoMu24", "HLT.NotThere", "HLT.IsoMu20"]
    data = {"data": True, "certified": "golden.json"}
    x, y = {"files": [str(path)], **data}, {"files": ["y.root"]}
    job.configure(datasets={"x": {**x, "triggers": triggers}, "y": {**y, "triggers": triggers}})
    job.write("y.root", HLT_NotThere=np.ones(EVENTS, bool))
    assert job.run().exit_code == 0
    kept = (numbers["run"] == run) & (numbers["luminosityBlock"] == section)
    fired = numbers["HLT_IsoMu24"] | numbers["HLT_IsoMu20"]
    assert [flow(job)[cut] for cut in ("all", "certified", "triggers")] == [40, kept.sum(), (kept & fired).sum()]
