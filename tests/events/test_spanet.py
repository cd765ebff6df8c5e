"""SPANet's files of both versions as events: named as in NanoAOD, whatever the chunk, and without truth."""

import re
import shutil
import sys

import awkward as ak
import fsspec
import h5py
import numpy as np
import pytest

from hepreco.errors import ConfigError, DatasetError, UnreadableError
from hepreco.events import Columns, Dataset, InputSpec, ObjectSpec, read_batch
from hepreco.events.bookkeeping import read_sections
from hepreco.events.reading import read_chunks
from hepreco.events.sources import Source, open_source

EVENTS, SLOTS = 40, 7
TRUTH = ("TARGETS", "CLASSIFICATIONS", "REGRESSIONS")


@pytest.fixture(scope="module")
def measured():
    """Padded columns of objects, of which some are leptons, and of missing momentum."""
    rng = np.random.default_rng(3)
    mask = np.arange(SLOTS) < rng.integers(0, SLOTS + 1, EVENTS)[:, None]
    flags = rng.integers(0, 4, (EVENTS, SLOTS))
    objects = {
        "MASK": mask,
        "pt": rng.uniform(20, 200, (EVENTS, SLOTS)).astype(np.float32),
        "eta": rng.uniform(-2, 2, (EVENTS, SLOTS)).astype(np.float32),
        "phi": rng.uniform(-3, 3, (EVENTS, SLOTS)).astype(np.float32),
        "mass": rng.uniform(5, 10, (EVENTS, SLOTS)).astype(np.float32),
        "btag": rng.integers(0, 2, (EVENTS, SLOTS)).astype(bool),
        "etag": (flags == 1).astype(np.float32),
        "utag": (flags == 2).astype(np.float32),
    }
    met = {"met": rng.uniform(0, 90, EVENTS), "phi": rng.uniform(-3, 3, EVENTS), "sumet": rng.uniform(0, 900, EVENTS)}
    return objects, met


def write(path, objects, met=None, *, others=None, older=False):
    """A file of version 2, or of version 1, with truth."""
    sequence = "source" if older else "INPUTS/Objects"
    with h5py.File(path, "w") as file:
        for name, values in objects.items():
            file[f"{sequence}/{name.lower() if older else name}"] = values
        for name, values in (met or {}).items():
            file[f"INPUTS/Met/{name}"] = values
        for name, values in (others or {}).items():
            file[name] = values
        zeros = np.zeros(len(objects["MASK"]), int)
        for name in ("t1/b",) if older else ("TARGETS/t1/b", "CLASSIFICATIONS/EVENT/signal", "REGRESSIONS/EVENT/pz"):
            file[name] = zeros - 1
    return path


@pytest.fixture(scope="module")
def path(measured, tmp_path_factory):
    return write(tmp_path_factory.mktemp("spanet") / "a.h5", *measured)


def read(path, chunksize=1000):
    """All columns of every chunk."""
    return [
        ak.materialize(chunk)
        for chunk in read_chunks(Dataset("a", (str(path),)), Columns(anything=True), chunksize=chunksize)
    ]


@pytest.mark.parametrize("chunksize", [7, 1000])
def test_objects_have_the_numbers_of_the_file(measured, path, chunksize):
    objects, met = measured
    chunks = read(path, chunksize)
    assert [len(chunk) for chunk in chunks] == [min(chunksize, EVENTS - first) for first in range(0, EVENTS, chunksize)]
    is_lepton = {"Electron": objects["etag"] > 0, "Muon": objects["utag"] > 0}
    members = {name: objects["MASK"] & flag for name, flag in is_lepton.items()}
    members["Jet"] = objects["MASK"] & ~is_lepton["Electron"] & ~is_lepton["Muon"]
    for collection, held in members.items():
        for name in ("pt", "eta", "phi", "mass", "btag"):
            expected = [objects[name][event][held[event]].tolist() for event in range(EVENTS)]
            found = [values for chunk in chunks for values in chunk[collection][name].tolist()]
            assert found == expected, (collection, name)
        assert {"etag", "utag", "MASK"}.isdisjoint(chunks[0][collection].fields)
    for collection in ("MET", "PuppiMET"):
        assert np.concatenate([chunk[collection].pt for chunk in chunks]).tolist() == met["met"].tolist()
        assert np.concatenate([chunk[collection].phi for chunk in chunks]).tolist() == met["phi"].tolist()
        assert np.concatenate([chunk[collection].sumet for chunk in chunks]).tolist() == met["sumet"].tolist()
    assert np.concatenate([chunk.event for chunk in chunks]).tolist() == list(range(EVENTS))


