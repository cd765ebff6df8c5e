"""Damaged input of every kind: a few minutes' worth of what ``tox -e fuzz`` does, and the harness itself."""

import re
import subprocess
import sys
from dataclasses import replace
from math import gcd
from pathlib import Path

import awkward as ak
import numpy as np
import pytest
import uproot
from bases import EVENTS, READ, RECIPES, Base, make_base
from click.testing import CliRunner
from damage import DAMAGES, damaged
from harness import Answer, Material, file_case, harness, make_material, read_answers, table
from oracle import FAULTS, MEANING, Run, analyse, expected, judge, judge_file
from other_files import WHOLE, judge_configuration

FILES, OTHERS, CONFIGURATIONS = 60, 16, 32
#: Cases of the stored table.
STORED = {"file": 2000, "other": 550, "configuration": 640}


@pytest.fixture(scope="module")
def answers(tmp_path_factory: pytest.TempPathFactory) -> list[Answer]:
    """What came out of the first seeds, run by the harness in a process of its own."""
    listing = tmp_path_factory.mktemp("fuzz") / "answers.json"
    counts = ("--files", FILES, "--others", OTHERS, "--configurations", CONFIGURATIONS, "--json", listing)
    command = [sys.executable, Path(__file__).with_name("harness.py"), *counts]
    done = subprocess.run([str(word) for word in command], capture_output=True, text=True, check=False)
    assert listing.is_file(), done.stderr
    return read_answers(listing)


@pytest.mark.parametrize("fault", FAULTS)
def test_no_damaged_input_ends_in_a_fault(answers, fault):
    """``python tests/fuzz/harness.py --only NAME`` runs one case again."""
    found = [f"{a.name}, {a.damage} of {a.whole}: {a.words}" for a in answers if a.verdict == fault]
    assert found == [], MEANING[fault]


def test_every_layout_and_every_kind_of_damage_is_tried(answers):
    assert len(answers) == FILES + OTHERS + CONFIGURATIONS
    files = [answer for answer in answers if answer.name.startswith("file:")]
    assert {answer.whole for answer in files} == RECIPES.keys()
    assert {answer.damage for answer in files} == DAMAGES.keys()
    assert gcd(len(RECIPES), len(DAMAGES)) == 1
    assert {"right", "unreadable"} <= {answer.verdict for answer in files}


@pytest.fixture(scope="module")
def bases(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Base]:
    directory = tmp_path_factory.mktemp("bases")
    return {name: make_base(name, directory, seed=1) for name in RECIPES}


@pytest.mark.parametrize("name", RECIPES)
def test_whole_files_are_read_rightly(bases, tmp_path, name):
    """Otherwise the harness would take damage for the cause."""
    assert judge_file(bases[name], bases[name].data, tmp_path).verdict == "right"


@pytest.mark.parametrize("name", RECIPES)
def test_the_parts_of_a_file_are_found(bases, name):
    """No byte is in two parts, all are in the file, and what is free is a part of the payloads."""
    base, layout = bases[name], bases[name].layout
    used = np.zeros(len(base.data), int)
    for start, stop in (*layout.metadata, *layout.keys, *layout.payloads):
        used[start:stop] += 1
    assert used[100:].tolist() == [1] * (len(base.data) - 100)
    payload = np.zeros(len(base.data), bool)
    for start, stop in layout.payloads:
        payload[start:stop] = True
    assert all(payload[start:stop].all() for start, stop in (*layout.free, *layout.counters))
    assert bool(layout.free) == (name not in ("zlib ntuple", "empty"))


def test_a_free_byte_changes_a_number_and_nothing_else(bases, tmp_path):
    """Uproot reads the file without complaint, with the same jets in the same events."""
    base = bases["plain"]
    data = bytearray(base.data)
    for start, _ in base.layout.free:
        data[start] ^= 0x01
    (tmp_path / "x.root").write_bytes(data)
    with uproot.open(tmp_path / "x.root")["Events"] as tree:
        read = tree.arrays([name for name in READ if name.startswith("Jet")])
    assert ak.num(read.Jet_pt).tolist() == ak.num(base.columns["Jet"]).tolist()
    assert not ak.array_equal(read.Jet_pt, base.columns["Jet"].pt, check_parameters=False)


@pytest.mark.parametrize("kind", DAMAGES)
@pytest.mark.parametrize("name", RECIPES)
def test_damage_comes_from_the_seed_alone(bases, name, kind):
    base, end = bases[name], bases["wide" if name != "wide" else "plain"]
    one, again, other = (damaged(kind, base, end, np.random.default_rng(seed)) for seed in (3, 3, 4))
    assert one == again
    assert one != other
    assert base.data not in (one, other)


def test_a_file_spliced_with_itself_is_damaged_otherwise(bases):
    empty = bases["empty"]
    assert damaged("spliced", empty, empty, np.random.default_rng(1)) != empty.data


