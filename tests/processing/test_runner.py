"""The same histograms whatever the chunks, the executor and the misfortune."""

import multiprocessing
from functools import partial

import awkward as ak
import dask
import numpy as np
import pytest
import uproot
from coffea import processor as coffea_processor

import hepreco
from hepreco.errors import ConfigError, DatasetError
from hepreco.events import Dataset, Variation, to_fileset
from hepreco.histograms import HistogramSpec
from hepreco.plugin import Axis
from hepreco.processing import ColumnWriter, Cut, ReconstructionProcessor, make_executor, prepare, process, run, runner

# distributed leaves sockets and processes to the garbage collector when a worker is killed.
pytestmark = [
    pytest.mark.usefixtures("ready_workers"),
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]
#: An event that is selected in the one sample, and does not exist in the other.
EVENT = 352
JET_PT = HistogramSpec("jet_pt", ("Jet.pt",), Axis(50, 0.0, 500.0))


def build(faulty, *, columns=None, **fault):
    return ReconstructionProcessor(
        {"ht": faulty.ScalarSum(**fault)},
        selection=[Cut("four jets", "Jet", ("pt > 30",), at_least=4)],
        histograms=[JET_PT],
        variations=[Variation("jes_up", 1.03), Variation("jes_down", 0.97)],
        luminosity=1.0,
        columns=columns,
    )


def execute(processor, datasets, *, name="iterative", workers=2, **options):
    with make_executor(name, workers=workers, file_retries=0) as executor:
        return run(processor, datasets, executor=executor, **options)


@pytest.fixture(scope="module", params=["futures", "dask"])
def workers(request, ready_workers):
    """Two processes, which start once for several tests."""
    with make_executor(request.param, workers=2, file_retries=0) as executor:
        yield executor


@pytest.fixture(scope="module")
def reference(faulty, hadronic, multijet):
    return execute(build(faulty), [hadronic, multijet])


def assert_same(output, reference):
    assert output["histograms"].keys() == reference["histograms"].keys()
    for name, histogram in reference["histograms"].items():
        assert output["histograms"][name] == histogram, name
    assert output["report"].as_json() == reference["report"].as_json()


def test_a_run_is_prepared_and_then_processed(faulty, hadronic, multijet, reference):
    with make_executor("iterative", workers=1, file_retries=0) as executor:
        plan = prepare(build(faulty), [hadronic, multijet], executor=executor, chunksize=150)
        assert sum(task.chunk.stop - task.chunk.start for task in plan.tasks) == 700
        assert_same(process(plan, executor=executor), reference)


def test_a_file_that_cannot_be_opened_stops_a_run_unless_it_may_be_skipped(faulty, multijet, tmp_path):
    (tmp_path / "bad.root").write_bytes(b"no ROOT file")
    datasets = [Dataset("mixed", (*multijet.files, str(tmp_path / "bad.root")))]
    with make_executor("iterative", file_retries=0) as executor:
        with pytest.raises(DatasetError, match="1 of the files cannot be opened"):
            prepare(build(faulty), datasets, executor=executor)
        plan = prepare(build(faulty), datasets, executor=executor, skip_bad_files=True)
    assert [task.chunk.file for task in plan.tasks] == list(multijet.files)


def test_files_that_are_remembered_are_not_opened_again(faulty, multijet, tmp_path, monkeypatch):
    with make_executor("iterative", file_retries=0) as executor:
        prepared = partial(prepare, build(faulty), [multijet], executor=executor, memory=tmp_path / "files.json")
        tasks = prepared().tasks
        monkeypatch.setattr(runner, "_executed", lambda *_, **__: pytest.fail("a file is opened"))
        assert prepared().tasks == tasks


def test_reference_is_not_empty(reference):
    report = reference["report"]
    assert report.complete
    assert {name: report.events(name) for name in report.datasets} == {"multijet": 300, "ttbar": 400}
    ht = reference["histograms"]["ht.ht"]
    assert ht[{"dataset": "ttbar", "variation": "nominal"}].sum(flow=True).value > 0
    assert ht[{"variation": "jes_up"}] != ht[{"variation": "nominal"}]


@pytest.mark.parametrize("chunksize", [50, 1000])
def test_any_chunk_size(faulty, hadronic, multijet, reference, chunksize):
    assert_same(execute(build(faulty), [hadronic, multijet], chunksize=chunksize), reference)


def test_chunks_of_a_few_events(faulty, multijet):
    whole, chunks = (execute(build(faulty), [multijet], chunksize=chunksize) for chunksize in (1000, 7))
    assert_same(chunks, whole)
    assert whole["histograms"]["jet_pt"].sum(flow=True).value > 0


