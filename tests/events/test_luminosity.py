import importlib
import json

import numpy as np
import pytest

from hepreco.errors import DatasetError
from hepreco.events.luminosity import LumiSections, is_certified, luminosity, read_certified

HEADER = "#run:fill,ls,time,beamstatus,E(GeV),delivered(/pb),recorded(/pb),avgpu,source\n"


def test_sections_are_a_set_that_survives_json():
    rng = np.random.default_rng(1)
    runs, numbers = rng.integers(1, 4, 200), rng.integers(1, 60, 200)
    sections = LumiSections(runs, numbers)
    assert len(sections) == len(set(zip(runs.tolist(), numbers.tolist(), strict=True)))
    assert LumiSections.from_json(json.loads(json.dumps(sections.as_json()))) == sections
    assert (
        sections | LumiSections()
        == sections
        == LumiSections(runs[100:], numbers[100:]) | LumiSections(runs[:100], numbers[:100])
    )
    assert len({sections, LumiSections(runs, numbers)}) == 1
    assert LumiSections().as_json() == {}
    assert LumiSections.from_json({}) == LumiSections()


def test_largest_numbers_fit():
    largest = LumiSections([2**32 - 1], [2**32 - 1])
    assert largest.as_json() == {str(2**32 - 1): [[2**32 - 1, 2**32 - 1]]}


@pytest.fixture(scope="module")
def lumi_tools():
    """Of coffea; its import compiles for seconds."""
    return importlib.import_module("coffea.lumi_tools")


def test_certified_is_what_coffea_says_and_what_the_table_says(tmp_path, lumi_tools):
    table = {"10": [[1, 5], [9, 9]], "11": [[3, 4]], "12": []}
    path = tmp_path / "golden.json"
    path.write_text(json.dumps(table))
    golden = read_certified(str(path))
    runs, numbers = (each.ravel() for each in np.meshgrid(np.arange(9, 14), np.arange(12)))
    found = is_certified(golden, runs, numbers)
    assert np.array_equal(found, lumi_tools.LumiMask(str(path))(runs.astype(np.uint32), numbers.astype(np.uint32)))
    by_hand = [
        any(first <= number <= last for first, last in table.get(str(run), []))
        for run, number in zip(runs, numbers, strict=True)
    ]
    assert found.tolist() == by_hand
    assert LumiSections(runs, numbers).certified(golden) == LumiSections(runs[found], numbers[found])
    assert LumiSections(runs, numbers).certified("") == LumiSections(runs, numbers)


def test_luminosity_is_what_coffea_says(tmp_path, lumi_tools):
    path = tmp_path / "lumi.csv"
    rows = [
        f"{run}:7,{number}:{number},t,STABLE,6800,2.0,{run + number / 8},30,HFET\n"
        for run in (1, 2)
        for number in range(5)
    ]
    path.write_text(HEADER + "".join(rows))
    sections = LumiSections([1, 1, 2, 2, 3], [0, 4, 2, 9, 1])
    total, lacking = luminosity(str(path), sections)
    assert total == pytest.approx(1e-3 * (1 + 1.5 + 2.25))
    assert total == 1e-3 * lumi_tools.LumiData(str(path)).get_lumi(np.stack((sections.runs, sections.numbers), axis=-1))
    assert lacking == LumiSections([2, 3], [9, 1])
    assert luminosity(str(path), LumiSections()) == (0.0, LumiSections())


@pytest.mark.parametrize("text", ['{"a": [[1, 2]]}', '{"1": [[0, 2]]}', '{"1": [[1, true]]}', '{"1": [1, 2]}', "3"])
def test_a_table_of_another_form_is_refused(tmp_path, text):
    path = tmp_path / "golden.json"
    path.write_text(text)
    with pytest.raises(DatasetError, match="is not a table of luminosity sections by run"):
        read_certified(str(path))
