"""Reading as a phase, on files of NanoAOD's structure: every source gives the same events, and damage is found."""

import time
from contextlib import AbstractContextManager
from pathlib import Path

import awkward as ak
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import uproot

from hepreco.errors import ConfigError, DatasetError, UnreadableError
from hepreco.events import Dataset, InputSpec, ObjectSpec, column, read_batch, to_fileset
from hepreco.events.columns import Columns, branches, compared, is_bit, missing_column, of_inputs
from hepreco.events.reading import ChunkReader, attempt, read_events
from hepreco.events.sources import open_source
from hepreco.events.trees import open_tree

DATA = Path(__file__).parents[1] / "data"
FILE = DATA / "nanoaod_v15.root"
EVENTS, HALF = 12, 6
COLUMNS = Columns(required=("Jet.pt", "Jet.eta", "Jet.phi", "Jet.mass", "HLT.IsoMu24", "Electron.charge"))


@pytest.fixture(scope="module")
def plain():
    """The columns as uproot reads them."""
    with uproot.open(FILE)["Events"] as tree:
        return {name: tree[name].array() for name in tree.keys(recursive=False)}


@pytest.fixture(scope="module")
def copies(plain, tmp_path_factory):
    """The same events as a TTree, an RNTuple and in Parquet of three row groups."""
    folder = tmp_path_factory.mktemp("copies")
    jets = ak.zip({name: plain[f"Jet_{name}"] for name in ("pt", "eta", "phi", "mass", "btagDeepFlavB")})
    numbers = {name: plain[name] for name in ("run", "luminosityBlock", "event", "genWeight")}
    with uproot.recreate(folder / "rntuple.root") as file:
        file.mkrntuple("Events", {"Jet": jets, **numbers})
    names = [name for name in plain if name in numbers or name == "nJet" or name.startswith("Jet_")]
    table = pa.table({name: ak.to_arrow(plain[name], extensionarray=False) for name in names})
    pq.write_table(table, folder / "table.parquet", row_group_size=5)
    return {"tree": FILE, "rntuple": folder / "rntuple.root", "parquet": folder / "table.parquet"}


@pytest.mark.parametrize("kind", ["tree", "rntuple", "parquet"])
@pytest.mark.parametrize("chunksize", [1, 5, 100])
def test_every_format_and_chunk_gives_the_same_events(copies, kind, chunksize, plain):
    inputs = InputSpec((ObjectSpec("Jet", ("pt > 40", "|eta| < 2"), at_least=2, features=("btagDeepFlavB",)),))
    told = []
    batch = read_batch(Dataset("a", (str(copies[kind]),)), inputs, chunksize=chunksize, progress=told.append)
    assert sum(told) == EVENTS
    assert max(told) <= chunksize
    passing = (plain["Jet_pt"] > 40) & (abs(plain["Jet_eta"]) < 2)
    enough = ak.sum(passing, axis=1) >= 2
    assert batch.event_id[:, 2].tolist() == plain["event"][enough].tolist()
    assert batch.weight.tolist() == plain["genWeight"][enough].tolist()
    assert batch.mask.sum(dim=1).tolist() == ak.sum(passing, axis=1)[enough].tolist()
    tags = ak.drop_none(plain["Jet_btagDeepFlavB"].mask[passing])[enough]
    assert batch.features["btagDeepFlavB"].sum(dim=1).tolist() == pytest.approx(ak.sum(tags, axis=1).tolist())


def test_declared_columns_are_read_at_once_and_others_when_they_are_asked_for(plain):
    with open_source(str(FILE), "Events") as source:
        reader = ChunkReader(source, path=str(FILE), start=3, stop=9)
        events = read_events(reader, Columns(required=COLUMNS.required, anything=True), metadata={"dataset": "a"})
        assert {"Jet_pt", "nJet", "HLT_IsoMu24", "genWeight", "event"} <= set(reader._read)
        assert "Muon_pt" not in reader._read
        assert events.metadata["dataset"] == "a"
        assert events.Muon.pt.tolist() == plain["Muon_pt"][3:9].tolist()
        assert "Muon_pt" in reader._read
        assert column(events, "HLT.IsoMu24").tolist() == plain["HLT_IsoMu24"][3:9].tolist()
        assert events.Jet.matched_gen.pt.tolist() == [
            [gen[i] if i >= 0 else None for i in index]
            for gen, index in zip(plain["GenJet_pt"][3:9].tolist(), plain["Jet_genJetIdx"][3:9].tolist(), strict=True)
        ]
        assert reader.notes == set()
        assert reader.failure is None