def test_any_executor(faulty, hadronic, multijet, reference, workers):
    assert_same(run(build(faulty), [hadronic, multijet], executor=workers, chunksize=100), reference)


def test_complete_after_a_worker_is_killed(faulty, hadronic, multijet, reference, tmp_path, workers):
    marker = tmp_path / "killed"
    processor = build(faulty, fault="kill once", event=150, marker=str(marker))
    options = {"chunksize": 100, "checkpoints": tmp_path / "checkpoints"}
    output = run(processor, [hadronic, multijet], executor=workers, **options)
    assert marker.exists()
    assert_same(output, reference)


@pytest.mark.parametrize("name", ["futures", "dask"])
def test_a_chunk_that_always_kills_is_named_and_the_others_are_kept(faulty, hadronic, reference, tmp_path, name):
    processor = build(faulty, fault="kill", event=150)
    with dask.config.set({"distributed.scheduler.allowed-failures": 0}):  # instead of 3 workers that die for each try
        output = execute(processor, [hadronic], name=name, workers=1, chunksize=100, checkpoints=tmp_path)
    (failure,) = output["report"].failures
    assert failure.kind == "lost"
    assert (failure.chunk.start, failure.chunk.stop) == (100, 200)
    assert output["report"].events("ttbar") == 300


def test_resume_completes_a_failed_run(faulty, hadronic, multijet, reference, tmp_path):
    failing = build(faulty, fault="raise", event=EVENT)
    output = execute(failing, [hadronic, multijet], chunksize=100, checkpoints=tmp_path)
    (failure,) = output["report"].failures
    assert failure.kind == "error"
    assert "a file that the plugin wants" in failure.reason
    assert output["report"].events("ttbar") == 300
    stored = sorted(tmp_path.rglob("*.zip"))
    assert len(stored) == 6
    mended = build(faulty)
    assert mended.fingerprint != failing.fingerprint
    again = execute(failing, [hadronic, multijet], chunksize=100, checkpoints=tmp_path)
    assert again["report"] == output["report"]
    assert_same(execute(mended, [hadronic, multijet], chunksize=100, checkpoints=tmp_path), reference)


def test_resume_reads_what_was_finished(faulty, hadronic, reference, tmp_path):
    first = execute(build(faulty), [hadronic], chunksize=100, checkpoints=tmp_path)
    times = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*.zip")}
    second = execute(build(faulty), [hadronic], chunksize=100, checkpoints=tmp_path)
    assert len(times) == 4
    assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*.zip")} == times
    assert_same(second, first)


def test_a_cut_short_checkpoint_is_made_again(faulty, hadronic, tmp_path):
    first = execute(build(faulty), [hadronic], checkpoints=tmp_path)
    (path,) = tmp_path.rglob("*.zip")
    path.write_bytes(path.read_bytes()[:100])
    assert_same(execute(build(faulty), [hadronic], checkpoints=tmp_path), first)


def test_plain_coffea_runner_gives_the_same(faulty, hadronic, multijet, reference):
    runner = coffea_processor.Runner(
        executor=coffea_processor.IterativeExecutor(status=False), schema=hepreco.NanoAODSchema, chunksize=70
    )
    output = runner(to_fileset([hadronic, multijet]), processor_instance=build(faulty))
    assert_same(output, reference)


def test_coffea_does_not_drop_a_plugins_missing_file_in_silence(faulty, hadronic):
    runner = coffea_processor.Runner(
        executor=coffea_processor.IterativeExecutor(status=False, retries=0),
        schema=hepreco.NanoAODSchema,
        skipbadfiles=True,
    )
    with pytest.raises(Exception, match="a file that the plugin wants"):
        runner(to_fileset([hadronic]), processor_instance=build(faulty, fault="raise", event=150))


def test_coffeas_runner_tries_a_chunk_once_with_an_executor_of_ours(faulty, hadronic):
    with make_executor("iterative", file_retries=0) as executor:
        runner = coffea_processor.Runner(executor=executor, schema=hepreco.NanoAODSchema)
        with pytest.raises(Exception, match="a file that the plugin wants"):  # and no warning of another attempt
            runner(to_fileset([hadronic]), processor_instance=build(faulty, fault="raise", event=150))


def test_normalised_to_cross_section_and_luminosity(multijet, reference):
    flow = reference["histograms"]["cutflow"][{"variation": "nominal", "cut": "all"}]
    np.testing.assert_allclose(flow[{"dataset": "ttbar"}].value, 380.0 * 1000.0)
    weights = uproot.open(f"{multijet.files[0]}:Events")["genWeight"].array(library="np").astype(float)
    np.testing.assert_allclose(flow[{"dataset": "multijet"}].value, weights.sum())