def test_types_are_those_of_the_file(path):
    with open_source(str(path), "Events") as source:
        assert isinstance(source, Source)
        assert (source.entries, source.uuid) == (EVENTS, "")
        types = {"Jet_pt": "var * float32", "Jet_btag": "var * bool", "MET_pt": "float64", "nMuon": "int32"}
        for name, expected in types.items():
            assert str(source.form(name).type) == expected
            (values,) = source.read([name], 2, 5).values()
            assert values.layout.form == source.form(name)


def test_no_truth_is_among_the_columns(path):
    with open_source(str(path), "Events") as source:
        names = " ".join(source.names)
    assert not any(word in names for word in (*TRUTH, "t1", "signal", "pz"))


def test_version_1_and_sine_and_cosine(measured, path, tmp_path):
    """All-hadronic events of version 1 are those of version 2, of which one has azimuths by sine and cosine."""
    jets = {name: values for name, values in measured[0].items() if name not in ("etag", "utag")}
    older = write(tmp_path / "older.h5", jets, older=True)
    around = {"sin_phi": np.sin(jets["phi"]), "cos_phi": np.cos(jets["phi"])}
    other = write(tmp_path / "other.hdf5", {name: each for name, each in jets.items() if name != "phi"} | around)
    (one,), (two,) = map(read, (older, other))
    assert set(one.fields) == set(two.fields) == {"Jet", "run", "luminosityBlock", "event"}
    for name in ("pt", "eta", "mass", "btag"):
        assert one.Jet[name].tolist() == two.Jet[name].tolist()
    assert ak.all(abs(one.Jet.phi - two.Jet.phi) < 1e-6)
    assert set(two.Jet.fields) == {*("pt", "eta", "phi", "mass", "btag", "charge")}  # coffea adds a charge of zero


def test_a_plugin_gets_what_it_asks_for(measured, path):
    objects, met = measured
    jets = ObjectSpec("Jet", ("pt > 50",), at_least=1, features=("btag",))
    inputs = InputSpec((jets, ObjectSpec("Electron"), ObjectSpec("Muon")), missing_momentum="PuppiMET")
    batch = read_batch(Dataset("a", (str(path),)), inputs, chunksize=9)
    held = objects["MASK"] & (objects["pt"] > 50) & (objects["etag"] + objects["utag"] == 0)
    events = np.flatnonzero(held.any(axis=1))
    assert batch.event_id[:, 2].tolist() == events.tolist()
    tags = (held & objects["btag"]).sum(axis=1)[events]
    assert batch.features["btag"].sum(dim=1).tolist() == tags.tolist()
    muons = (objects["MASK"] & (objects["utag"] > 0)).sum(axis=1)[events]
    assert batch.collection("Muon").mask.sum(dim=1).tolist() == muons.tolist()
    assert batch.missing_momentum.norm(dim=1).tolist() == pytest.approx(met["met"][events].tolist())


def test_any_byte_order_further_axes_and_other_inputs(measured, tmp_path):
    objects, _ = measured
    swapped = objects | {"pt": objects["pt"].astype(">f4")[..., None], "embedding": np.zeros((EVENTS, SLOTS, 4))}
    others = {"INPUTS/of_events/ht": np.arange(EVENTS, dtype=np.int16), "INPUTS/Objects/word": b"text"}
    path = write(tmp_path / "a.h5", swapped, others=others)
    (events,) = read(path)
    assert events.ofevents.ht.tolist() == list(range(EVENTS))
    assert events.Muon.pt.tolist() == [
        objects["pt"][event][objects["MASK"][event] & (objects["utag"][event] > 0)].tolist() for event in range(EVENTS)
    ]
    assert {"embedding", "word"}.isdisjoint(events.Jet.fields)


def test_a_charge_that_the_file_has(measured, tmp_path):
    objects, _ = measured
    charged = objects | {"charge": np.where(objects["pt"] > 100, 1, -1)}
    inputs = InputSpec((ObjectSpec("Muon", ("pt > 100",), at_least=1, features=("charge",)),))
    batch = read_batch(Dataset("a", (str(write(tmp_path / "a.h5", charged)),)), inputs)
    assert (batch.features["charge"][batch.mask] == 1).all()


def test_a_charge_that_the_file_lacks(path):
    inputs = InputSpec((ObjectSpec("Muon", features=("charge",)),))
    with pytest.raises(DatasetError, match=r"a\.h5: no branch Muon_charge: the file does not tell the charge of Muon"):
        read_batch(Dataset("a", (str(path),)), inputs)


