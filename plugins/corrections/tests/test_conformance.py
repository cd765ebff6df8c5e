import pickle

import pytest

import hepreco.testing
from hepreco.plugin import Correction
from hepreco_corrections import (
    CorrectionlibWeight,
    FixedWorkingPoints,
    JetEnergy,
    LhePdf,
    LheScale,
    PartonShower,
    PileUp,
)

CORRECTIONS = (
    CorrectionlibWeight.examples()[0],
    PileUp.examples()[0],
    FixedWorkingPoints.examples()[1],
    JetEnergy.examples()[0],
    LheScale(),
    LhePdf(kind="replicas"),
    PartonShower(),
)


@pytest.mark.parametrize("correction", CORRECTIONS, ids=lambda correction: type(correction).__name__)
def test_conformance(correction: Correction) -> None:
    results = hepreco.testing.check_correction(correction)
    assert {result.name: result.detail for result in results if not result.passed} == {}
    assert len(results) == 13


def test_examples_of_jets_differ_in_what_is_applied() -> None:
    applied = [(bool(each.resolution), each.level, each.type_1) for each in JetEnergy.examples()]
    assert applied == [
        (True, "L1L2L3Res", False),
        (False, "L1L2L3Res", False),
        (True, "", False),
        (True, "L1L2L3Res", True),
    ]


def test_corrections_of_data_read_nothing_that_only_simulation_has() -> None:
    results = hepreco.testing.check_correction(JetEnergy.examples()[1], data=True)
    assert all(result.passed for result in results)


@pytest.mark.parametrize("correction", CORRECTIONS, ids=lambda correction: type(correction).__name__)
def test_options_are_values(correction: Correction) -> None:
    again = pickle.loads(pickle.dumps(correction))
    assert again == correction
    assert hash(again) == hash(correction)


def test_manifest() -> None:
    hepreco.testing.assert_manifest("hepreco_corrections")
