"""Changes one operator or constant of a room's source at a time, and asks whether the room's tests notice.

``tox -e mutants -- --rooms kinematics --number 12 --seed 1`` draws twelve changes of ``src/hepreco/kinematics``, runs
the room's tests on a copy of the repository that has one of them, and writes what came of it to ``mutants.csv`` beside
this file. A change that no test noticed keeps the reason that was written in its last column.
"""

import argparse
import ast
import builtins
import csv
import gc
import json
import os
import random
import re
import resource
import shutil
import signal
import sys
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import astuple, dataclass, fields
from importlib import import_module
from itertools import accumulate, chain, pairwise
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
TABLE = Path(__file__).with_name("mutants.csv")
#: Each operator, and what may stand in its place.
OTHERS = {
    "+": ["-"], "-": ["+"], "*": ["/"], "/": ["*"], "//": ["*"], "%": ["*"], "**": ["*"], "<<": [">>"], ">>": ["<<"],
    "&": ["|"], "|": ["&"], "and": ["or"], "or": ["and"], "+=": ["-="], "-=": ["+="], "*=": ["/="], "/=": ["*="],
    "&=": ["|="], "|=": ["&="], "<": ["<=", ">="], "<=": ["<", ">"], ">": [">=", "<="], ">=": [">", "<"],
    "==": ["!="], "!=": ["=="], "in": ["not in"], "not in": ["in"], "is": ["is not"], "is not": ["is"],
}  # fmt: skip
OPERATOR = re.compile(rb"\b(?:is not|not in|and|or|in|is)\b|\*\*|//|<<|>>|[-+*/&|<>!=]=|[-+*/%&|<>@]")
COMMENT = re.compile(rb"#[^\n]*")
#: Imported once before the tests of any change start, which saves seconds in each.
HEAVY = ("torch", "coffea.nanoevents", "coffea.processor", "matplotlib.figure", "iminuit.cost", "scipy.stats", "pandas",
         "beartype", "cattrs", "h5py", "hypothesis", "jaxtyping", "pylhe")  # fmt: skip
#: Tests of rooms that are not in the folder of the room's name.
ELSEWHERE = {
    "config": ("tests/test_config.py", "tests/docs/test_generated.py", "tests/cli"),
    "processing": ("tests/integration",),
}
#: A change may slow its tests down: their processor time, relative to that without a change, and in seconds.
SLOWER, AT_LEAST = 3.0, 60.0
#: Tests that take longer, in seconds, run last.
QUICK = 1.0


@dataclass(frozen=True)
class Mutant:
    """Bytes ``start`` to ``stop`` of a file replaced by others."""

    path: str
    start: int
    stop: int
    text: str

    def applied(self, source: bytes) -> bytes:
        """The source with the change."""
        return source[: self.start] + self.text.encode() + source[self.stop :]

    def described(self, source: bytes) -> tuple[str, str]:
        """Where it is, and the line before and after."""
        number = source[: self.start].count(b"\n")
        before, after = (text.decode().split("\n")[number].strip() for text in (source, self.applied(source)))
        return f"{self.path}:{number + 1}", f"{before} → {after}"


@dataclass(frozen=True)
class Row:
    """One line of the table; ``outcome`` is failed, timeout or survived, ``why`` says why it may."""

    room: str
    place: str
    change: str
    outcome: str
    seconds: str
    why: str

    @property
    def file(self) -> str:
        """The place without the line's number."""
        return self.place.partition(":")[0]


def rooms() -> dict[str, tuple[list[str], list[str]]]:
    """Files of the source, and paths of the tests, of every room and plugin."""
    frozen = "tests/test_values.py::test_values_are_frozen"
    found = {"config": (["src/hepreco/config.py"], list(ELSEWHERE["config"]))}
    for folder in sorted((ROOT / "src/hepreco").glob("*/__init__.py")):
        room = folder.parent.name
        found[room] = (_sources(folder.parent), [f"tests/{room}", f"{frozen}[{room}]", *ELSEWHERE.get(room, ())])
    for folder in sorted((ROOT / "plugins").iterdir()):
        of_all = (frozen, "tests/test_contracts.py::test_contracts_are_kept")
        own = [f"plugins/{folder.name}/tests", *(f"{test}[{folder.name}]" for test in of_all)]
        found[folder.name] = (_sources(folder / "src"), own)
    return found


def _sources(folder: Path) -> list[str]:
    return sorted(path.relative_to(ROOT).as_posix() for path in folder.rglob("*.py") if path.name != "_version.py")


