"""Structure is checked before the first event: no file that contradicts itself gives a number."""

import struct
from pathlib import Path

import awkward as ak
import numpy as np
import pytest
import uproot

EVENTS = 120  # not 100, where the key of the tree says that its directory is
ABSURD = [2**31 - 1, 2**40, 2**62, 2**63 - 1]
NEGATIVE = [-1, -EVENTS, -(2**31), -(2**63)]
UNLIKE = [0, 1, EVENTS - 1, EVENTS + 1, 2 * EVENTS]
CUT = {"name": "jet", "collection": "Jet", "where": ["pt > 30"]}


def assert_unreadable(job, refused) -> None:
    """Refused without ``--skip-bad-files``, counted with it, and the file beside it is read."""
    refused(job.run("--files", f"x={job / 'a.root'}"), "a.root")
    skipped = job.run("--files", f"x={job / 'a.root'}", "--files", f"x={job / 'good.root'}", "--skip-bad-files")
    assert skipped.exit_code == 0, skipped.output
    assert job.report()["events"] == {"x": EVENTS}
    assert {failure["kind"] for failure in job.report()["failures"]} == {"unreadable"}
    assert all(failure["file"].endswith("a.root") for failure in job.report()["failures"])


@pytest.fixture
def lying(job):
    """A job of an uncompressed file ``a.root``, and a good one beside it."""
    job.write("a.root", events=EVENTS)
    job.write("good.root", events=EVENTS, seed=2)
    job.configure(selection=[CUT], plugins={"chi2-assigner": {}})
    return job


def payload(path: Path, branch: str) -> slice:
    """Where the values of a branch of one uncompressed basket are."""
    with uproot.open(path)["Events"] as tree:
        key = tree[branch].basket_key(0)
        start = key.fSeekKey + key.fKeylen
        return slice(start, start + key.fObjlen)


def change_counter(path: Path, change) -> None:
    """Other numbers of jets in ``nJet`` than the jets' branches have."""
    data, where = bytearray(path.read_bytes()), payload(path, "nJet")
    counts = np.frombuffer(data[where], ">i4")
    changed = change(counts.astype(np.int64)).astype(">i4").tobytes()
    assert changed != data[where]
    assert len(changed) == len(data[where])
    data[where] = changed
    path.write_bytes(data)


def moved(counts: np.ndarray) -> np.ndarray:
    """One jet of the first event that has any goes to the next event: the sum stays."""
    first = int(np.flatnonzero(counts[:-1])[0])
    counts[first] -= 1
    counts[first + 1] += 1
    return counts


def last_one(value: int):
    def change(counts: np.ndarray) -> np.ndarray:
        counts[-1] = value
        return counts

    return change


CHANGES = {
    "moved": moved,
    "reversed": lambda counts: counts[::-1],
    "one more each": lambda counts: counts + 1,
    "none": np.zeros_like,
    "negative": lambda counts: -counts - 1,
    "absurd": lambda counts: counts + 2**30,
    "last negative": last_one(-1),
    "last absurd": last_one(2**31 - 1),
    "last more": last_one(7),
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES.keys())
def test_a_counter_unlike_its_branches(lying, refused, change):
    change_counter(lying / "a.root", change)
    assert_unreadable(lying, refused)


def test_a_counter_unlike_its_branches_in_a_later_chunk(lying):
    """The last event only; chunks before it are right, and the others are not complete."""
    change_counter(lying / "a.root", last_one(7))
    result = lying.run("--chunksize", 10, "--skip-bad-files")
    assert result.exit_code == 0, result.output
    assert not lying.report()["complete"]
    assert {failure["kind"] for failure in lying.report()["failures"]} == {"unreadable"}
    assert all(chunk["stop"] < EVENTS for chunk in lying.report()["processed"])


@pytest.mark.parametrize("branch", ["pt", "eta", "mass"])
def test_branches_of_one_collection_of_different_lengths(job, refused, columns, branch):
    """Each with a counter of its own, as uproot writes plain branches, beside a right ``nJet``."""
    job.write("good.root", events=EVENTS, seed=2)
    table = columns(EVENTS)
    jets = {f"Jet_{name}": table["Jet"][name] for name in table["Jet"].fields}
    jets[f"Jet_{branch}"] = jets[f"Jet_{branch}"][::-1]
    plain = {name: values for name, values in table.items() if name != "Jet"}
    counter = {"nJet": ak.to_numpy(ak.num(table["Jet"])).astype(np.int32)}
    with uproot.recreate(job / "a.root") as file:
        everything = plain | jets | counter
        types = {k: v.type.content if isinstance(v, ak.Array) else v.dtype for k, v in everything.items()}
        file.mktree("Events", types, counter_name=lambda counted: f"n{counted}")
        file["Events"].extend(everything)
    four_momenta = {"name": "mass", "columns": ["Jet.mass"], "axis": {"bins": 5, "start": 0, "stop": 20}}
    job.configure(selection=[CUT], histograms=[four_momenta], plugins={"chi2-assigner": {}})
    assert_unreadable(job, refused)


