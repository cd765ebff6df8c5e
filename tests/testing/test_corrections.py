"""Two small corrections pass the kit; of the bugs that are planted in them it finds each by its check."""

import awkward as ak
import numpy as np
import planted_corrections as planted
import pytest

from hepreco.plugin import CorrectionInput
from hepreco.testing import check_correction, toy_columns
from hepreco.testing.corrections import CORRECTION_CHECKS

#: What is wrong, and the check that finds it.
BUGS = {
    planted.Undecorated: "options",
    planted.Unhashable: "options",
    planted.NominalAmongVariations: "options",
    planted.MissingFile: "setup",
    planted.InfiniteWeight: "answers",
    planted.PerJet: "answers",
    planted.OnlyNominal: "answers",
    planted.Undeclared: "answers",
    planted.DropsJets: "answers",
    planted.ChangesMore: "answers",
    planted.ChangesUnread: "answers",
    planted.NotANumber: "answers",
    planted.NothingVaried: "variations",
    planted.GeneratedJets: "generator",
    planted.ChangesColumns: "purity",
    planted.SmallestChunk: "purity",
    planted.SharedGenerator: "random_state",
    planted.MeanOfChunk: "chunks",
    planted.RowsForNumbers: "chunks",
    planted.OwnGenerator: "order",
    planted.FirstEvent: "order",
    planted.PositionInChunk: "order",
    planted.EverythingAlways: "nominal_alone",
    planted.LambdaOption: "picklable",
    planted.RandomPerProcess: "another_process",
    planted.Remembers: "another_process",
    planted.WritesAFile: "side_effects",
}


@pytest.mark.parametrize("correction", [planted.Weight(), planted.Jets()], ids=lambda each: type(each).__name__)
def test_they_pass_without_a_bug(correction):
    results = check_correction(correction, data=True)
    assert {result.name: result.detail for result in results if not result.passed} == {}
    assert [result.name for result in results] == [check.__name__ for check in CORRECTION_CHECKS]


@pytest.mark.parametrize("bug", BUGS, ids=lambda bug: bug.__name__)
def test_a_bug_is_found_by_its_check(bug):
    failed = {result.name: result.detail for result in check_correction(bug(), data=True) if not result.passed}
    assert BUGS[bug] in failed
    assert bug.__name__ in failed[BUGS[bug]]
    assert "what to do" in failed[BUGS[bug]]


def test_generated_jets_are_fine_for_simulation():
    results = {result.name: result for result in check_correction(planted.GeneratedJets())}
    assert results["generator"].remark == "for simulation alone: reads Jet.genJetIdx, GenJet.pt"
    assert all(result.passed for result in results.values())


def test_events_of_ones_own():
    columns = {"jets.pt": ak.Array([[50.0], []]), "Rho.fixedGridRhoFastjetAll": ak.Array([1.0, 2.0])}
    events = CorrectionInput(columns, np.array([[1, 1, 1], [1, 1, 2]]))
    assert all(result.passed for result in check_correction(planted.Weight(), events))


@pytest.mark.parametrize(
    ("path", "depth", "low", "high"),
    [
        ("Jet.pt", 2, 30, 1000),
        ("tight_muons.eta", 2, -2.4, 2.4),
        ("jets.hadronFlavour", 2, 0, 5),
        ("Pileup.nTrueInt", 1, 10, 60),
        ("PuppiMET.phi", 1, -3.2, 3.2),
        ("PV.npvs", 1, 10, 60),
        ("LHEPdfWeight", 2, 0.8, 1.2),
        ("genWeight", 1, 0.8, 1.2),
        ("chi2_assigner.chi2", 1, 0, 1000),
        ("chi2_assigner.top.pt", 1, 30, 1000),
    ],
)
def test_toy_columns(path, depth, low, high):
    values = toy_columns([path])[path]
    assert (len(values), values.ndim) == (64, depth)
    assert low <= ak.min(values, axis=None) < ak.max(values, axis=None) <= high
