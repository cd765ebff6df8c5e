"""Fixtures for pytest, available wherever hepreco is installed; imports nothing heavy."""

from importlib.metadata import version
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

    from hepreco.events import EventBatch


def pytest_report_header() -> str:
    """Report the version of hepreco."""
    return f"hepreco: {version('hepreco')}"


@pytest.fixture
def toy_batch_factory() -> "Callable[..., EventBatch]":
    """The function :func:`hepreco.testing.toy_batch`."""
    from hepreco.testing.toys import toy_batch  # noqa: PLC0415  imports torch

    return toy_batch
