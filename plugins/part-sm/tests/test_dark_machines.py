import gzip
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
import uproot
from coffea import nanoevents

from hepreco.errors import DatasetError, OutputError
from hepreco.events import Dataset, read_batch
from hepreco_part_sm import EventClassifier, Kind
from hepreco_part_sm.dark_machines import read_dark_machines, write_nanoaod

#: Single precision.
CLOSE = 1e-6

#: A jet of 100 GeV at η = 0.5 whose mass is √(100² − (50 cosh 0.5)²); a positron whose E is less than p.
LINES = """\
7;4top;0.5;60000.5;1.25;j,100000,50000,0.5,-1.0;b,90000,80000,0.1,2.0;e-,30000,28000,0.3,0.4;

8; ttbar; -1.5; 1e4; -3.0; m+,50000,50000,0.0,1.0; g,60000,60000,0,0; e+,40000,30000,1,3; m-,90000,70000,0.5,2
9;4top;1;0;0
"""


@pytest.fixture
def text(tmp_path: Path) -> Path:
    path = tmp_path / "events.csv"
    path.write_text(LINES, encoding="utf-8")
    return path


def test_events_have_nanoaods_names_and_units(text):
    events = read_dark_machines(text)
    assert events.event.tolist() == [7, 8, 9]
    assert events.run.tolist() == events.luminosityBlock.tolist() == [1, 1, 1]
    assert events.process.tolist() == ["4top", "ttbar", "4top"]
    assert events.genWeight.tolist() == [0.5, -1.5, 1.0]
    assert events.PuppiMET_pt.tolist() == pytest.approx([60.0005, 10.0, 0.0], rel=CLOSE)
    assert events.PuppiMET_phi.tolist() == [1.25, -3.0, 0.0]
    b, j = events.Jet[0].tolist()
    mass = math.sqrt(100**2 - (50 * math.cosh(0.5)) ** 2)
    assert (j["pt"], j["eta"], j["phi"], j["btagDeepFlavB"]) == (50.0, 0.5, -1.0, 0.0)
    assert j["mass"] == pytest.approx(mass, rel=CLOSE)
    assert (b["pt"], b["btagDeepFlavB"]) == (80.0, 1.0)
    assert events.Electron.pdgId.tolist() == [[11], [-11], []]
    assert events.Electron.charge.tolist() == [[-1], [1], []]
    assert events.Electron.mass[1].tolist() == [0.0]
    assert events.Muon.pdgId.tolist() == [[], [13, -13], []]
    assert events.Muon.charge.tolist() == [[], [-1, 1], []]
    assert events.Photon.pt.tolist() == [[], [60.0], []]
    assert "mass" not in events.Photon.fields


def test_gzipped_text_reads_alike(text, tmp_path):
    path = tmp_path / "events.csv.gz"
    path.write_bytes(gzip.compress(text.read_bytes()))
    assert read_dark_machines(path).tolist() == read_dark_machines(text).tolist()
    path.write_bytes(gzip.compress(text.read_bytes())[:-20])
    with pytest.raises(DatasetError, match=r"events\.csv\.gz: cannot be read after line"):
        read_dark_machines(path)


def test_one_process_of_a_file(text):
    assert read_dark_machines(text, process="4top").event.tolist() == [7, 9]
    with pytest.raises(DatasetError, match="no events of the process 'ttz'"):
        read_dark_machines(text, process="ttz")


def test_a_written_file_is_read_as_any_other(text, tmp_path):
    path = tmp_path / "new" / "events.root"
    assert write_nanoaod(text, path) == 3
    assert [file.name for file in path.parent.iterdir()] == ["events.root"]
    classifier = EventClassifier()
    batch = read_batch(Dataset("text", files=(str(path),)), classifier.inputs)
    assert batch.event_id.tolist() == [[1, 1, 7], [1, 1, 8], [1, 1, 9]]
    assert batch.weight.tolist() == [0.5, -1.5, 1.0]
    particles = classifier.particles(batch).trimmed()
    assert particles.kinds.tolist() == [
        [Kind.B_JET, Kind.JET, Kind.ELECTRON, 0],
        [Kind.MUON, Kind.PHOTON, Kind.ANTIMUON, Kind.POSITRON],
        [0, 0, 0, 0],
    ]
    expected = torch.tensor([60.0005 * math.cos(1.25), 60.0005 * math.sin(1.25)], dtype=torch.float64)
    torch.testing.assert_close(particles.missing_momentum[0], expected, rtol=CLOSE, atol=0)
    torch.testing.assert_close(particles.momenta[0, :2, 0], torch.tensor([90.0, 100.0]).double(), rtol=CLOSE, atol=0)
    assert classifier.reconstruct(batch)["score_tttt"].isnan().tolist() == [False, False, True]


