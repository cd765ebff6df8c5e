from collections.abc import Callable

import pytest

import hepreco.testing
from hepreco.plugin import Reconstructor
from hepreco_autoencoder import AutoencoderReconstructor


@pytest.mark.parametrize("check", hepreco.testing.CHECKS, ids=lambda check: check.__name__)
def test_conformance(check: Callable[[Reconstructor], None]) -> None:
    check(AutoencoderReconstructor())


def test_manifest() -> None:
    hepreco.testing.assert_manifest("hepreco_autoencoder")