def test_what_is_expected_is_what_a_slow_loop_counts(bases):
    base = bases["plain"]
    bins = expected(base.columns, [(0, 50), (100, EVENTS)])
    jet_pt, met, ht = np.zeros(22), np.zeros(22), np.zeros(102)
    for event in (*range(50), *range(100, EVENTS)):
        jets, weight = base.columns["Jet"][event], base.columns["genWeight"][event]
        if sum(jet.pt > 30 and abs(jet.eta) < 1.5 for jet in jets) < 2:
            continue
        for jet in jets:
            jet_pt[min(int(jet.pt // 10) + 1, 21)] += weight
        met[min(int(base.columns["PuppiMET_pt"][event] // 10) + 1, 21)] += weight
        ht[int(sum(jet.pt for jet in jets if jet.pt > 30) // 20) + 1] += weight
    assert bins["jet_pt"].tolist() == jet_pt.tolist()
    assert bins["met"].tolist() == met.tolist()
    assert bins["kinematic_variables.ht"].tolist() == ht.tolist()


@pytest.fixture(scope="module")
def whole(bases, tmp_path_factory: pytest.TempPathFactory) -> Run:
    return analyse(bases["plain"].data, tmp_path_factory.mktemp("whole") / "run")


@pytest.fixture(scope="module")
def half(bases, whole) -> Run:
    """The same run if the file could not be read after its first fifty events."""
    row = {"start": 50, "stop": EVENTS, "kind": "unreadable", "reason": "cannot read x.root", "remedy": "replace it"}
    report = {"complete": False, "events": {"x": 50}, "processed": [{"start": 0, "stop": 50}], "failures": [row]}
    return replace(whole, report=report, bins=expected(bases["plain"].columns, [(0, 50)]))


def _with(run: Run, **changes: object) -> Run:
    return replace(run, report={**run.report, **changes})


def _because(run: Run, **changes: str) -> Run:
    return _with(run, failures=[run.report["failures"][0] | changes])


@pytest.mark.parametrize(
    ("change", "verdict"),
    [
        (lambda run: run, "right"),
        (lambda run: replace(run, bins={**run.bins, "met": run.bins["met"] + 1}), "wrong"),
        (lambda run: replace(run, bins={}), "wrong"),
        (lambda run: _with(run, events={"x": EVENTS - 1}), "wrong"),
        (lambda run: _with(run, processed=[{"start": 0, "stop": EVENTS + 1}]), "wrong"),
        (lambda run: _with(run, processed=[{"start": 0, "stop": 50}]), "wrong"),
        (lambda run: replace(run, bare=True), "bare"),
        (lambda run: replace(run, status=2, report=None, output="x.root: no\n  what to do: this"), "refused"),
        (lambda run: replace(run, status=2, report=None, output="x.root: no"), "bare"),
        (lambda run: replace(run, status=0, report=None, output="x.root what to do"), "bare"),
    ],
)
def test_the_oracle_can_tell_of_a_whole_run(bases, whole, change, verdict):
    base = bases["plain"]
    assert judge(base, base.data, change(whole)).verdict == verdict


@pytest.mark.parametrize(
    ("change", "verdict"),
    [
        (lambda run: run, "unreadable"),
        (lambda run: replace(run, bins={**run.bins, "met": run.bins["met"] + 1}), "wrong"),
        (lambda run: _because(run, kind="error"), "misclassified"),
        (lambda run: _because(run, kind="lost"), "misclassified"),
        (lambda run: _because(run, remedy="this is unexpected: please report it"), "bare"),
        (lambda run: replace(run, status=1), "misclassified"),
    ],
)
def test_the_oracle_can_tell_of_half_a_run(bases, half, change, verdict):
    base = bases["plain"]
    assert judge(base, base.data, change(half)).verdict == verdict


def test_a_lost_name_is_no_misclassified_damage(bases, half):
    """Without the name of a branch, no one can tell damage from a file that never had it."""
    base = bases["plain"]
    renamed = base.data.replace(b"\x06Jet_pt", b"\x06Jet_px")
    assert judge(base, renamed, _because(half, kind="error")).verdict == "refused"


def test_hidden_damage_is_told_from_wrong_numbers(bases, tmp_path):
    """Missing momenta of other events: wrong if anything in the file depended on them."""
    base = bases["plain"]
    before, after = base.columns["PuppiMET_pt"].astype(">f4"), base.columns["PuppiMET_pt"][::-1].astype(">f4")
    assert base.data.count(before.tobytes()) == 1
    data = base.data.replace(before.tobytes(), after.tobytes())
    assert judge_file(base, data, tmp_path / "one").verdict == "hidden"
    bound = replace(base, layout=replace(base.layout, free=()))
    assert judge_file(bound, data, tmp_path / "two").verdict == "wrong"


def test_a_whole_configuration_runs(bases, tmp_path):
    import tomli_w  # noqa: PLC0415

    content = tomli_w.dumps(WHOLE).encode()
    assert judge_configuration(content, bases["plain"].data, tmp_path / "x", figures=False).verdict == "right"


def test_the_table_counts_every_case(answers):
    text = table(answers)
    (files,) = [
        line for line in text.split("## 60 × file")[1].split("\n\n")[1].splitlines() if line.startswith("| all")
    ]
    assert sum(int(cell) for cell in files.split("|")[2:] if cell.strip()) == FILES
    assert all(f"**{verdict}**" in text for verdict in MEANING)


def test_the_stored_table_has_no_fault():
    text = Path(__file__).with_name("outcomes.md").read_text()
    assert {name: int(count) for count, name in re.findall(r"^## (\d+) × (.*)$", text, re.M)} == STORED
    assert text.endswith("\n## 0 faults\n")


@pytest.fixture(scope="module")
def material(tmp_path_factory: pytest.TempPathFactory) -> Material:
    return make_material(tmp_path_factory.mktemp("material"))


@pytest.mark.parametrize("seed", [569, 702, 715, 734, 1064, 1109])
def test_what_once_was_wrong(material, tmp_path, seed):
    """Pages of an RNTuple in each other's place, clusters that lack an entry, and damage of two kinds in one file."""
    assert file_case(material, seed).judge(tmp_path / "case").verdict in ("unreadable", "hidden")


def test_one_case_can_be_run_again():
    result = CliRunner().invoke(harness, ["--only", "other:3"])
    assert result.exit_code == 0, result.output
    assert "of weights.toml" in result.output