def test_normalised_to_what_was_really_processed(faulty, hadronic, tmp_path):
    """With a quarter of the events missing, the yield is still σ·L."""
    output = execute(build(faulty, fault="raise", event=150), [hadronic], chunksize=100)
    weights = uproot.open(f"{hadronic.files[0]}:Events")["genWeight"].array(library="np").astype(float)
    assert output["report"].sum_of_weights["ttbar"] == pytest.approx(weights.sum() - weights[100:200].sum())
    np.testing.assert_allclose(
        output["histograms"]["cutflow"][{"cut": "all", "variation": "nominal"}].values(), [380_000.0]
    )


def test_a_cross_section_needs_a_luminosity(faulty, hadronic):
    with pytest.raises(ConfigError, match="luminosity"):
        execute(ReconstructionProcessor(), [hadronic])


@pytest.mark.parametrize("format", ["parquet", "root"])
@pytest.mark.parametrize("chunksize", [70, 1000])
def test_columns_out(faulty, hadronic, tmp_path, format, chunksize):
    processor = build(faulty, columns=ColumnWriter(tmp_path, format))
    output = execute(processor, [hadronic], chunksize=chunksize)
    files = [tmp_path / name for name in output["report"].columns]
    assert sorted(files) == sorted(path for path in tmp_path.rglob("*") if path.is_file())
    if format == "parquet":
        table = ak.concatenate([ak.from_parquet(path) for path in files])
    else:
        table = uproot.concatenate([f"{path}:Events" for path in files])
    table = table[ak.argsort(table.event)]
    with uproot.open(hadronic.files[0])["Events"] as tree:
        events = tree.arrays(["event", "Jet_pt"])
    pt = events.Jet_pt[ak.num(events.Jet_pt[events.Jet_pt > 30]) >= 4]
    assert table.event.tolist() == events.event[ak.num(events.Jet_pt[events.Jet_pt > 30]) >= 4].tolist()
    np.testing.assert_allclose(table.ht_ht, ak.sum(pt[pt > 30], axis=1), rtol=1e-5)
    assert ak.all(ak.local_index(pt)[:, 0] == table.ht_leading)


def test_too_few_objects_are_counted(multijet):
    from dataclasses import replace  # noqa: PLC0415

    from hepreco_chi2_assigner import Chi2Assigner  # noqa: PLC0415

    plugin = Chi2Assigner(where=("pt > 60",))
    output = execute(ReconstructionProcessor({"chi2": plugin}), [replace(multijet, name="m")])
    missing = output["report"].without_answer["m"]["chi2"]
    filled = output["histograms"]["chi2.chi2"].sum(flow=True).value
    assert 0 < missing["too_few_objects"] < 300
    assert missing["too_few_objects"] + filled == 300
    assert missing["no_answer"] == 0


def test_reasons_are_counted_and_written(multijet, tmp_path):
    from hepreco_chi2_assigner import Chi2Assigner  # noqa: PLC0415

    axis = Axis(3, -0.5, 2.5)
    processor = ReconstructionProcessor(
        {"chi2": Chi2Assigner(channel="lepton+jets", where=("pt > 60",))},
        histograms=[HistogramSpec("why", ("chi2.reason",), axis)],
        columns=ColumnWriter(tmp_path, "root"),
    )
    output = execute(processor, [multijet], chunksize=100)
    written = uproot.concatenate([f"{path}:Events" for path in tmp_path.rglob("*.root")])
    answered, too_few, silent = np.bincount(ak.to_numpy(written.chi2_reason), minlength=3).tolist()
    assert min(too_few, silent) > 0
    assert ak.sum(np.isnan(written.chi2_chi2)) == too_few + silent
    missing = output["report"].without_answer[multijet.name]["chi2"]
    assert missing == {"too_few_objects": too_few, "no_answer": silent}
    values = output["histograms"]["why"][{"dataset": multijet.name, "variation": "nominal"}].values()
    assert (values != 0).tolist() == [answered > 0, True, True]


def test_an_unknown_scheduler_is_refused():
    with pytest.raises(ConfigError, match="executor 'dask'"), make_executor("futures", scheduler="tcp://127.0.0.1:1"):
        pass


def test_a_dataset_without_files_is_refused(faulty):
    with pytest.raises(DatasetError, match="names no files"):
        execute(build(faulty), [Dataset("none", ())])


def test_the_processor_is_not_tied_to_its_process(faulty):
    assert multiprocessing.parent_process() is None
    import cloudpickle  # noqa: PLC0415

    processor = build(faulty)
    assert cloudpickle.loads(cloudpickle.dumps(processor)).fingerprint == processor.fingerprint
