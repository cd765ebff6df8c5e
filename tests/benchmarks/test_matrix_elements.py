"""Speed of matrix elements: per call and per assignment, beside MadGraph's, and side by side with ufoamp.

MadGraph standalone (gfortran -O3, one 2.5 GHz core) was measured once, elsewhere: its numbers are for scale, good to a
factor 1.5. All others are measured here, in one run; the sweeps' are per event and assignment.
"""

import itertools
import json
import subprocess
import sys
import time
from functools import partial
from pathlib import Path

import pytest
import torch

from hepreco.amplitudes import MatrixElement, StandardModel
from hepreco.amplitudes.compiled import cache

pytestmark = [
    pytest.mark.bench,
    # ufoamp leaves the files of the model open.
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]

DECAYS = "(t > w+ b, w+ > u d~), (t~ > w- b~, w- > u~ d)"
TT = f"g g > t t~, {DECAYS}"
TTW = f"u d~ > t t~ w+, {DECAYS}, w+ > u d~"
TTTT = f"g g > t t~ t t~ QED=0, {DECAYS}"
WWUU = "u u > w+ w- u u QCD=0, w+ > u d~, w- > u~ d"

#: Microseconds per call of MadGraph standalone.
MADGRAPH = {
    TT: 12.0, TTW: 5.0, WWUU: 62.0, TTTT: 466.0,
    "g g > t t~": 7.2, "u d~ > t t~ w+": 4.4, "g g > t t~ h": 14.5, "g g > t t~ z": 69.0,
    "g g > t t~ t t~ QED=0": 387.0, "u u > w+ w- u u QCD=0": 475.0, "g g > t t~ w+ w-": 521.0,
}  # fmt: skip


FROZEN = json.loads((Path(__file__).parents[1] / "data" / "madgraph_points.json").read_text())


def same_process(one, other):
    """Whether two process strings mean the same."""
    return " ".join(one.split()) == " ".join(other.split())


def permutations(legs):
    return torch.tensor(list(itertools.permutations(range(legs))))


def labellings():
    """One split of twelve partons into four triples and their b: which are t, and the two partons of each W: 96."""
    tops = [(0, 1, 2), (3, 4, 5), (6, 7, 8), (9, 10, 11)]
    rows = []
    for tops_first in itertools.combinations(tops, 2):
        antitops = [top for top in tops if top not in tops_first]
        order = [tops_first[0], antitops[0], tops_first[1], antitops[1]]
        rows += [
            [i for top, flip in zip(order, flips, strict=True) for i in ((top[1], top[0], top[2]) if flip else top)]
            for flips in itertools.product((False, True), repeat=4)
        ]
    return torch.tensor(rows)


def unrelated():
    """A thousand assignments of twelve partons that share little."""
    generator = torch.Generator().manual_seed(1)
    return torch.stack([torch.randperm(12, generator=generator) for _ in range(1000)])


@pytest.fixture(params=[1, 2], ids=lambda threads: f"{threads} thread(s)")
def threads(request):
    torch.set_num_threads(request.param)
    return request.param


@pytest.mark.parametrize("process", MADGRAPH)
def test_plain_batches(process, threads, on_shell, best_of):
    """Aim: no slower than MadGraph."""
    me = MatrixElement(process)
    momenta = on_shell(me, energy=1500.0, events=8192)
    results = []
    (seconds,) = best_of(lambda: results.append(me(momenta)), rounds=4)
    for result in results:
        torch.testing.assert_close(
            result[::2048], torch.cat([me(p[None]) for p in momenta[::2048]]), rtol=1e-10, atol=0
        )
        assert torch.equal(result, results[0])
    points = next(point for point in FROZEN["points"] if same_process(point["process"], process))
    expected = torch.tensor(points["me2"], dtype=torch.float64)
    there = MatrixElement(process, model=StandardModel(**points["model"]))(torch.tensor(points["momenta"]).double())
    torch.testing.assert_close(there, expected, rtol=1e-9, atol=0)
    microseconds = 1e6 * seconds / len(momenta)
    print(f"\n{process}, {threads} thread(s): {microseconds:.2f} µs, {MADGRAPH[process] / microseconds:.1f} × MadGraph")


