import os
import sys
from collections.abc import Callable
from pathlib import Path

import awkward as ak
import numpy as np
import pytest
import uproot

from hepreco.plugin import Correction, CorrectionInput

sys.path.append(str(Path(__file__).parent))  # the module that writes the example files

NANOAOD = Path(__file__).parents[3] / "tests" / "data" / "nanoaod_v15.root"
Read = Callable[..., CorrectionInput]


@pytest.fixture(scope="session")
def real() -> Path:
    """A file of CMS, which is not part of the repository; a CI run must have it, or say ``HEPRECO_SHARED=``."""
    said = os.environ.get("HEPRECO_SHARED")
    path = Path(said or Path(__file__).parents[4] / "shared") / "samples" / "nano_tt_v15.root"
    if said == "" or not path.is_file():
        message = f"no file {path}: set HEPRECO_SHARED"
        if os.environ.get("CI") == "true" and said != "":
            pytest.fail(message)
        pytest.skip(message)
    return path


@pytest.fixture
def read() -> Read:
    """What a correction reads of a small file of NanoAOD; all jets and muons are selected."""

    def of(correction: Correction, path: Path = NANOAOD, period: str = "") -> CorrectionInput:
        tree = uproot.open(path)["Events"]
        branches = {
            p: p.replace("jets.", "Jet.").replace("muons.", "Muon.").replace(".", "_") for p in correction.reads
        }
        columns = {path: tree[branch].array() for path, branch in branches.items()}
        if "jets.hadronFlavour" in columns:  # which the small file holds any number in
            columns["jets.hadronFlavour"] = ak.values_astype(4 + columns["jets.hadronFlavour"] % 2, np.uint8)
        names = ("run", "luminosityBlock", "event")
        identifiers = np.stack([tree[name].array(library="np").astype(np.int64) for name in names], axis=1)
        return CorrectionInput(columns, identifiers, "tt", period)

    return of
