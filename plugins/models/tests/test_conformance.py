from collections.abc import Callable

import pytest

import hepreco.testing
from hepreco.plugin import Reconstructor
from hepreco_models import ModelReconstructor


@pytest.mark.parametrize("check", hepreco.testing.CHECKS, ids=lambda check: check.__name__)
def test_conformance(check: Callable[[Reconstructor], None]) -> None:
    check(ModelReconstructor())


def test_manifest() -> None:
    hepreco.testing.assert_manifest("hepreco_models")
