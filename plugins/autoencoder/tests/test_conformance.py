from collections.abc import Callable

import pytest
from hepreco_autoencoder import AutoencoderReconstructor

import hepreco.testing
from hepreco.plugin import Reconstructor


@pytest.mark.parametrize("check", hepreco.testing.CHECKS, ids=lambda check: check.__name__)
def test_conformance(check: Callable[[Reconstructor], None]) -> None:
    check(AutoencoderReconstructor())
