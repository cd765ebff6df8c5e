"""Files as docs/Dataset.md of SPANet describes them, and those of its first version."""

import sys
from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import pytest
import torch

from hepreco.errors import ConfigError, DatasetError
from hepreco.formats import SpanetLabels, spanet_labels
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


def with_a_muon(path: Path) -> None:
    """The second object of the first event and the first of the second are leptons, of which one is a target."""
    version_2(path)
    with h5py.File(path, "a") as file:
        file["INPUTS/Source/utag"] = np.array([[0, 1, 0], [0, 0, 0]])
        file["INPUTS/Source/etag"] = np.array([[0, 0, 0], [1, 0, 0]])
        file["CLASSIFICATIONS/EVENT/signal"] = np.array([1, 0])
        file["REGRESSIONS/t/PARTICLE/mass"] = np.array([173.0, np.nan])


def test_leptons_are_no_jets(tmp_path: Path) -> None:
    with_a_muon(tmp_path / "tt.h5")
    (events,) = read_spanet(tmp_path / "tt.h5")
    assert pt(events.jets).tolist() == [pytest.approx([90, 0, 30]), pytest.approx([0, 50, 0])]
    assert events.jet_parton.tolist() == [[0, -1, 2], [-1, 0, -1]]
    assert events.jet_flavour.tolist() == [[5, 0, 0], [0, 5, 0]]


def test_labels_count_the_objects_of_each_collection(tmp_path: Path) -> None:
    with_a_muon(tmp_path / "tt.h5")
    labels = spanet_labels(tmp_path / "tt.h5")
    found = {
        target: {name: each.tolist() for name, each in positions.items()}
        for target, positions in labels.targets.items()
    }
    assert found == {
        "t/b": {"Jet": [0, 0], "Electron": [-1, -1], "Muon": [-1, -1]},
        "t/q1": {"Jet": [-1, -1], "Electron": [-1, -1], "Muon": [0, -1]},
        "t/q2": {"Jet": [1, -1], "Electron": [-1, 0], "Muon": [-1, -1]},
    }
    assert labels.classifications["EVENT/signal"].tolist() == [1, 0]
    assert labels.regressions["t/PARTICLE/mass"].tolist() == pytest.approx([173.0, np.nan], nan_ok=True)


@pytest.mark.parametrize("write", [version_1, version_2, with_a_muon])
def test_labels_of_some_entries(tmp_path: Path, write: Callable[[Path], None]) -> None:
    write(tmp_path / "tt.h5")
    every, last = (spanet_labels(tmp_path / "tt.h5", start=start) for start in (0, 1))
    assert isinstance(last, SpanetLabels)
    for target, positions in every.targets.items():
        assert [last.targets[target][name].tolist() for name in positions] == [
            each[1:].tolist() for each in positions.values()
        ]
    assert {name: len(each) for name, each in last.classifications.items()} == dict.fromkeys(every.classifications, 1)
    assert spanet_labels(tmp_path / "tt.h5", stop=0).targets["t1/b" if write is version_1 else "t/b"]["Jet"].size == 0


def test_labels_of_the_public_examples(samples: Path) -> None:
    """Numbers of complete events, and the lepton is in one of its collections."""
    hadronic = spanet_labels(samples / "spanet_ttbar_even.h5")
    assert np.all([each["Jet"] >= 0 for each in hadronic.targets.values()], axis=0).sum() == 1109
    leptonic = spanet_labels(samples / "spanet_tth_even.h5")
    lepton = leptonic.targets["lt/l"]
    assert (lepton["Jet"] == -1).all()
    assert (np.maximum(lepton["Electron"], lepton["Muon"]) <= 0).all()
    everything = [np.maximum.reduce(list(each.values())) >= 0 for each in leptonic.targets.values()]
    assert np.all(everything, axis=0).sum() == 109


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