def changes(path: str, source: bytes) -> Iterator[tuple[Mutant, ...]]:
    """At each place where something can be changed, the changes."""
    starts = [0, *accumulate(map(len, source.splitlines(keepends=True)))]

    def span(node: ast.AST) -> tuple[int, int]:
        return starts[node.lineno - 1] + node.col_offset, starts[node.end_lineno - 1] + node.end_col_offset

    def replaced(start: int, stop: int, texts: Sequence[str]) -> tuple[Mutant, ...]:
        return tuple(Mutant(path, start, stop, text) for text in texts)

    for node in _executed(ast.parse(source)):
        match node:
            case ast.Constant(value=bool() | int() | float() as value):
                yield replaced(*span(node), _other_constants(value))
            case ast.UnaryOp(op=op):
                yield replaced(span(node)[0], span(node)[0] + (3 if isinstance(op, ast.Not) else 1), [""])
        for left, right in _operands(node):
            start, stop = span(left)[1], span(right)[0]
            code = COMMENT.sub(lambda comment: b" " * len(comment[0]), source[start:stop])
            if operator := OPERATOR.search(code):
                yield replaced(start + operator.start(), start + operator.end(), OTHERS.get(operator[0].decode(), []))


def _operands(node: ast.AST) -> list[tuple[ast.AST, ast.AST]]:
    """What stands left and right of each operator of a node."""
    match node:
        case ast.BinOp(left=left, right=right) | ast.AugAssign(target=left, value=right):
            return [] if _is_type(left) or _is_type(right) else [(left, right)]
        case ast.BoolOp(values=values):
            return list(pairwise(values))
        case ast.Compare(left=left, comparators=others):
            return list(pairwise([left, *others]))
    return []


def _is_type(node: ast.AST) -> bool:
    """Whether it is a side of a union of types, as in ``Cut | None`` or ``int | list[str]``."""
    match node:
        case ast.Constant(value=None):
            return True
        case ast.Name(id=name):
            return isinstance(getattr(builtins, name, None), type) or (name[0].isupper() and not name.isupper())
        case ast.Subscript(value=value):
            return _is_type(value)
    return False


def _other_constants(value: float) -> list[str]:
    if isinstance(value, bool):
        return [repr(not value)]
    if isinstance(value, int):
        return [repr(value + 1), repr(value - 1)] if value else ["1"]
    return [repr(2 * value), repr(value / 2)] if value else ["1.0"]


def _executed(node: ast.AST) -> Iterator[ast.AST]:
    """Nodes that run, which annotations do not."""
    yield node
    for name, value in ast.iter_fields(node):
        if name not in {"annotation", "returns"}:
            for child in value if isinstance(value, list) else [value]:
                if isinstance(child, ast.AST):
                    yield from _executed(child)


def draw(room: str, files: Sequence[str], *, number: int, seed: int) -> list[Mutant]:
    """Some changes, each at another place."""
    places = [choices for path in files for choices in changes(path, (ROOT / path).read_bytes()) if choices]
    rng = random.Random(f"{seed} {room}")
    return [rng.choice(choices) for choices in rng.sample(places, min(number, len(places)))]


class QuickestFirst:
    """Runs quick tests before slow ones, going by how long each took before, and keeps together those of a file.

    Of quick ones, and of slow ones, those come first that are named after the module which is changed.
    """

    def __init__(self, times: Path, module: str) -> None:
        self.times = times
        self.module = module
        self.before = json.loads(times.read_text()) if times.exists() else {}
        self.now: Counter[str] = Counter()

    def pytest_collection_modifyitems(self, items: list[Any]) -> None:
        """Sort the tests."""
        files = Counter[str]()
        for name, seconds in self.before.items():
            files[name.partition("::")[0]] += seconds

        def key(item: Any) -> tuple[bool, bool, float, str]:
            file = item.nodeid.partition("::")[0]
            other = Path(file).stem.removeprefix("test_") != self.module
            return self.before.get(item.nodeid, 0.0) > QUICK, other, files[file], file

        items.sort(key=key)

    def pytest_runtest_logreport(self, report: Any) -> None:
        """Add up set-up, test and tear-down."""
        self.now[report.nodeid] += report.duration

    def pytest_sessionfinish(self) -> None:
        """Keep the times of the first run, which has no change."""
        if not self.before:
            self.times.write_text(json.dumps(self.now))


def run_tests(copy: Path, paths: Sequence[str], *, limit: float, log: Path, module: str = "") -> tuple[str, float]:
    """What became of the tests in a process of their own, first those of a module, and the processor time they took."""
    child = os.fork()
    if not child:
        os.setsid()
        try:
            _test(copy, paths, limit, log, module)
        except BaseException:
            traceback.print_exc()
        finally:
            os._exit(1)  # leaves the copy to the parent
    stop = time.monotonic() + 10 * limit  # of a process that waits and takes no processor time
    while not (done := os.wait4(child, os.WNOHANG))[0]:
        if time.monotonic() > stop:
            os.killpg(child, signal.SIGKILL)
        time.sleep(0.05)
    with suppress(ProcessLookupError):
        os.killpg(child, signal.SIGKILL)  # workers that outlived it
    _, status, usage = done
    outcome = "timeout" if os.WIFSIGNALED(status) else {0: "survived"}.get(os.WEXITSTATUS(status), "failed")
    return outcome, usage.ru_utime + usage.ru_stime


