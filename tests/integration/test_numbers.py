"""Numbers that would mislead, through the interfaces that a user has."""

import re

import awkward as ak
import numpy as np
import pytest

from hepreco.events import passing


@pytest.mark.parametrize("type", [np.int8, np.int16, np.int32, np.int64])
def test_the_absolute_value_of_the_smallest_integer(type):
    """|−128| is 128, though int8 has no such number."""
    limits = np.iinfo(type)
    events = ak.Array({"Muon": ak.zip({"x": ak.unflatten(np.array([limits.min, limits.max, 3], type), [3])})})
    assert passing(events, "Muon", ["|x| >= 100"]).tolist() == [[True, True, False]]


def met_of(job, *, missing: str, **variation: str) -> tuple[object, dict[str, int]]:
    """One jet of 100 GeV at φ = 0, missing momentum 50 GeV there, scale 1.2: 50 − 0.2·100 = 30 GeV."""
    jet = ak.zip(
        {
            k: ak.values_astype(ak.Array([[v]]), "f4")
            for k, v in (("pt", 100.0), ("eta", 0.0), ("phi", 0.0), ("mass", 10.0))
        }
    )
    one = {"run": np.ones(1, "u4"), "luminosityBlock": np.ones(1, "u4"), "event": np.ones(1, "u8"), "Jet": jet}
    met = {f"{missing}_pt": np.full(1, 50, "f4"), f"{missing}_phi": np.zeros(1, "f4")}
    job.write(**{"genWeight": None, "PuppiMET_pt": None, "PuppiMET_phi": None, **one, **met})
    job.configure(
        plugins={"kinematic-variables": {"missing_momentum": missing}},
        variations=[{"name": "jes_up", "scale": 1.2, **variation}],
        histograms=[
            {
                "name": "met",
                "columns": ["kinematic_variables.missing_pt"],
                "axis": {"bins": 100, "start": 0, "stop": 100},
            }
        ],
    )
    result = job.run()
    if result.exit_code:
        return result, {}
    histogram = job.histograms()["met"]
    names = ("nominal", "jes_up")
    return result, {name: int(np.argmax(histogram[{"dataset": "x", "variation": name}].values())) for name in names}


def test_the_missing_momentum_of_a_variation(job):
    result, found = met_of(job, missing="PuppiMET")
    assert result.exit_code == 0, result.output
    assert found == {"nominal": 50, "jes_up": 30}


def test_a_variation_that_does_not_reach_the_missing_momentum_says_so(job):
    """A plugin that reads MET, a variation that shifts PuppiMET: right, refused, or a warning that names both."""
    result, found = met_of(job, missing="MET")
    if found != {"nominal": 50, "jes_up": 30}:
        for name in ("jes_up", "PuppiMET", r"\bMET"):
            assert re.search(name, result.output), result.output
        assert result.exit_code == 0 or "what to do" in result.output


def test_a_variation_of_the_missing_momentum_that_is_read(job):
    result, found = met_of(job, missing="MET", missing_momentum="MET")
    assert result.exit_code == 0, result.output
    assert found == {"nominal": 50, "jes_up": 30}