def test_readers_find_what_they_expect(text, tmp_path):
    """Even coffea's own schema, which warns of every reference that it misses."""
    write_nanoaod(text, tmp_path / "events.root")
    events = nanoevents.NanoEventsFactory.from_root(
        {str(tmp_path / "events.root"): "Events"}, schemaclass=nanoevents.NanoAODSchema, mode="virtual"
    ).events()
    assert events.Jet.pt.tolist() == [[80.0, 50.0], [], []]
    assert events.Tau.pt.tolist() == [[], [], []]
    with uproot.open(tmp_path / "events.root") as file:
        runs = file["Runs"].arrays()
    assert (runs.genEventCount.tolist(), runs.genEventSumw.tolist()) == ([3], [0.0])


def test_many_events_are_written_block_by_block(tmp_path):
    generator = np.random.default_rng(1)
    pt = 20_000 + 1000 * generator.integers(100, size=25_000)
    lines = (f"{number};p;1;5000;0;j,{2 * value},{value},0,0\n" for number, value in enumerate(pt))
    (tmp_path / "many.csv").write_text("".join(lines), encoding="utf-8")
    assert write_nanoaod(tmp_path / "many.csv", tmp_path / "many.root") == 25_000
    with uproot.open({tmp_path / "many.root": "Events"}) as tree:
        columns = tree.arrays(["event", "Jet_pt", "luminosityBlock"])
    assert columns.event.tolist() == list(range(25_000))
    assert (columns.Jet_pt[:, 0].to_numpy() == pt / 1000).all()
    assert columns.luminosityBlock[-1] == 25


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("1;p;1;5000", "4 fields, expected at least 5"),
        ("1;p;1;5000;0;t,9,8,0,0", "unknown symbol 't', expected one of j, b, e-"),
        ("1;p;1;5000;0;;", "unknown symbol ''"),
        ("1;p;1;5000;0;j,9,8,0", "of 3 numbers, expected 4"),
        ("1;p;1;5000;0;j,9,8,0,0,0", "of 5 numbers, expected 4"),
        ("1;p;1;5000;0;j,9,x,0,0", "could not convert string to float: 'x'"),
        ("1;p;1;5000;0;j,9,nan,0,0", "'nan' where a finite number"),
        ("1;p;1;5000;0;j,9,8,inf,0", "'inf' where a finite number"),
        ("1;p;1e39;5000;0", "'1e39' where a finite number"),
        ("1;p;1;-5;0", "a missing momentum of -5"),
        ("1;p;1;5000;0;j,9,-8,0,0", "expected E and pt above 0"),
        ("-1;p;1;5000;0", "event number -1"),
        ("one;p;1;5000;0", "invalid literal"),
    ],
)
def test_lines_that_are_no_events_are_named(line, message, tmp_path):
    path = tmp_path / "bad.csv"
    path.write_text(f"1;p;1;5000;0\n\n{line}\n", encoding="utf-8")
    with pytest.raises(DatasetError, match=r"bad\.csv, line 3: .*" + message):
        read_dark_machines(path)
    with pytest.raises(DatasetError, match=r"bad\.csv, line 3"):
        write_nanoaod(path, tmp_path / "bad.root")
    assert [file.name for file in tmp_path.iterdir()] == ["bad.csv"]


def test_files_that_cannot_be_read_or_written(text, tmp_path):
    with pytest.raises(DatasetError, match="cannot be read"):
        read_dark_machines(tmp_path / "nowhere.csv")
    (tmp_path / "empty.csv").write_text("\n", encoding="utf-8")
    with pytest.raises(DatasetError, match="no events"):
        read_dark_machines(tmp_path / "empty.csv")
    (tmp_path / "binary.csv").write_bytes(b"\xff\xfe;")
    with pytest.raises(DatasetError, match=r"binary\.csv, line"):
        read_dark_machines(tmp_path / "binary.csv")
    with pytest.raises(OutputError, match=r"events\.txt"):
        write_nanoaod(text, tmp_path / "events.txt")
    with pytest.raises(OutputError, match="cannot write"):
        write_nanoaod(text, text / "events.root")


def test_another_file_stays_until_the_new_one_is_whole(text, tmp_path):
    path = tmp_path / "events.root"
    write_nanoaod(text, path)
    before = path.read_bytes()
    text.write_text(LINES + "broken\n", encoding="utf-8")
    with pytest.raises(DatasetError, match="line 5"):
        write_nanoaod(text, path)
    assert path.read_bytes() == before


def test_objects_far_forward_have_no_mass(tmp_path):
    path = tmp_path / "forward.csv"
    path.write_text("1;p;1;0;0;j,10,5,2000,0\n", encoding="utf-8")
    assert read_dark_machines(path).Jet.mass.tolist() == [[0.0]]


def test_kinds_do_not_depend_on_the_threshold_of_a_tag(text, tmp_path):
    """The format knows b or not: any threshold between 0 and 1 says the same."""
    write_nanoaod(text, tmp_path / "events.root")
    dataset = Dataset("text", files=(str(tmp_path / "events.root"),))
    found = []
    for threshold in (0.01, 0.99):
        classifier = replace(EventClassifier(), b_threshold=threshold)
        found.append(classifier.particles(read_batch(dataset, classifier.inputs)).kinds)
    assert torch.equal(*found)