def test_types_are_those_of_the_file(plain):
    with open_source(str(FILE), "Events") as source:
        assert source.entries == EVENTS
        for name, dtype in (
            ("Jet_nConstituents", "uint8"), ("Jet_genJetIdx", "int16"), ("TrigObj_filterBits", "uint64"),
            ("GenPart_statusFlags", "uint16"), ("HLT_IsoMu24", "bool"), ("TauSpinner_weight_cp_0", "float64"),
            ("PSWeight", "float32"), ("nJet", "int32"),
        ):  # fmt: skip
            assert dtype in str(source.form(name).type)
            (values,) = source.read([name], 2, 5).values()
            assert values.tolist() == plain[name][2:5].tolist()
    with open_source(str(DATA / "nanoaod_v12.root"), "Events") as source:
        assert "int8" in str(source.form("BeamSpot_type").type)
        assert "genWeight" not in source.names


def test_only_the_metadata_of_wanted_branches_are_read():
    everything = open_tree(str(FILE), "Events", wanted=lambda _: True)
    few = open_tree(str(FILE), "Events", wanted=COLUMNS.wanted)
    assert few.names == everything.names
    assert len(few.names) > 250
    kept = {branch.name for branch in few.tree.branches}
    assert {"nJet", "Jet_pt", "Jet_mass", "HLT_IsoMu24", "Electron_charge", "nElectron", "run", "genWeight"} <= kept
    assert {"Jet_btagDeepFlavB", "Muon_pt", "nMuon", "HLT_PFHT1050", "PSWeight"}.isdisjoint(kept)
    assert few.tree["Jet_pt"].array().tolist() == everything.tree["Jet_pt"].array().tolist()
    with pytest.raises(KeyError):
        open_tree(str(FILE), "Nothing", wanted=lambda _: True)


def test_what_a_run_wants():
    assert COLUMNS.wanted("Jet_pt")
    assert COLUMNS.wanted("Jet_charge")  # coffea's records need one
    assert not COLUMNS.wanted("Jet_btagDeepFlavB")
    assert not COLUMNS.wanted("nMuon")
    assert not COLUMNS.wanted("HLT_PFHT1050")
    assert Columns(required=("Jet",)).wanted("Jet_btagDeepFlavB")
    assert Columns(anything=True).wanted("Whatever_it_is")
    assert Columns().wanted("genWeight")
    assert not Columns().wanted("nothing")


def test_columns_of_two_are_joined_without_repeating():
    one, other = Columns(("a.b", "c.d"), ("e.f",)), Columns(("c.d", "g.h"), ("e.f", "i.j"), anything=True)
    assert one | other == Columns(("a.b", "c.d", "g.h"), ("e.f", "i.j"), anything=True)
    assert (one | Columns()).anything is False


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("Jet.pt", ("Jet_pt",)),
        ("run", ("run",)),
        ("Jet.energy", ("Jet_pt", "Jet_eta", "Jet_phi", "Jet_mass")),
        ("chi2_assigner.top.mass", ("chi2_assigner_top",)),
    ],
)
def test_branches_behind_a_column(path, expected):
    assert branches(path) == expected


def test_missing_columns_are_those_that_a_file_lacks():
    names = ("Jet_pt", "Jet_eta", "Jet_phi", "nJet", "run", "HLT_IsoMu24")
    asked = Columns(
        ("Jet.pt", "Jet", "Muon", "Muon.pt", "Jet.mass", "Jet.energy", "run", "lumi", "HLT.Ele"), ("Tau.pt",)
    )
    assert asked.missing(names) == ["Muon", "Muon.pt", "Jet.mass", "Jet.energy", "lumi", "HLT.Ele"]
    assert asked.missing((*names, "Jet_mass")) == ["Muon", "Muon.pt", "lumi", "HLT.Ele"]
    assert Columns(("Photon.mass",)).missing(("Photon_pt",)) == []  # coffea adds it
    assert is_bit("HLT.Ele")
    assert not is_bit("Jet.pt")
    assert asked.present(names) == ["Jet_pt", "Jet_eta", "Jet_phi", "nJet", "run"]