def test_leptons_without_flags_are_absent_and_names_are_told(measured, tmp_path):
    jets = {name: values for name, values in measured[0].items() if name not in ("etag", "utag")}
    path = str(write(tmp_path / "a.h5", jets))
    with pytest.raises(DatasetError, match="the events have no 'Electron'"):
        read_batch(Dataset("a", (path,)), InputSpec((ObjectSpec("Electron"),)))
    with pytest.raises(DatasetError, match="choose one of btag, eta, mass, phi, pt"):
        read_batch(Dataset("a", (path,)), InputSpec((ObjectSpec("Jet", features=("partonFlavour",)),)))


def test_no_events(measured, tmp_path):
    nothing = {name: values[:0] for name, values in measured[0].items()}
    with open_source(str(write(tmp_path / "a.h5", nothing)), "Events") as source:
        assert source.entries == 0
        assert len(source.read(["Jet_pt"], 0, 0)["Jet_pt"]) == 0


def test_an_address_that_fsspec_opens(path):
    with fsspec.open("memory://a.h5", "wb") as copy, path.open("rb") as file:
        shutil.copyfileobj(file, copy)
    (here,), (there,) = map(read, (path, "memory://a.h5"))
    assert there.to_list() == here.to_list()


def test_there_are_no_luminosity_sections(path):
    assert len(read_sections(str(path))) == 0


def _shorter(objects):
    return objects | {"eta": objects["eta"][:-1]}


def _one_axis(objects):
    return objects | {"MASK": objects["MASK"][:, 0]}


@pytest.mark.parametrize(("damage", "message"), [(_shorter, "has shape"), (_one_axis, "expected two axes")])
def test_inconsistent_files_are_unreadable(measured, tmp_path, damage, message):
    path = write(tmp_path / "a.h5", damage(measured[0]))
    with pytest.raises(UnreadableError, match=rf"a\.h5.*{message}"):
        open_source(str(path), "Events")


def test_a_file_cut_short_is_unreadable(path, tmp_path):
    (tmp_path / "a.h5").write_bytes(path.read_bytes()[:-100])
    with pytest.raises(UnreadableError, match=r"a\.h5 is not a readable HDF5 file"):
        open_source(str(tmp_path / "a.h5"), "Events")


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (("jets", "tracks"), "'jets' is a name of dumps of ATLAS flavour tagging"),
        (("event", "particle", "procInfo"), "'procInfo' is a name of LHEH5"),
        (("x", "y"), r"it has \['x', 'y'\], and no INPUTS"),
        (("INPUTS/Jets/MASK", "INPUTS/Leptons/MASK"), r"2 sequences with a mask.*it has \['Jets', 'Leptons'\]"),
        (("INPUTS/Jets/pt",), "0 sequences with a mask"),
    ],
)
def test_other_layouts_are_named(tmp_path, names, message):
    with h5py.File(tmp_path / "a.h5", "w") as file:
        for name in names:
            file[name] = np.zeros((2, 3))
    with pytest.raises(DatasetError, match=rf"a\.h5.*{message}") as refused:
        open_source(str(tmp_path / "a.h5"), "Events")
    assert not isinstance(refused.value, UnreadableError)
    assert "docs/Dataset.md" in refused.value.remedy


def test_a_table_of_pandas_is_named(tmp_path):
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file.create_group("anything").attrs["pandas_type"] = "frame"
    with pytest.raises(DatasetError, match="tables of pandas"):
        open_source(str(tmp_path / "a.h5"), "Events")


def test_two_groups_of_one_name(measured, tmp_path):
    others = {"INPUTS/Jet/ht": np.zeros(EVENTS)}
    with pytest.raises(DatasetError, match=re.escape("two groups that would be Jet: 'Objects' and 'Jet'")):
        open_source(str(write(tmp_path / "a.h5", measured[0], others=others)), "Events")


def test_without_h5py(path, monkeypatch):
    monkeypatch.setitem(sys.modules, "h5py", None)
    with pytest.raises(ConfigError, match=r"hepreco\[spanet\]"):
        open_source(str(path), "Events")


def test_leptons_of_the_public_example_are_one_in_each_event(samples):
    path = samples / "spanet_tth_even.h5"
    (events,) = read(path)
    with h5py.File(path) as file:
        objects = file["INPUTS/Momenta/MASK"][:].sum(axis=1)
    assert len(events) == 500
    assert (ak.num(events.Jet) == objects - 1).to_numpy().all()
    assert ak.all(ak.num(events.Electron) + ak.num(events.Muon) == 1)
    assert ak.all(abs(events.Muon.mass - 0.10566) < 1e-4)
