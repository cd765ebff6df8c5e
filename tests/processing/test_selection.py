import awkward as ak
import numpy as np
import pytest

from hepreco.config import AnalysisConfig
from hepreco.errors import ConfigError
from hepreco.plugin.options import structure
from hepreco.processing import Cut, FunctionCut
from hepreco.processing.selection import cut_flow

EVENTS = ak.Array(
    [
        {"Jet": [{"pt": 50.0}, {"pt": 40.0}], "PuppiMET": {"pt": 60.0}},
        {"Jet": [{"pt": 50.0}], "PuppiMET": {"pt": 10.0}},
        {"Jet": [], "PuppiMET": {"pt": 100.0}},
    ]
)


def test_counts_between_bounds():
    assert Cut("c", "Jet", ("pt > 45",))(EVENTS).tolist() == [True, True, False]
    assert Cut("c", "Jet", ("pt > 30",), at_least=1, at_most=1)(EVENTS).tolist() == [False, True, False]
    assert Cut("veto", "Jet", at_least=0, at_most=0)(EVENTS).tolist() == [False, False, True]


def test_a_record_per_event_counts_as_one_object():
    assert Cut("met", "PuppiMET", ("pt > 50",))(EVENTS).tolist() == [True, False, True]


def test_the_flow_is_cumulative():
    flow = cut_flow(
        EVENTS, [Cut("jets", "Jet"), Cut("met", "PuppiMET", ("pt > 50",))], finite=np.array([True, True, True])
    )
    assert {name: mask.sum() for name, mask in flow.items()} == {"all": 3, "finite momenta": 3, "jets": 2, "met": 1}


def test_a_cut_has_a_name_that_prints():
    assert Cut("|eta| < 2.4 / veto", "Jet").name
    for build in (lambda: Cut("", "Jet"), lambda: FunctionCut("\t", "awkward:all")):
        with pytest.raises(ConfigError, match="a cut is named"):
            build()


def test_no_events():
    assert Cut("c", "Jet", ("pt > 45",))(EVENTS[:0]).tolist() == []


def leading_above(events: ak.Array, *, pt: float) -> ak.Array:
    return ak.fill_none(ak.max(events.Jet.pt, axis=1) > pt, value=False)


def test_a_function_cuts_with_its_options(monkeypatch):
    monkeypatch.setattr(ak, "leading_above", leading_above, raising=False)
    cut = FunctionCut("leading", "awkward:leading_above", collections=("Jet",), options={"pt": 45.0})
    assert cut(EVENTS).tolist() == [True, True, False]
    assert cut.momentum_columns == ("Jet.pt", "Jet.eta", "Jet.phi", "Jet.mass")
    assert cut(EVENTS[:0]).tolist() == []


def test_what_is_no_function_or_gives_no_truth_values_is_refused():
    with pytest.raises(ConfigError, match="no function 'awkward:nothing_of_that_name'"):
        FunctionCut("c", "awkward:nothing_of_that_name")
    with pytest.raises(ConfigError, match=r"cut 'c': awkward:num gave int64 of shape \(3,\)"):
        FunctionCut("c", "awkward:num")(EVENTS.Jet)


def test_both_kinds_are_read_from_a_table():
    table = {
        "selection": [
            {"name": "jets", "collection": "Jet", "at_least": 2},
            {"name": "num", "function": "awkward:num", "options": {"axis": 1}},
            {"name": "any", "function": "awkward:any"},
        ]
    }
    found = structure(table, AnalysisConfig, where="a table", remedy="none").selection
    assert found == (
        Cut("jets", "Jet", at_least=2),
        FunctionCut("num", "awkward:num", options={"axis": 1}),
        FunctionCut("any", "awkward:any"),
    )
