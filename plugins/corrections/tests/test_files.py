import gzip
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import awkward as ak
import correctionlib
import numpy as np
import pytest
from example_files import binning, category, correction, document, formula, texts

from hepreco.errors import ConfigError, DatasetError
from hepreco.plugin import CorrectionInput, discover
from hepreco_corrections import Constant, CorrectionlibWeight, PileUp, Systematic
from hepreco_corrections.examples import EXAMPLE
from hepreco_corrections.files import find, read

INPUTS: dict[str, Any] = {
    "abseta": "|muons.eta|",
    "pt": "muons.pt",
    "scale_factors": Systematic({"nominal": "sf", "up": "systup", "down": "systdown"}),
}
MUONS = CorrectionlibWeight(EXAMPLE, INPUTS, "muon_id")


def given(**columns: Any) -> CorrectionInput:
    """Columns by their names, in which two underscores are a dot."""
    arrays = {name.replace("__", "."): ak.Array(values) for name, values in columns.items()}
    number = len(next(iter(arrays.values())))
    return CorrectionInput(arrays, np.arange(3 * number).reshape(-1, 3), "tt")


def write(path: Path, *corrections: dict[str, Any]) -> str:
    path.write_text(document(*corrections))
    return str(path)


@pytest.fixture
def by_pt(tmp_path: Path) -> str:
    """One correction of pt, with flow error, for two flavours."""
    data = category("flavour", {5: binning("pt", [20, 50, 100], [0.9, 0.8], "error"), 0: 1.1})
    return write(tmp_path / "sf.json", correction("sf", data, flavour="int", pt="real"))


def test_the_packaged_files_are_those_of_the_script() -> None:
    for name, text in texts().items():
        written = correctionlib.CorrectionSet.from_file(str(Path(EXAMPLE).with_name(name)))
        assert written._data is not None
        assert [*written] == [*correctionlib.CorrectionSet.from_string(text)]


def test_muons_as_by_hand(read: Callable[..., CorrectionInput]) -> None:
    events = read(MUONS)
    found = MUONS.weights(events, ("nominal", "up", "down"))
    by_hand = correctionlib.CorrectionSet.from_file(EXAMPLE)["muon_id"]
    for name, key in (("nominal", "sf"), ("up", "systup"), ("down", "systdown")):
        factors = by_hand.evaluate(abs(events["muons.eta"]), events["muons.pt"], key)
        np.testing.assert_array_equal(found[name], ak.to_numpy(ak.prod(factors, axis=1)))
    assert not np.array_equal(found["nominal"], found["up"])


def test_pile_up_as_by_hand(read: Callable[..., CorrectionInput]) -> None:
    pileup = PileUp(EXAMPLE, "pileup")
    events = read(pileup)
    found = pileup.weights(events, ("nominal", "up"))
    by_hand = correctionlib.CorrectionSet.from_file(EXAMPLE)["pileup"]
    for name in ("nominal", "up"):
        expected = by_hand.evaluate(ak.to_numpy(events["Pileup.nTrueInt"]), name)
        np.testing.assert_array_equal(found[name], expected)
    assert pileup.variations == ("up", "down")


def test_a_compound_correction_with_a_column_of_the_event() -> None:
    inputs = {"JetA": 0.5, "JetEta": "jets.eta", "JetPt": "jets.pt", "Rho": "Rho.all"}
    weight = CorrectionlibWeight(EXAMPLE, inputs, "Example_MC_L1L2L3Res_AK4PFPuppi")
    events = given(jets__eta=[[1.0, -2.0], []], jets__pt=[[30.0, 40.0], []], Rho__all=[20.0, 30.0])
    compound = correctionlib.CorrectionSet.from_file(EXAMPLE).compound["Example_MC_L1L2L3Res_AK4PFPuppi"]
    expected = np.prod(compound.evaluate(0.5, np.array([1.0, -2.0]), np.array([30.0, 40.0]), np.full(2, 20.0)))
    np.testing.assert_allclose(weight.weights(events, ("nominal",))["nominal"], [expected, 1.0], rtol=1e-15)


def test_constants_alone_weigh_every_event_alike(by_pt: str) -> None:
    weight = CorrectionlibWeight(by_pt, {"flavour": 5, "pt": 30})
    events = CorrectionInput({}, np.zeros((3, 3), dtype=np.int64))
    assert weight.weights(events, ("nominal",))["nominal"].tolist() == [0.9, 0.9, 0.9]


def test_files_and_names_by_period(by_pt: str, tmp_path: Path) -> None:
    other = write(tmp_path / "other.json", correction("of23", formula("2*x", "pt"), flavour="int", pt="real"))
    inputs = {"flavour": Constant(5), "pt": "pt"}
    weight = CorrectionlibWeight({"22": by_pt, "23": other}, inputs, {"22": "sf", "23": "of23"})
    weight.setup()
    events = CorrectionInput({"pt": ak.Array([60.0])}, np.zeros((1, 3), dtype=np.int64), "tt", "23")
    assert weight.weights(events, ("nominal",))["nominal"].tolist() == [120.0]
    assert weight.files == (by_pt, other)
    with pytest.raises(ConfigError, match="events of the period '24', only for 22, 23"):
        weight.weights(CorrectionInput(events.columns, events.event_id, "tt", "24"), ("nominal",))


