from collections.abc import Callable

import pytest

import hepreco.testing
from hepreco.detector import Detector
from hepreco.plugin import Reconstructor
from hepreco_me_assigner import Anomaly, LikelihoodRatio, MatrixElementAssigner

PLUGINS = {
    "exact": MatrixElementAssigner(at_most=6),
    "marginal": MatrixElementAssigner(solver="marginal", b_tag="btagDeepFlavB", top_width=12.0, w_width=8.0),
    "greedy": MatrixElementAssigner(solver="greedy", at_most=7),
    "beam": MatrixElementAssigner(solver="beam"),
    "policy": MatrixElementAssigner(solver="policy"),
    "resolution": MatrixElementAssigner(solver="marginal", resolution=(0.8, 0.05), b_tag="btagDeepFlavB"),
    "lepton-jets": MatrixElementAssigner(process="ttbar-lepton-jets", at_most=4),
    "lepton-jets-greedy": MatrixElementAssigner(process="ttbar-lepton-jets", solver="greedy", top_width=15.0),
    "lepton-jets-resolution": MatrixElementAssigner(
        process="ttbar-lepton-jets", solver="marginal", resolution=(0.8, 0.05), b_tag="btagDeepFlavB"
    ),
    "two-leptons": MatrixElementAssigner(process="ttbar-dilepton", solver="marginal", resolution=(0.8, 0.05)),
    "higgs": MatrixElementAssigner(
        process="tth-lepton-jets", solver="marginal", resolution=Detector(jet_tail_fraction=0.1), lepton_charge=False
    ),
    "likelihood-ratio": LikelihoodRatio(calls=16),
    "anomaly": Anomaly(backgrounds=("ttbar", "wwuu"), fractions=(1.0, 2.0), solver="marginal", calls=16),
}


@pytest.mark.parametrize("check", hepreco.testing.CHECKS, ids=lambda check: check.__name__)
@pytest.mark.parametrize("solver", PLUGINS)
def test_conformance(solver: str, check: Callable[[Reconstructor], None]) -> None:
    check(PLUGINS[solver])


def test_manifest() -> None:
    hepreco.testing.assert_manifest("hepreco_me_assigner")
