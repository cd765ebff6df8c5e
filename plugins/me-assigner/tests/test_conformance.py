from collections.abc import Callable

import pytest

import hepreco.testing
from hepreco.plugin import Reconstructor
from hepreco_me_assigner import MatrixElementAssigner

PLUGINS = {
    "exact": MatrixElementAssigner(),
    "marginal": MatrixElementAssigner(solver="marginal", b_tag="btagDeepFlavB", top_width=12.0, w_width=8.0),
    "greedy": MatrixElementAssigner(solver="greedy", at_most=7),
    "beam": MatrixElementAssigner(solver="beam"),
    "policy": MatrixElementAssigner(solver="policy"),
}


@pytest.mark.parametrize("check", hepreco.testing.CHECKS, ids=lambda check: check.__name__)
@pytest.mark.parametrize("solver", PLUGINS)
def test_conformance(solver: str, check: Callable[[Reconstructor], None]) -> None:
    check(PLUGINS[solver])
