"""What came out of a run of a damaged file, judged by what was in the whole one."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal

import awkward as ak
import numpy as np
import tomli_w
from bases import READ, Base, Columns
from click.testing import CliRunner

from hepreco.cli import main
from hepreco.histograms import read_histograms

Verdict = Literal["right", "hidden", "unreadable", "refused", "wrong", "misclassified", "bare", "hang", "died"]
#: What each verdict means, in the order of the table; those from ``wrong`` on are faults.
MEANING: Final[Mapping[Verdict, str]] = {
    "right": "complete, and every bin is that of the whole file",
    "hidden": "complete, and other bins, since bytes were changed that no other byte of the file depends on",
    "unreadable": "the chunks that cannot be read are counted, and the bins of the others are right",
    "refused": "an error that says what came and what to do",
    "wrong": "other bins, although the structure of the file gives it away",
    "misclassified": "a file that cannot be read counts as an error of the analysis",
    "bare": "an exception, or 'unexpected: please report it'",
    "hang": "stopped after the time limit",
    "died": "the process ended without an answer, or took more memory than the limit",
}
FAULTS: Final = tuple(MEANING)[tuple(MEANING).index("wrong") :]

_EDGES: Final = np.linspace(0.0, 200.0, 21)
_HT_EDGES: Final = np.linspace(0.0, 2000.0, 101)
ANALYSIS: Final = {
    "selection": [{"name": "two jets", "collection": "Jet", "where": ["pt > 30", "|eta| < 1.5"], "at_least": 2}],
    "plugins": {"kinematic-variables": {"where": ["pt > 30"]}},
    "histograms": [
        {"name": name, "columns": [column], "axis": {"bins": 20, "start": 0, "stop": 200}}
        for name, column in (("jet_pt", "Jet.pt"), ("jet_mass", "Jet.mass"), ("met", "PuppiMET.pt"))
    ],
}
CHUNK: Final = 50

Bins = dict[str, np.ndarray]


@dataclass(frozen=True)
class Run:
    """What a command left behind."""

    status: int
    output: str
    bare: bool
    report: dict[str, Any] | None
    bins: Bins


@dataclass(frozen=True)
class Outcome:
    """A verdict, and the words to understand it by."""

    verdict: Verdict
    words: str = ""


def command(*arguments: str) -> Run:
    """``hepreco`` in this process; its results are read from the directory after ``--output``."""
    result = CliRunner(env={"COLUMNS": "300"}).invoke(main, list(arguments))
    output = Path(arguments[arguments.index("--output") + 1])
    bare = not isinstance(result.exception, SystemExit | None) or any(
        word in result.output for word in ("Traceback", "this is unexpected", "hepreco --traceback")
    )
    words = result.output if result.exception is None else f"{result.output}\n{result.exception!r}"
    if not (output / "report.json").is_file():
        return Run(result.exit_code, words, bare, None, {})
    report = json.loads((output / "report.json").read_text())
    stored = read_histograms(output / "histograms.zip").histograms
    bins = {
        name: histogram[{"dataset": "x", "variation": "nominal"}].view(flow=True)["value"]
        for name, histogram in stored.items()
        if name in ("jet_pt", "jet_mass", "met", "kinematic_variables.ht") and "x" in histogram.axes["dataset"]
    }
    return Run(result.exit_code, words, bare, report, bins)


def analyse(data: bytes, directory: Path) -> Run:
    """The trial's analysis of a file with these bytes, unreadable files being counted."""
    directory.mkdir(parents=True)
    (directory / "x.root").write_bytes(data)
    (directory / "a.toml").write_bytes(tomli_w.dumps({"datasets": {"x": {"files": ["x.root"]}}, **ANALYSIS}).encode())
    options = ("--no-figures", "--skip-bad-files", "--chunksize", str(CHUNK))
    return command("run", str(directory / "a.toml"), "--output", str(directory / "out"), *options)


