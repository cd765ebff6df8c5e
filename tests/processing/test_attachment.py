"""What plugins find out, in processors of others: the columns that a run gives."""

import sys
from pathlib import Path

import awkward as ak
import cloudpickle
import numpy as np
import pytest
import torch
from coffea import processor
from coffea.nanoevents import NanoEventsFactory

import hepreco
from hepreco.errors import ConfigError, DatasetError, PluginError
from hepreco.events import ObjectSelection, to_fileset
from hepreco.plugin import Reason
from hepreco.processing import ColumnWriter, make_executor, run
from hepreco.processing.executors import Workers

NANOAOD = Path(__file__).parents[1] / "data" / "nanoaod_v15.root"
JETS = {"jets": ObjectSelection("Jet", where=("pt > 60",))}
BOUND = {"chi2_assigner": {"jets": "jets"}}


#: Workers need not import this module.
cloudpickle.register_pickle_by_value(sys.modules[__name__])


def events_of(path, *, mode="virtual", metadata=None):
    options = {"schemaclass": hepreco.NanoAODSchema, "mode": mode, "metadata": metadata}
    return NanoEventsFactory.from_root({str(path): "Events"}, **options).events()


class Plain(processor.ProcessorABC):
    """A processor as anybody has one: no class of hepreco's but the plugin, or not even that."""

    def __init__(self, plugin, **options):
        self.plugin, self.options = plugin, options

    def process(self, events):
        assert torch.get_num_threads() == self.options.pop("threads", torch.get_num_threads())
        events = hepreco.attach(events, {"chi2_assigner": self.plugin}, **self.options)
        found = events.chi2_assigner
        tops = ak.fill_none(found.top.mass, [np.nan, np.nan], axis=0)
        columns = {"event": events.event, "chi2": found.chi2, "top": ak.flatten(tops), "reason": found.reason}
        return {name: processor.column_accumulator(_plain(value)) for name, value in columns.items()}

    def postprocess(self, accumulator):
        return {name: value.value for name, value in accumulator.items()}


def _plain(values):
    return ak.to_numpy(ak.fill_none(values, np.nan))


@pytest.fixture(scope="module")
def in_a_run(hadronic, tmp_path_factory):
    """What a run writes, of jets above 60 GeV that the configuration selects, and of those that the plugin selects."""
    found = {}
    for name, options in {"own": {}, "bound": {"objects": JETS, "bindings": BOUND}}.items():
        folder = tmp_path_factory.mktemp(name)
        built = hepreco.ReconstructionProcessor(
            {"chi2_assigner": _assigner()}, columns=ColumnWriter(folder, "parquet"), luminosity=1.0, **options
        )
        with make_executor("iterative", workers=1, file_retries=0) as executor:
            report = run(built, [hadronic], executor=executor)["report"]
        found[name] = ak.concatenate([ak.from_parquet(folder / file) for file in report.columns])
    return found


def _assigner():
    from hepreco_chi2_assigner import Chi2Assigner  # noqa: PLC0415  a plugin, in a test of the core

    return Chi2Assigner()


@pytest.fixture(scope="module")
def pool(ready_workers):
    """Processes for all tests: coffea would start new ones for every call of an executor, of which a run has two."""
    with Workers() as workers:
        yield workers


@pytest.mark.parametrize("executor", ["iterative", "futures"])
@pytest.mark.parametrize("selected", ["own", "bound"])
def test_coffeas_runner_gives_the_columns_of_a_run(hadronic, in_a_run, pool, executor, selected):
    executors = {"iterative": processor.IterativeExecutor, "futures": processor.FuturesExecutor}
    workers = {"workers": 1, "pool": pool} if executor == "futures" else {}
    runner = processor.Runner(
        executor=executors[executor](status=False, **workers), schema=hepreco.NanoAODSchema, chunksize=150
    )
    options = {"objects": JETS, "bindings": BOUND} if selected == "bound" else {}
    options |= {"threads": 1} if executor == "futures" else {}
    plugin = "chi2-assigner" if executor == "iterative" else _assigner()
    found = runner(to_fileset([hadronic]), processor_instance=Plain(plugin, **options))
    expected = in_a_run[selected]
    assert 0 < np.isfinite(found["chi2"]).sum() < len(expected)
    order = np.argsort(found["event"])
    expected = expected[np.argsort(ak.to_numpy(expected.event))]
    np.testing.assert_array_equal(found["chi2"][order], ak.to_numpy(expected.chi2_assigner_chi2))
    np.testing.assert_array_equal(found["reason"][order], ak.to_numpy(expected.chi2_assigner_reason))
    np.testing.assert_array_equal(found["top"].reshape(-1, 2)[order], ak.to_numpy(expected.chi2_assigner_top_mass))


@pytest.mark.parametrize("mode", ["eager", "virtual"])
def test_events_of_a_notebook(hadronic, in_a_run, mode):
    events = events_of(hadronic.files[0], mode=mode)[:100]
    found = hepreco.attach(events, {"chi2_assigner": _assigner(), "again": "chi2-assigner"})
    assert type(found) is type(events)
    assert found.fields == [*events.fields, "chi2_assigner", "again"]
    assert "chi2_assigner" not in events.fields
    expected = ak.nan_to_none(in_a_run["own"].chi2_assigner_chi2[:100])
    assert found.chi2_assigner.chi2.to_list() == found.again.chi2.to_list() == expected.to_list()
    answered = found[found.chi2_assigner.reason == 0]
    assert ak.all(answered.Jet[answered.chi2_assigner.b_index].pt > 30)


