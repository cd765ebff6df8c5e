"""Fixtures of the whole suite: toy samples that the package makes, and real files where they are at hand."""

import os
from pathlib import Path

import pytest

from hepreco.events import Dataset
from hepreco.generation import ToySample, write_toy


@pytest.fixture(scope="session")
def hadronic(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    """400 toy all-hadronic tt̄ events with their cross-section."""
    path = tmp_path_factory.mktemp("toy") / "hadronic.root"
    return Dataset("ttbar", (str(write_toy(ToySample("ttbar-hadronic", 400), path)),), cross_section=380.0)


@pytest.fixture(scope="session")
def multijet(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    path = tmp_path_factory.mktemp("toy") / "multijet.root"
    return Dataset("multijet", (str(write_toy(ToySample("multijet", 300, seed=2), path)),))


@pytest.fixture(scope="session")
def lepton_jets(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    path = tmp_path_factory.mktemp("toy") / "lepton_jets.root"
    return Dataset("lepton_jets", (str(write_toy(ToySample("ttbar-lepton-jets", 300, seed=3), path)),))


@pytest.fixture(scope="session")
def samples() -> Path:
    """Real CMS NanoAOD files, which are not part of the repository."""
    root = Path(os.environ.get("HEPRECO_SHARED", Path(__file__).parents[2] / "shared")) / "samples"
    if not root.is_dir():
        message = f"no real samples at {root}: set HEPRECO_SHARED"
        if os.environ.get("CI") == "true":
            pytest.fail(message)
        pytest.skip(message)
    return root