def places(path: Path) -> list[int]:
    """Where the tree's description says how many entries it has: first its own number, then its branches'."""
    with uproot.open(path) as file:
        key = file.key("Events")
        start, stop = key.fSeekKey, key.fSeekKey + key.fNbytes
    data, number = path.read_bytes(), struct.pack(">q", EVENTS)
    found, position = [], data.find(number, start, stop)
    while position >= 0:
        found.append(position)
        position = data.find(number, position + 1, stop)
    return found


def change_entries(path: Path, which: slice, value: int) -> None:
    chosen = places(path)[which]
    assert chosen
    data = bytearray(path.read_bytes())
    for position in chosen:
        data[position : position + 8] = struct.pack(">q", value)
    path.write_bytes(data)


WHICH = {
    "of the tree": slice(0, 1),
    "of the branches": slice(1, None),
    "of all": slice(None),
    "of one branch": slice(2, 3),  # the second number is one of the tree that nothing depends on
}


def test_where_entries_are_counted(lying):
    """The first number that the tests below change is the tree's."""
    change_entries(lying / "a.root", WHICH["of the tree"], 99)
    with uproot.open(lying / "a.root")["Events"] as tree:
        assert tree.num_entries == 99
        assert {branch.num_entries for branch in tree.branches} == {EVENTS}


@pytest.mark.parametrize("value", [*ABSURD, *NEGATIVE, *UNLIKE])
@pytest.mark.parametrize("which", WHICH)
def test_entries_that_cannot_be(lying, refused, which, value):
    change_entries(lying / "a.root", WHICH[which], value)
    assert_unreadable(lying, refused)


@pytest.mark.parametrize("name", ["fBasketSeek", "fBasketEntry", "fBasketBytes"])
@pytest.mark.parametrize("value", [0, -1, 7, 2**30])
def test_a_description_of_baskets_that_cannot_be(lying, refused, name, value):
    """One number of ``Jet_pt``'s baskets in the description of the tree."""
    with uproot.open(lying / "a.root")["Events"] as tree:
        branch = tree["Jet_pt"]
        right = int(branch.member(name)[1 if name == "fBasketEntry" else 0])
        key = tree.parent
    assert right != value
    width = ">i" if name == "fBasketBytes" else ">q"
    data = bytearray((lying / "a.root").read_bytes())
    start = data.find(b"\x06Jet_pt", key.fSeekKey)
    position = data.find(struct.pack(width, right), data.find(b"Jet_pt", start + 7))
    assert 0 < position < key.fSeekKey + key.fNbytes
    data[position : position + struct.calcsize(width)] = struct.pack(width, value)
    (lying / "a.root").write_bytes(data)
    result = lying.run("--skip-bad-files")
    complete = lying.report()["complete"] if result.exit_code == 0 else False
    if complete:  # a number that nothing depends on
        assert lying.run("--files", f"x={lying.write('b.root', events=EVENTS)}", output="right").exit_code == 0
        assert lying.histograms()["jet_pt"] == lying.histograms("right")["jet_pt"]
    else:
        assert_unreadable(lying, refused)


def test_baskets_of_two_branches_in_each_others_place(lying, refused):
    """The keys say whose they are."""
    with uproot.open(lying / "a.root")["Events"] as tree:
        seeks = [int(tree[name].member("fBasketSeek")[0]) for name in ("Jet_pt", "Jet_eta")]
        key = tree.parent
    data = bytearray((lying / "a.root").read_bytes())
    one, other = (data.find(struct.pack(">q", seek), key.fSeekKey) for seek in seeks)
    data[one : one + 8], data[other : other + 8] = data[other : other + 8], data[one : one + 8]
    (lying / "a.root").write_bytes(data)
    assert_unreadable(lying, refused)


@pytest.mark.parametrize("keep", [0.02, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7])
@pytest.mark.parametrize("kind", ["TTree", "RNTuple", "Parquet"])
def test_a_file_cut_short(lying, refused, columns, keep, kind):
    """At any length but in the padding at the end; also where tree and keys come before the baskets."""
    table = columns(EVENTS)
    flat = {name: values for name, values in table.items() if name != "Jet"}
    flat |= {f"Jet_{name}": table["Jet"][name] for name in table["Jet"].fields}
    path = lying / ("a.parquet" if kind == "Parquet" else "a.root")
    if kind == "RNTuple":
        with uproot.recreate(path) as file:
            file.mkrntuple("Events", flat | {"nJet": ak.to_numpy(ak.num(table["Jet"])).astype(np.int32)})
    elif kind == "Parquet":
        ak.to_parquet(ak.zip(flat, depth_limit=1), path)
    whole = path.read_bytes()
    path.write_bytes(whole[: int(keep * len(whole))])
    refused(lying.run("--files", f"x={path}"), path.name)
    skipped = lying.run("--files", f"x={path}", "--files", f"x={lying / 'good.root'}", "--skip-bad-files")
    assert skipped.exit_code == 0, skipped.output
    assert lying.report()["events"] == {"x": EVENTS}
    assert {failure["kind"] for failure in lying.report()["failures"]} == {"unreadable"}


def test_guarantees_say_what_the_format_cannot_reveal(request):
    """A flipped bit of a number in an uncompressed basket: the page of guarantees says that nobody can see it."""
    text = (request.config.rootpath / "docs" / "reference" / "guarantees.md").read_text()
    assert "uncompressed" in text