def test_nanoaod_of_cms():
    found = hepreco.attach(events_of(NANOAOD), {"chi2": _assigner()}).chi2
    assert set(found.reason.to_list()) == {Reason.ANSWERED, Reason.TOO_FEW_OBJECTS}
    assert ak.all(ak.is_none(found.top.mass, axis=1), axis=1).to_list() == (found.reason != 0).to_list()


def test_no_events_at_all(hadronic):
    assert len(hepreco.attach(events_of(hadronic.files[0])[:0], {"chi2": _assigner()}).chi2.top) == 0


def test_selected_objects_are_attached_too(hadronic):
    found = hepreco.attach(events_of(hadronic.files[0])[:20], {}, objects=JETS)
    assert ak.all(found.jets.pt > 60)


def test_momenta_that_are_not_finite_have_no_answer(hadronic):
    events = events_of(hadronic.files[0], mode="eager")[:50]
    clean = hepreco.attach(events, {"chi2": _assigner()}).chi2
    event = int(np.flatnonzero(ak.to_numpy(clean.reason) == 0)[0])
    pt = ak.where(
        (ak.local_index(events.Jet.pt, axis=0) == event) & (ak.local_index(events.Jet.pt) == 0), np.nan, events.Jet.pt
    )
    events["Jet"] = ak.with_field(events.Jet, pt, "pt")
    found = hepreco.attach(events, {"chi2": _assigner()}).chi2
    assert found.reason[event] == Reason.NO_ANSWER
    assert found.top.mass[event].to_list() == [None, None]
    others = np.arange(50) != event
    assert found[others].chi2.to_list() == clean[others].chi2.to_list()
    assert found[others].reason.to_list() == clean[others].reason.to_list()


def test_what_a_plugin_raises_says_which_and_where(hadronic, faulty):
    plugin = faulty.ScalarSum(fault="raise", event=150)
    with pytest.raises(PluginError, match="plugin 'ht' raised FileNotFoundError: a file that the plugin wants"):
        hepreco.attach(events_of(hadronic.files[0]), {"ht": plugin})
    with pytest.raises(PluginError, match=r"plugin 'ht' raised .*mine\.root"):
        hepreco.attach(events_of(hadronic.files[0], metadata={"filename": "mine.root"}), {"ht": plugin})
    runner = processor.Runner(
        executor=processor.IterativeExecutor(status=False, retries=0), schema=hepreco.NanoAODSchema, skipbadfiles=True
    )
    with pytest.raises(Exception, match=r"PluginError.*plugin 'chi2_assigner' raised .*hadronic.root \[0, 400\)"):
        runner(to_fileset([hadronic]), processor_instance=Plain(plugin))


def test_it_is_set_up_once_in_a_process(hadronic, faulty, monkeypatch):
    calls = []
    monkeypatch.setattr(faulty.ScalarSum, "setup", lambda _, device: calls.append(device))
    for start in (0, 10):
        hepreco.attach(events_of(hadronic.files[0])[start : start + 10], {"ht": faulty.ScalarSum(marker="once")})
    assert calls == ["cpu"]


@pytest.mark.parametrize(
    ("plugins", "options", "error", "message"),
    [
        ({"Jet": "chi2-assigner"}, {}, ConfigError, "'Jet' names a plugin's columns and a branch of"),
        ({"1b": "chi2-assigner"}, {}, ConfigError, "is named '1b'"),
        ({"a": "chi2-asigner"}, {}, PluginError, r"no plugin 'chi2-asigner'[\s\S]*did you mean 'chi2-assigner'"),
        ({"a": 3}, {}, ConfigError, "the plugin 'a' is 3"),
        ({"jets": "chi2-assigner"}, {"objects": JETS}, ConfigError, "names selected objects and a plugin's table"),
        ({"a": "chi2-assigner"}, {"bindings": {"a": {"jets": "good"}}}, ConfigError, r"'good', which are not defined"),
        ({"a": "chi2-assigner"}, {"device": "cuda"}, ConfigError, "device 'cuda' was asked for"),
    ],
)  # fmt: skip
def test_what_cannot_be_attached(hadronic, plugins, options, error, message):
    if options.get("device") == "cuda" and torch.cuda.is_available():
        pytest.skip("there is a GPU")
    with pytest.raises(error, match=message):
        hepreco.attach(events_of(hadronic.files[0])[:5], plugins, **options)


def test_events_that_are_none():
    with pytest.raises(ConfigError, match=r"attached to a builtins.dict[\s\S]*mode=\"eager\""):
        hepreco.attach({"Jet": []}, {"chi2": "chi2-assigner"})


def test_a_branch_that_is_missing(hadronic):
    events = events_of(hadronic.files[0])[:5]
    events["Jet"] = events.Jet[["pt", "eta", "phi"]]
    with pytest.raises(DatasetError, match="no branch 'Jet_mass'"):
        hepreco.attach(events, {"chi2": "chi2-assigner"})