def _test(copy: Path, paths: Sequence[str], limit: float, log: Path, module: str) -> None:
    import pytest  # noqa: PLC0415

    output = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    os.dup2(output, 1)
    os.dup2(output, 2)
    resource.setrlimit(resource.RLIMIT_CPU, (int(limit), int(limit) + 5))
    os.chdir(copy)
    code = [copy / "src", *(copy / "plugins").glob("*/src"), copy / "tests/checks"]
    os.environ["PYTHONPATH"] = os.pathsep.join(map(str, code))
    sys.path[:0] = map(str, code)
    early = "ignore:Module already imported:pytest.PytestAssertRewriteWarning"  # what is heavy was imported before
    shapes = ["-p", "shapes"] if code[-1].exists() else []
    options = ["-x", "-q", "-p", "no:cacheprovider", "-W", early, *shapes]
    status = pytest.main([*options, *paths], plugins=[QuickestFirst(copy.with_name("times.json"), module)])
    sys.stdout.flush()
    os._exit(int(status))


def try_room(mutants: Sequence[Mutant], copy: Path, tests: Sequence[str]) -> Iterator[tuple[Mutant, str, str]]:
    """The outcome of each change, and the seconds that the tests took."""
    log = copy.with_name("log")
    outcome, usual = run_tests(copy, tests, limit=3600, log=log)
    print(f"{usual:.0f} s without any change", flush=True)
    if outcome != "survived":
        raise RuntimeError(f"{log.read_text()[-3000:]}\nthe tests fail without any change")
    for mutant in mutants:
        target, source = copy / mutant.path, (ROOT / mutant.path).read_bytes()
        target.write_bytes(mutant.applied(source))
        limit = SLOWER * usual + AT_LEAST
        outcome, seconds = run_tests(copy, tests, limit=limit, log=log, module=target.stem)
        target.write_bytes(source)
        yield mutant, outcome, f"{seconds:.0f}"


def survivors(files: Sequence[str], known: Sequence[Row]) -> list[Mutant]:
    """Changes of a table that nothing noticed, as far as the source still has their lines."""
    unnoticed = {(row.file, row.change) for row in known if row.outcome == "survived"}
    found = {}
    for path in files:
        source = (ROOT / path).read_bytes()
        for mutant in chain.from_iterable(changes(path, source)):
            key = path, mutant.described(source)[1]
            if key in unnoticed:
                found.setdefault(key, mutant)
    return list(found.values())


def read_table() -> list[Row]:
    """The table beside this file."""
    if not TABLE.exists():
        return []
    with TABLE.open(newline="") as file:
        return [Row(*cells) for cells in list(csv.reader(file))[1:]]


def write_table(rows: Sequence[Row]) -> None:
    """Rows by room and place, with a line of names first."""
    with TABLE.open("w", newline="") as file:
        table = csv.writer(file, lineterminator="\n")
        table.writerow([field.name for field in fields(Row)])
        table.writerows(astuple(row) for row in sorted(rows, key=lambda row: (row.room, row.place, row.change)))


def main() -> None:
    """Try the rooms that are asked for, and replace their rows of the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rooms", nargs="+", choices=sorted(rooms()), default=sorted(rooms()))
    parser.add_argument("--number", type=int, default=11, help="changes of each room")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--survivors", action="store_true", help="try again only what was not noticed before")
    parser.add_argument("--tests", nargs="+", help="run only these tests")
    parser.add_argument("--skip", nargs="+", default=[], help="leave out tests whose names begin so")
    options = parser.parse_args()
    os.environ.pop("HEPRECO_SHARED", None)  # what a clone alone would notice
    for name in HEAVY:
        import_module(name)
    gc.freeze()  # what was imported is not looked through again and again in each process
    failed = [room for room in options.rooms if not tried(room, options)]
    sys.exit(bool(failed))


def tried(room: str, options: argparse.Namespace) -> bool:
    """Try the changes of a room and replace their rows of the table; whether its tests pass without any."""
    sources, own = rooms()[room]
    known = {(row.file, row.change): row for row in read_table() if row.room == room}
    if options.survivors:
        mutants = survivors(sources, list(known.values()))
    else:
        mutants = draw(room, sources, number=options.number, seed=options.seed)
    skipped = [f"--deselect={name}" for name in options.skip]
    made = {}
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / "hepreco"
        shutil.copytree(ROOT, copy, ignore=shutil.ignore_patterns(".git", ".tox", "output", "__pycache__"))
        try:
            for mutant, outcome, seconds in try_room(mutants, copy, [*(options.tests or [*sources, *own]), *skipped]):
                place, change = mutant.described((ROOT / mutant.path).read_bytes())
                reason = known.get((mutant.path, change)) if outcome == "survived" else None
                row = Row(room, place, change, outcome, seconds, reason.why if reason else "")
                print(*astuple(row)[:5], sep=" | ", flush=True)
                made[row.file, row.change] = row
        except RuntimeError as error:
            print(error, flush=True)
            return False
    kept = known if options.survivors else {}
    write_table([*(row for row in read_table() if row.room != room), *(kept | made).values()])
    return True


if __name__ == "__main__":
    main()
