"""Files as docs/Dataset.md of SPANet describes them, and those of its first version."""

import sys
from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import pytest
import torch

from hepreco.errors import ConfigError, DatasetError
from hepreco.generation import read_spanet, spanet_targets
from hepreco.kinematics import mass, pt

MASK = np.array([[1, 1, 1], [1, 1, 0]], dtype=bool)
PT = np.array([[90.0, 60.0, 30.0], [80.0, 50.0, 0.0]], dtype=np.float32)
ZERO = np.zeros((2, 3), dtype=np.float32)
BTAG = np.array([[1, 0, 0], [0, 1, 0]], dtype=np.float32)


def version_2(path: Path) -> None:
    with h5py.File(path, "w") as file:
        jets = file.create_group("INPUTS/Source")
        for name, values in {"MASK": MASK, "pt": PT, "eta": ZERO + 0.5, "mass": ZERO + 5, "btag": BTAG}.items():
            jets[name] = values
        jets["sin_phi"], jets["cos_phi"] = ZERO + 1, ZERO
        file["INPUTS/Met/met"], file["INPUTS/Met/phi"] = np.array([20.0, 30.0]), np.array([0.0, np.pi])
        for name, index in {"t/b": [0, 1], "t/q1": [1, -1], "t/q2": [2, 0]}.items():
            file[f"TARGETS/{name}"] = np.array(index)


def version_1(path: Path) -> None:
    with h5py.File(path, "w") as file:
        for name, values in {"mask": MASK, "pt": PT, "eta": ZERO, "phi": ZERO, "mass": ZERO, "btag": BTAG}.items():
            file[f"source/{name}"] = values
        file["t1/mask"] = np.array([True, False])
        for name, index in {"b": [0, 1], "q1": [1, 0], "q2": [2, 0]}.items():
            file[f"t1/{name}"] = np.array(index)


def test_version_2(tmp_path: Path) -> None:
    version_2(tmp_path / "tt.h5")
    assert spanet_targets(tmp_path / "tt.h5") == ("t/b", "t/q1", "t/q2")
    (events,) = read_spanet(tmp_path / "tt.h5")
    torch.testing.assert_close(pt(events.jets), torch.from_numpy(PT).double())
    torch.testing.assert_close(mass(events.jets)[torch.from_numpy(MASK)], torch.full((5,), 5.0).double())
    torch.testing.assert_close(events.jets[0, :, 2], torch.from_numpy(PT[0]).double())  # along y
    assert events.jet_parton.tolist() == [[0, 1, 2], [2, 0, -1]]
    assert events.jet_flavour.tolist() == [[5, 0, 0], [0, 5, 0]]
    assert events.jet_btag.tolist() == BTAG.tolist()
    torch.testing.assert_close(events.missing_momentum, torch.tensor([[20.0, 0.0], [-30.0, 0.0]]).double())


def test_version_1_masks_particles(tmp_path: Path) -> None:
    version_1(tmp_path / "tt.h5")
    (events,) = read_spanet(tmp_path / "tt.h5")
    assert events.jet_parton.tolist() == [[0, 1, 2], [-1, -1, -1]]


def test_blocks_are_one_file(tmp_path: Path) -> None:
    version_2(tmp_path / "tt.h5")
    one, other = read_spanet(tmp_path / "tt.h5", block=1)
    (both,) = read_spanet(tmp_path / "tt.h5")
    assert (torch.cat((one.jets, other.jets)) == both.jets).all()


def _shorter_pt(path: Path) -> None:
    with h5py.File(path, "a") as file:
        del file["INPUTS/Source/pt"]
        file["INPUTS/Source/pt"] = PT[:1]


def _no_mass(path: Path) -> None:
    with h5py.File(path, "a") as file:
        del file["INPUTS/Source/mass"]


def _beyond(path: Path) -> None:
    with h5py.File(path, "a") as file:
        file["TARGETS/t/b"][1] = 2


def _text(path: Path) -> None:
    path.write_text("no HDF5")


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (_shorter_pt, "shape"),
        (_no_mass, "no mass"),
        (_beyond, "no such jet"),
        (_text, "not a readable HDF5 file"),
        (Path.unlink, "no file"),
    ],
)
def test_damaged_files(damage: Callable[[Path], None], message: str, tmp_path: Path) -> None:
    version_2(tmp_path / "tt.h5")
    damage(tmp_path / "tt.h5")
    with pytest.raises(DatasetError, match=message):
        list(read_spanet(tmp_path / "tt.h5"))


def test_without_h5py(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "h5py", None)
    with pytest.raises(ConfigError, match=r"hepreco\[spanet\]"):
        list(read_spanet(tmp_path / "tt.h5"))