def test_what_a_plugin_reads():
    spec = InputSpec((ObjectSpec("Jet", ("pt > 30", "|eta| < 2"), features=("tag",)), ObjectSpec("Muon")), "MET")
    assert of_inputs(spec).required == (
        *("Jet.pt", "Jet.eta", "Jet.phi", "Jet.mass", "Jet.tag"),
        *("Muon.pt", "Muon.eta", "Muon.phi", "Muon.mass", "MET.pt", "MET.phi"),
    )
    assert compared(("pt > 3", "|eta| < 2")) == ("pt", "eta")


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("genWeight", "no branch 'genWeight', which a dataset with a cross-section needs"),
        ("Jet.ptt", r"no branch 'Jet_ptt' \(Jet has no 'ptt'\)(.|\n)*pt"),
        ("Jot.pt", r"no branch 'Jot_pt' \(the events have no 'Jot'\)(.|\n)*Jet"),
    ],
)
def test_a_missing_column_is_named_with_the_closest(path, message):
    error = missing_column(path, file="a.root", names=("Jet_pt", "Jet_eta", "Muon_pt"))
    with pytest.raises(DatasetError, match=f"a.root: {message}"):
        raise error


def write(path, **branches):
    with uproot.recreate(path) as file:
        tree = file.mktree("Events", {name: values.dtype if isinstance(values, np.ndarray) else values.type.content
                                      for name, values in branches.items()})  # fmt: skip
        tree.extend(branches)
    return path


def test_a_trigger_that_a_file_lacks_counts_as_false(tmp_path):
    path = write(tmp_path / "a.root", run=np.ones(3, np.uint32), Jet=ak.zip({"pt": ak.Array([[50.0], [], [60.0]])}))
    with open_source(str(path), "Events") as source:
        reader = ChunkReader(source, path=str(path), start=1, stop=3)
        events = read_events(reader, Columns(("Jet.pt", "HLT.IsoMu24")), metadata={})
        assert column(events, "HLT.IsoMu24").tolist() == [False, False]
        assert events.event.tolist() == [1, 2]  # numbered by entry, since the file has none
        assert events.luminosityBlock.tolist()[0] == events.luminosityBlock.tolist()[1] > 0
        assert {note.partition(" ")[0] for note in reader.notes} == {"luminosityBlock,"}
        with pytest.raises(DatasetError, match="no branch 'Muon_pt'"):
            reader.preload(Columns(("Muon.pt",)))


def test_a_counter_that_a_file_lacks_is_counted(tmp_path):
    path = tmp_path / "a.root"
    columns = {f"Jet_{name}": ak.Array([[50.0, 40.0], [], [1.0]]) for name in ("pt", "eta", "phi", "mass")}
    with uproot.recreate(path) as file:
        types = dict.fromkeys(columns, "var * float64") | {"number": "int64"}
        file.mktree("Events", types, counter_name=lambda name: f"other_{name}")
        file["Events"].extend({**columns, "number": np.arange(3)})
    with open_source(str(path), "Events") as source:
        assert "nJet" not in source.names
        reader = ChunkReader(source, path=str(path), start=0, stop=3)
        events = read_events(reader, Columns(("Jet.pt",)), metadata={})
        assert events.Jet.pt.tolist() == columns["Jet_pt"].tolist()
        assert any(note.startswith("nJet is missing") for note in reader.notes)


def test_a_counter_that_lies_is_found(tmp_path):
    class Lying(AbstractContextManager):
        """A source whose counter is of other events."""

        names, entries, uuid = ("nJet", "Jet_pt"), 2, ""

        def __exit__(self, *error):
            return None

        def form(self, name):
            raise NotImplementedError

        def read(self, names, start, stop):
            both = {"nJet": ak.Array([1, 2]), "Jet_pt": ak.Array([[1.0], [2.0]])}
            return {name: both[name][start:stop] for name in names}

    with pytest.raises(UnreadableError, match="nJet is not the number of entries of Jet_pt"):
        ChunkReader(Lying(), path="a", start=0, stop=2)("Jet_pt")
    assert ChunkReader(Lying(), path="a", start=0, stop=1)("Jet_pt").tolist() == [[1.0]]
    reader = ChunkReader(Lying(), path="a", start=0, stop=3)
    with pytest.raises(UnreadableError, match="has 2 of 3 entries"):
        reader("nJet")
    assert isinstance(reader.failure, UnreadableError)


