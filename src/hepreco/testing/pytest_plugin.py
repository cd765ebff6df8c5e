"""What pytest offers wherever hepreco is installed; imports nothing heavy."""

from importlib.metadata import version
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

    from hepreco.events import EventBatch


def pytest_report_header() -> str:
    """Say which hepreco is tested."""
    return f"hepreco: {version('hepreco')}"


@pytest.fixture
def toy_batch_factory() -> "Callable[..., EventBatch]":
    """Hand over the function :func:`hepreco.testing.toy_batch`."""
    from hepreco.testing.toys import toy_batch  # noqa: PLC0415  torch is imported where a test asks for it

    return toy_batch
