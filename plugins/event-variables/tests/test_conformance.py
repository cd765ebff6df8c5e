from collections.abc import Callable

import pytest

import hepreco.testing
from hepreco.generation import TOPOLOGIES
from hepreco.plugin import Reconstructor
from hepreco_event_variables import KinematicVariables, LearnedVariable

RECONSTRUCTORS = [*(LearnedVariable(topology=name) for name in TOPOLOGIES), KinematicVariables()]


@pytest.mark.parametrize("reconstructor", RECONSTRUCTORS, ids=lambda r: getattr(r, "topology", type(r).__name__))
@pytest.mark.parametrize("check", hepreco.testing.CHECKS, ids=lambda check: check.__name__)
def test_conformance(check: Callable[[Reconstructor], None], reconstructor: Reconstructor) -> None:
    check(reconstructor)


def test_manifest() -> None:
    hepreco.testing.assert_manifest("hepreco_event_variables")