@pytest.mark.parametrize(
    ("name", "process", "assignments", "events", "aim"),
    [
        ("all", TT, permutations(6), 256, {4.7: 0.97, 0.0: 0.28}),
        ("all", TTW, permutations(8), 16, {4.7: 0.5, 0.0: 0.5}),
        ("all", WWUU, permutations(6), 64, {4.7: 6.0}),
        ("one split of the partons", TTTT, labellings(), 256, {4.7: 40.0, 0.0: 40.0}),
        ("unrelated", TTTT, unrelated(), 8, {4.7: 40.0, 0.0: 40.0}),
    ],
    ids=["tt", "ttw", "wwuu", "tttt", "tttt-unrelated"],
)
def test_sweeps(name, process, assignments, events, aim, threads, on_shell, best_of):
    """Aim: ten times faster than MadGraph's calls."""
    for m_b, target in aim.items():
        me = MatrixElement(process, model=StandardModel(m_b=m_b))
        momenta = on_shell(me, energy=1500.0, events=events)
        sweep = partial(me.sweep, momenta, assignments)
        (seconds,) = best_of(sweep, rounds=4)
        found = sweep()
        some = range(0, len(assignments), max(1, len(assignments) // 20))
        if m_b == 0:  # otherwise permuted momenta are off their mass shells, and a call has other ones
            for row in some:
                permuted = torch.cat((momenta[:, :2], momenta[:, 2:][:, assignments[row]]), dim=1)
                torch.testing.assert_close(found[:, row], me.log(permuted), rtol=0, atol=1e-8)
        identity = torch.arange(assignments.shape[1])[None]
        torch.testing.assert_close(me.sweep(momenta, identity)[:, 0], me.log(momenta), rtol=0, atol=1e-8)
        assert torch.isfinite(found).all()
        microseconds = 1e6 * seconds / (events * len(assignments))
        print(
            f"\n{process}, m_b = {m_b}, {name} ({len(assignments)} assignments), {threads} thread(s): "
            f"{microseconds:.3f} µs (aim {target}), {MADGRAPH[process] / microseconds:.0f} × MadGraph"
        )


@pytest.fixture
def eager(monkeypatch):
    """Evaluates a function by tensor code."""

    def evaluate(function, *arguments):
        with monkeypatch.context() as patch:
            patch.setattr("hepreco.amplitudes.matrix_element.is_covered", lambda *_: False)
            return function(*arguments)

    return evaluate


@pytest.mark.parametrize(
    ("process", "events"),
    [
        *(("g g > t t~", 8192), ("g g > t t~ g", 4096), ("g g > t t~ g g", 1024), ("g g > g g g g", 1024)),
        *((TT, 8192), (TTW, 8192), (WWUU, 8192), (TTTT, 2048)),
    ],
)
def test_compiled_beside_tensor_code(process, events, eager, on_shell, best_of, monkeypatch, tmp_path):
    monkeypatch.setattr(cache, "folder", lambda: tmp_path)
    me = MatrixElement(process)
    momenta = on_shell(me, energy=1500.0, events=events)
    first = []
    for _ in range(2):  # compiled, then read
        cache.load_engine.cache_clear()
        start = time.perf_counter()
        MatrixElement(process)(momenta[:1])
        first.append(time.perf_counter() - start)
    seconds = best_of(lambda: me(momenta), lambda: eager(me, momenta), rounds=6)
    found, expected = me(momenta), eager(me, momenta)
    torch.testing.assert_close(found, expected, rtol=1e-8, atol=0.0)
    deviation = float((found / expected - 1).abs().max())
    ours, theirs = (1e6 * one / events for one in seconds)
    print(
        f"\n{process}: {ours:.3f} µs, tensor code {theirs:.1f} µs, ratio {theirs / ours:.0f}; "
        f"compiled in {first[0]:.1f} s, read in {first[1]:.2f} s; deviation {deviation:.0e}"
    )


@pytest.mark.parametrize(
    ("process", "assignments", "events"),
    [(TT, permutations(6), 64), (TTW, permutations(8), 16), (WWUU, permutations(6), 16), (TTTT, labellings(), 32)],
    ids=["tt", "ttw", "wwuu", "tttt"],
)
@pytest.mark.parametrize("m_b", [4.7, 0.0])
def test_compiled_sweeps_beside_tensor_code(process, assignments, events, m_b, eager, on_shell, best_of):
    me = MatrixElement(process, model=StandardModel(m_b=m_b))
    momenta = on_shell(me, energy=1500.0, events=events)
    sweep = partial(me.sweep, momenta, assignments)
    seconds = best_of(sweep, lambda: eager(sweep), rounds=4)
    torch.testing.assert_close(sweep(), eager(sweep), rtol=0, atol=1e-8)
    ours, theirs = (1e6 * one / (events * len(assignments)) for one in seconds)
    print(
        f"\n{process}, m_b = {m_b}: {ours:.4f} µs per assignment, tensor code {theirs:.3f}, ratio {theirs / ours:.0f}"
    )


@pytest.mark.parametrize(
    ("process", "orders"),
    [("g g > t t~", (2, 0)), ("u d~ > t t~ w+", (2, 1)), ("g g > t t~ h", (2, 1)), ("g g > t t~ z", (2, 1))],
)
def test_against_ufoamp(process, orders, ufoamp, on_shell):
    me = MatrixElement(process)
    momenta = on_shell(me, energy=1500.0, events=200)
    seconds, values = [], []
    for function in (me, lambda momenta: ufoamp(process, orders, momenta)):
        start = time.perf_counter()
        values.append(function(momenta))
        seconds.append(time.perf_counter() - start)
    torch.testing.assert_close(*values, rtol=1e-10, atol=0.0)
    ours, theirs = (1e6 * s / len(momenta) for s in seconds)
    print(f"\n{process}: {ours:.0f} µs, ufoamp {theirs:.0f} µs, ratio {theirs / ours:.0f} (200 events, first call)")


def test_single_precision(on_shell, best_of):
    for process in (TT, WWUU, TTTT, "g g > t t~ t t~ QED=0"):
        me = MatrixElement(process, model=StandardModel(m_b=0.0))
        double = on_shell(me, energy=1500.0, events=4096)
        single = double.float()
        ours, theirs = best_of(lambda me=me, p=single: me.log(p), lambda me=me, p=double: me.log(p), rounds=4)
        errors = (me.log(single) - me.log(double)).abs()
        assert float(errors.median()) < 1e-3
        print(
            f"\n{process}: float32 {theirs / ours:.2f} times faster, ln|M|² off by {float(errors.median()):.0e} "
            f"(median), {float(errors.max()):.0e} (largest of {len(double)})"
        )


MEMORY = """
import sys
from pathlib import Path
import torch
from hepreco.amplitudes import MatrixElement
torch.set_num_threads(1)
me = MatrixElement(sys.argv[1])
momenta = torch.load(sys.argv[2], weights_only=True)
generator = torch.Generator().manual_seed(1)
assignments = torch.stack([torch.randperm(12, generator=generator) for _ in range(int(sys.argv[3]))])
print(float(me.sweep(momenta, assignments).logsumexp(dim=(0, 1))))
# Of this process alone: what getrusage calls the peak starts with that of the process that started it.
print(next(line.split()[1] for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM")))
"""


def test_peak_memory_is_bounded(on_shell, tmp_path):
    """Ten times the assignments, then ten times the events, in processes of their own."""
    me = MatrixElement(TTTT)
    peaks = []
    for events, assignments in ((1, 1000), (1, 10_000), (10, 1000)):
        path = tmp_path / "momenta.pt"
        torch.save(on_shell(me, energy=1500.0, events=events).clone(), path)
        command = [sys.executable, "-c", MEMORY, TTTT, str(path), str(assignments)]
        total, peak = subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()
        generator = torch.Generator().manual_seed(1)
        orders = torch.stack([torch.randperm(12, generator=generator) for _ in range(assignments)])
        alone = torch.cat([me.sweep(torch.load(path, weights_only=True), some) for some in orders.split(500)], dim=1)
        assert float(total) == pytest.approx(float(alone.logsumexp(dim=(0, 1))), abs=1e-8)
        peaks.append(int(peak) / 1024)
        print(f"\n{events} events, {assignments} assignments of tt̄tt̄: peak memory {peaks[-1]:.0f} MiB")
    assert min(peaks) > 0