def test_a_packed_file_and_a_changed_one(by_pt: str, tmp_path: Path) -> None:
    packed = tmp_path / "sf.json.gz"
    packed.write_bytes(gzip.compress(Path(by_pt).read_bytes()))
    assert [*read(str(packed))] == ["sf"]
    write(Path(by_pt), correction("new", 1.0, pt="real"))
    os.utime(by_pt, (1, 1))
    assert find(by_pt).name == "new"
    events = given(flavour=[5], pt=[120.0])
    with pytest.raises(DatasetError, match="'pt' is 120, outside of 20 to 100"):
        CorrectionlibWeight(str(packed), {"flavour": "flavour", "pt": "pt"}).weights(events, ("nominal",))


@pytest.mark.parametrize(
    ("changed", "problem", "remedy"),
    [
        ({"file": "/nowhere/sf.json"}, "/nowhere/sf.json: No such file", "give the path"),
        ({"correction": "muon_idd"}, "has no correction 'muon_idd'", "did you mean 'muon_id'"),
        ({"correction": ""}, "has 15 corrections: Example_DATA_L1FastJet", "by its name"),
        ({"inputs": {"pt": "muons.pt"}}, "misses the input 'abseta'; its inputs are abseta, pt", "by a column"),
        ({"inputs": {**INPUTS, "year": 2022}}, "has no input 'year'", "known are abseta"),
        ({"inputs": {**INPUTS, "scale_factor": 1.0}}, "has no input 'scale_factor'", "did you mean 'scale_factors'"),
    ],
)
def test_what_does_not_fit_is_found_before_a_run(changed: dict[str, Any], problem: str, remedy: str) -> None:
    options = {"file": EXAMPLE, "inputs": INPUTS, "correction": "muon_id"} | changed
    with pytest.raises(ConfigError, match=problem) as error:
        CorrectionlibWeight(**options).setup()
    assert remedy in error.value.remedy


@pytest.mark.parametrize("text", ["", "{}", '{"schema_version": 1, "corrections": []}', '{"datasets": 3}'])
def test_a_file_of_another_schema(text: str, tmp_path: Path) -> None:
    path = tmp_path / "sf.json"
    path.write_text(text)
    with pytest.raises(ConfigError, match=r"sf.json is no file of correctionlib, schema version 2"):
        find(str(path), "sf")


def test_no_nominal_value() -> None:
    with pytest.raises(ConfigError, match="'kind' has no nominal value, only up"):
        CorrectionlibWeight(EXAMPLE, {"kind": Systematic({"up": "systup"})})


@pytest.mark.parametrize(
    ("columns", "problem"),
    [
        ({"flavour": [[5, 5]], "pt": [[30.0, 120.5]]}, "the input 'pt' is 120.5, outside of 20 to 100"),
        ({"flavour": [[5], [5, 5]], "pt": [[30.0], [40.0, 10.0]]}, "the input 'pt' is 10, outside of 20 to 100"),
        ({"flavour": [5, 4], "pt": [30.0, 40.0]}, "the input 'flavour' is 4, which is none of 5, 0"),
        ({"flavour": [5], "pt": [np.nan]}, "the input 'pt' is nan, outside of 20 to 100"),
        ({"flavour": [5], "pt": ak.Array([None])}, "pt is missing in some events of dataset 'tt'"),
    ],
)
def test_values_that_the_file_refuses(columns: dict[str, Any], problem: str, by_pt: str) -> None:
    weight = CorrectionlibWeight(by_pt, {"flavour": "flavour", "pt": "pt"}, "sf")
    with pytest.raises(DatasetError, match=problem):
        weight.weights(given(**columns), ("nominal",))


@pytest.mark.parametrize(
    ("inputs", "columns", "problem"),
    [
        (
            {"flavour": "flavour", "pt": "pt"},
            {"flavour": [4.5], "pt": [30.0]},
            "'flavour' is an integer, and is given 4.5",
        ),
        ({"flavour": "flavour", "pt": Constant("a")}, {"flavour": [5]}, "'pt' is a number, not 'a'"),
        ({"flavour": "flavour", "pt": "pt"}, {"flavour": [[5]], "pt": [[3.0, 4.0]]}, "columns of different objects"),
        ({"flavour": "flavour", "pt": "pt"}, {"flavour": [5], "pt": [[[3.0]]]}, "pt holds a list for each object"),
    ],
)
def test_values_of_another_kind(inputs: dict[str, Any], columns: dict[str, Any], problem: str, by_pt: str) -> None:
    with pytest.raises(ConfigError, match=problem):
        CorrectionlibWeight(by_pt, inputs).weights(given(**columns), ("nominal",))


def test_a_number_for_a_text(by_pt: str) -> None:
    with pytest.raises(ConfigError, match="'scale_factors' is a text, not int"):
        find(EXAMPLE, "muon_id").evaluate(1.0, 30.0, 3)


def test_it_is_built_from_a_configuration() -> None:
    table = {
        "file": EXAMPLE,
        "correction": "muon_id",
        "inputs": {
            "abseta": "|muons.eta|",
            "pt": "muons.pt",
            "scale_factors": {"systematic": {"nominal": "sf", "up": "systup", "down": "systdown"}},
        },
    }
    assert discover()["correctionlib"].build_correction(table) == MUONS
