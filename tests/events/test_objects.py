import awkward as ak
import numpy as np
import pytest

from hepreco.errors import ConfigError, DatasetError
from hepreco.events import ObjectSpec, column, finite, passing

EVENTS = ak.Array(
    [
        {
            "Jet": [
                {"pt": 50.0, "eta": -3.0, "phi": 0.0, "mass": 5.0},
                {"pt": 20.0, "eta": 1.0, "phi": 0.0, "mass": 5.0},
            ]
        },
        {"Jet": []},
        {"Jet": [{"pt": float("nan"), "eta": 0.0, "phi": 0.0, "mass": 1.0}]},
    ]
)


@pytest.mark.parametrize(
    ("cut", "expected"),
    [
        ("pt > 30", [[True, False], [], [False]]),
        ("pt >= 20", [[True, True], [], [False]]),
        ("|eta| < 2.4", [[False, True], [], [True]]),
        ("eta < 2.4", [[True, True], [], [True]]),
        ("mass == 1", [[False, False], [], [True]]),
        ("pt<=2e1", [[False, True], [], [False]]),
    ],
)
def test_cuts(cut, expected):
    assert passing(EVENTS, "Jet", (cut,)).tolist() == expected


def test_cuts_are_joined_by_and():
    assert passing(EVENTS, "Jet", ("pt > 30", "|eta| < 2.4")).tolist() == [[False, False], [], [False]]


@pytest.mark.parametrize(
    "cut", ["pt", "30 < pt", "pt > thirty", "|eta < 2.4", "pt > 30 and eta < 2", "__import__('os')"]
)
def test_anything_else_is_refused(cut):
    with pytest.raises(ConfigError, match="cannot read the cut"):
        ObjectSpec("Jet", where=(cut,))


def test_a_missing_branch_is_named_with_its_closest():
    with pytest.raises(DatasetError, match=r"Jet_ptt.*\n.*pt"):
        column(EVENTS, "Jet.ptt")
    with pytest.raises(DatasetError, match="Jets_pt"):
        column(EVENTS, "Jets.pt")


def test_non_finite_momenta_are_found():
    assert finite(EVENTS, ["Jet.pt", "Jet.eta"]).tolist() == [True, True, False]
    assert finite(EVENTS, ["Jet.eta", "Jet.absent"]).all()
    infinite = ak.Array([{"PuppiMET": {"pt": np.inf, "phi": 0.0}}, {"PuppiMET": {"pt": 1.0, "phi": 0.0}}])
    assert finite(infinite, ["PuppiMET.pt"]).tolist() == [False, True]


def test_at_most_below_at_least_is_refused():
    with pytest.raises(ConfigError, match="at_most"):
        ObjectSpec("Jet", at_least=4, at_most=3)
