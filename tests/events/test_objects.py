import operator
from fractions import Fraction

import awkward as ak
import numpy as np
import pytest

from hepreco.errors import ConfigError, DatasetError
from hepreco.events import ObjectSpec, column, passing
from hepreco.events.arrays import finite

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


INTEGERS = ["i1", "u1", "i2", "u2", "i4", "u4", "i8", "u8"]
SIGNS = {"<": operator.lt, ">": operator.gt, "<=": operator.le, ">=": operator.ge, "==": operator.eq}


@pytest.mark.parametrize("bars", ["", "|"])
@pytest.mark.parametrize("dtype", INTEGERS)
def test_integers_are_compared_as_python_compares_them(dtype, bars):
    limits = np.iinfo(dtype)
    near = [0, 1, 3, *((2**53, 2**53 + 1) if dtype[1] == "8" else ())]
    values = [limits.min, limits.min + 1, *near, limits.max - 1, limits.max]
    events = ak.Array({"Muon": ak.zip({"x": ak.unflatten(np.array(values, dtype), [len(values)])})})
    numbers = ["-1", "2.5", "-0.5", "100", "128", "300", "1e30", "-1e30", "9007199254740993"]
    numbers += [str(number) for power in (31, 32, 63, 64) for number in (2**power, 2**power - 1, -(2**power))]
    for number in numbers:
        exact = int(number) if number.lstrip("-").isdigit() else Fraction(float(number))
        for sign, compare in SIGNS.items():
            expected = [compare(abs(value) if bars else value, exact) for value in values]
            cut = f"{bars}x{bars} {sign} {number}"
            assert passing(events, "Muon", [cut]).tolist() == [expected], cut


def test_infinity_bounds_every_integer():
    events = ak.Array({"Muon": ak.zip({"x": ak.Array([[-(2**63), 2**63 - 1]])})})
    assert passing(events, "Muon", ["x < inf", "x > -inf"]).tolist() == [[True, True]]


def test_truth_values_are_compared_as_numbers():
    events = ak.Array({"Muon": ak.zip({"x": ak.Array([[True, False]])})})
    assert passing(events, "Muon", ["x == 1"]).tolist() == [[True, False]]
    assert passing(events, "Muon", ["|x| < 1"]).tolist() == [[False, True]]


@pytest.mark.parametrize(
    "cut", ["pt > nan", "pt", "30 < pt", "pt > thirty", "|eta < 2.4", "pt > 30 and eta < 2", "__import__('os')"]
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