def expected(columns: Columns, ranges: list[tuple[int, int]]) -> Bins:
    """The bins of these entries, by hand."""
    chosen = np.zeros(len(columns["run"]), bool)
    for start, stop in ranges:
        chosen[start:stop] = True
    jet, weight = columns["Jet"], columns["genWeight"]
    chosen &= ak.to_numpy(ak.sum((jet.pt > 30) & (abs(jet.eta) < 1.5), axis=1) >= 2)
    jet, weight, met = jet[chosen], weight[chosen], columns["PuppiMET_pt"][chosen]
    each = ak.to_numpy(ak.flatten(ak.broadcast_arrays(weight, jet.pt)[0]))
    return {
        "jet_pt": _counted(ak.to_numpy(ak.flatten(jet.pt)), each, _EDGES),
        "jet_mass": _counted(ak.to_numpy(ak.flatten(jet.mass)), each, _EDGES),
        "met": _counted(met, weight, _EDGES),
        "kinematic_variables.ht": _counted(ak.to_numpy(ak.sum(jet.pt[jet.pt > 30], axis=1)), weight, _HT_EDGES),
    }


def _counted(values: np.ndarray, weights: np.ndarray, edges: np.ndarray) -> np.ndarray:
    return np.histogram(values, bins=np.array([-np.inf, *edges, np.inf]), weights=weights.astype(np.float64))[0]


def judge_file(base: Base, data: bytes, directory: Path) -> Outcome:
    """What hepreco makes of a damaged file."""
    run = analyse(data, directory / "damaged")
    outcome = judge(base, data, run)
    if outcome.verdict != "wrong" or len(data) != len(base.data):
        return outcome
    seen = _restored(base, data)
    if seen == base.data:
        return Outcome("hidden")
    # Would hepreco be right about the same entries if only those bytes were changed that others depend on?
    again = analyse(seen, directory / "seen")
    rest = judge(base, seen, again)
    same = _processed(again) == _processed(run)
    return Outcome("hidden") if same and rest.verdict in ("right", "unreadable") else outcome


def _processed(run: Run) -> list[tuple[int, int]]:
    """The ranges of entries that a run processed."""
    return [(chunk["start"], chunk["stop"]) for chunk in run.report["processed"]] if run.report else []


def _restored(base: Base, data: bytes) -> bytes:
    """The damaged file with the bytes as they were that no other byte depends on."""
    restored = bytearray(data)
    for start, stop in base.layout.free:
        restored[start:stop] = base.data[start:stop]
    return bytes(restored)


def judge(base: Base, data: bytes, run: Run) -> Outcome:
    """The verdict on one run, as if no byte could change unseen."""
    if run.bare or (run.report is not None and "this is unexpected" in json.dumps(run.report["failures"])):
        return Outcome("bare", _told(run))
    if run.report is None:
        named = "what to do" in run.output and "x.root" in run.output
        return Outcome("refused" if run.status == 2 and named else "bare", _told(run))
    wrong = _wrong(base, run.report, run.bins)
    if wrong or run.report["complete"]:
        return Outcome("wrong", f"{wrong} {_told(run)}") if wrong else Outcome("right")
    kinds = {failure["kind"] for failure in run.report["failures"]}
    if kinds != {"unreadable"}:
        return Outcome("misclassified" if _names_remain(base, data) else "refused", _told(run))
    return Outcome("unreadable") if run.status == 0 else Outcome("misclassified", f"status {run.status} {_told(run)}")


def _wrong(base: Base, report: dict[str, Any], bins: Bins) -> str:
    """What is wrong with the numbers of a run; nothing if the bins are those of the entries that were processed."""
    ranges = [(chunk["start"], chunk["stop"]) for chunk in report["processed"]]
    if any(not 0 <= start <= stop <= base.events for start, stop in ranges):
        return f"entries {ranges} of {base.events}"
    if report["complete"] and report["events"] != {"x": base.events}:
        return f"complete with {report['events']} of {base.events}"
    return ", ".join(_different(bins, expected(base.columns, ranges)))


def _different(found: Bins, right: Bins) -> list[str]:
    """The histograms that are not right; one without entries need not be there."""
    return [name for name, bins in right.items() if not np.array_equal(found.get(name, np.zeros_like(bins)), bins)]


def _names_remain(base: Base, data: bytes) -> bool:
    """Whether the branches that are read still have their names: without, no one can tell damage from a lack."""
    names = [bytes([len(name)]) + name.encode() for name in READ]
    return all(data.count(name) >= base.data.count(name) for name in names)


def _told(run: Run) -> str:
    told = run.output
    if run.report is not None and run.report["failures"]:
        first = run.report["failures"][0]
        told = f"{first['kind']}: {first['reason']} | {run.output[-200:]}"
    return " ".join(told.split())[:400]