@pytest.mark.parametrize(
    ("found", "message"),
    [
        ({}, "cannot read a: KeyError: 'Jet_pt'"),
        (
            {"Jet_pt": ak.contents.ListOffsetArray(ak.index.Index64([0, 1, 3]), ak.contents.NumpyArray(np.zeros(0)))},
            "Jet_pt has fewer numbers than its lists have places",
        ),
    ],
)
def test_a_source_that_gives_less_than_was_asked_for_is_unreadable(found, message):
    class Short(AbstractContextManager):
        """A source whose descriptions promise more than it has."""

        names, entries, uuid = ("Jet_pt",), 2, ""

        def __exit__(self, *error):
            return None

        def form(self, name):
            raise NotImplementedError

        def read(self, *_):
            return {name: ak.Array(layout) for name, layout in found.items()}

    with pytest.raises(UnreadableError, match=message):
        ChunkReader(Short(), path="a", start=0, stop=2)("Jet_pt")


def test_reading_has_an_end_and_says_what_went_wrong():
    assert attempt(lambda: 3, path="a") == 3
    with pytest.raises(UnreadableError, match=r"a: no answer within 0\.05 seconds"):
        attempt(lambda: time.sleep(1), path="a", timeout=0.05)
    with pytest.raises(UnreadableError, match="cannot read a: ValueError: some text"):
        attempt(lambda: _raise(ValueError("some\ntext")), path="a")
    with pytest.raises(ConfigError, match="mine"):
        attempt(lambda: _raise(ConfigError("mine", "do it")), path="a")
    with pytest.raises(UnreadableError) as caught:
        attempt(lambda: _raise(OSError("x" * 1000)), path="a")
    assert len(caught.value.problem) == len("cannot read a: ") + 300


def _raise(error):
    raise error


@pytest.mark.parametrize(
    ("tree", "branches", "message"),
    [
        ("CollectionTree", {"x": np.ones(2)}, "an ATLAS derivation, such as PHYSLITE"),
        ("Delphes", {"x": np.ones(2)}, "Delphes"),
        ("events", {"EventHeader": np.ones(2)}, "EDM4hep"),
    ],
)
def test_other_formats_are_named(tmp_path, tree, branches, message):
    with uproot.recreate(tmp_path / "a.root") as file:
        file[tree] = branches
    with pytest.raises(DatasetError, match=f"a.root is not NanoAOD.*{message}"):
        open_source(str(tmp_path / "a.root"), "Events" if tree != "events" else tree)


def test_a_file_without_the_tree_is_unreadable(tmp_path):
    with pytest.raises(UnreadableError, match="has no tree 'Evts'"):
        open_source(str(FILE), "Evts")


def test_a_fileset_forgets_what_coffea_remembers_of_its_datasets_only():
    from coffea.processor.executor import DEFAULT_METADATA_CACHE, FileMeta  # noqa: PLC0415

    mine, other = FileMeta("mine", "a.root", "Events"), FileMeta("other", "a.root", "Events")
    DEFAULT_METADATA_CACHE[mine], DEFAULT_METADATA_CACHE[other] = mine, other
    try:
        made = to_fileset([Dataset("mine", (str(FILE),), cross_section=3.0)])
        assert mine not in DEFAULT_METADATA_CACHE
        assert other in DEFAULT_METADATA_CACHE
    finally:
        DEFAULT_METADATA_CACHE.pop(other, None)
    assert made["mine"]["files"] == {str(FILE.resolve()): "Events"}
    metadata = {"cross_section": 3.0, "period": "", "data": False, "certified": ""}
    metadata |= {"triggers": [], "veto_triggers": [], "veto_datasets": []}
    assert {**made["mine"]["metadata"], "filters": ()} == {**metadata, "filters": ()}
