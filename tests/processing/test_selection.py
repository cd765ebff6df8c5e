import awkward as ak
import numpy as np

from hepreco.processing import Cut
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


def test_no_events():
    assert Cut("c", "Jet", ("pt > 45",))(EVENTS[:0]).tolist() == []
