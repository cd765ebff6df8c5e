"""The tool that changes the source, and its table."""

import importlib.util
import subprocess
import sys
from pathlib import Path

import pytest

TABLE = Path(__file__).with_name("mutants.csv")
#: Of the rows of the table.
LEAST_NOTICED = 0.92


@pytest.fixture(scope="module")
def tool():
    spec = importlib.util.spec_from_file_location("mutants", Path(__file__).with_name("mutants.py"))
    module = importlib.util.module_from_spec(spec)
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(sys.modules, "mutants", module)
        spec.loader.exec_module(module)
        yield module


def lines(tool, source):
    """All changes of some lines of code, as lines."""
    return [
        mutant.applied(source.encode()).decode()
        for choices in tool.changes("a.py", source.encode())
        for mutant in choices
    ]


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("x = a + b", ["x = a - b"]),
        ("x = (a) * (b)", ["x = (a) / (b)"]),
        ("x = a  # é *\\\n".replace("\\\n", "\n") + "y = 1.5", ["x = a  # é *\ny = 3.0", "x = a  # é *\ny = 0.75"]),
        ("x = a < b <= c", ["x = a <= b <= c", "x = a >= b <= c", "x = a < b < c", "x = a < b > c"]),
        ("x = a and not b or c", ["x = a and not b and c", "x = a or not b or c", "x = a and  b or c"]),
        ("x = a is not b", ["x = a is b"]),
        ("x = -a if b not in c else d", ["x = -a if b in c else d", "x = a if b not in c else d"]),
        ("x = ~d", ["x = d"]),
        ("x += 3", ["x -= 3", "x += 4", "x += 2"]),
        ("x = True", ["x = False"]),
        ("x = 0", ["x = 1"]),
        ("x = 0.0", ["x = 1.0"]),
        ("x = (a  # + one\n     - b)", ["x = (a  # + one\n     + b)"]),
        ("def f(x: A | None = 0) -> A | B: 'a + 1'", ["def f(x: A | None = 1) -> A | B: 'a + 1'"]),
        ("Option = int | list[str]", []),
        ("x = mask | other", ["x = mask & other"]),
    ],
)  # fmt: skip
def test_one_operator_or_constant_is_changed(tool, source, expected):
    assert sorted(lines(tool, source)) == sorted(expected)


def test_a_seed_gives_the_same_changes_and_another_one_others(tool):
    files, _ = tool.rooms()["kinematics"]
    one, again, other = (tool.draw("kinematics", files, number=20, seed=seed) for seed in (1, 1, 2))
    assert one == again != other
    assert len({(mutant.path, mutant.start) for mutant in one}) == 20
    for mutant in one:
        source = (tool.ROOT / mutant.path).read_bytes()
        place, change = mutant.described(source)
        before, after = change.split(" → ")
        assert before != after
        number = int(place.rpartition(":")[2])
        assert source.decode().split("\n")[number - 1].strip() == before
        compile(mutant.applied(source), mutant.path, "exec")


def test_survivors_are_found_by_their_lines(tool):
    files, _ = tool.rooms()["kinematics"]
    mutants = tool.draw("kinematics", files, number=3, seed=1)
    described = [mutant.described((tool.ROOT / mutant.path).read_bytes()) for mutant in mutants]
    outcomes = ("survived", "failed", "survived")
    rows = [tool.Row("kinematics", *said, outcome, "1", "") for said, outcome in zip(described, outcomes, strict=True)]
    gone = tool.Row("kinematics", f"{files[0]}:1", "x = 1 → x = 2", "survived", "1", "")
    assert set(tool.survivors(files, [*rows, gone])) == {mutants[0], mutants[2]}


def test_every_room_and_plugin_has_tests_of_its_own(tool):
    for room, (sources, tests) in tool.rooms().items():
        assert sources
        assert all((tool.ROOT / path).is_file() for path in sources)
        assert all((tool.ROOT / path.partition("::")[0]).exists() for path in tests), room


@pytest.mark.parametrize(
    ("test", "limit", "outcome"),
    [
        ("def test_it(): assert VALUE == 1", 60, "survived"),
        ("def test_it(): assert VALUE == 2", 60, "failed"),
        ("def test_it():\n    while VALUE: pass", 5, "timeout"),
        ("import nothing_of_this_name", 60, "failed"),
    ],
)
def test_outcomes(tmp_path, test, limit, outcome):
    """In a process that has imported nothing yet, as the tool is."""
    copy = tmp_path / "copy"
    (copy / "src").mkdir(parents=True)
    (copy / "plugins").mkdir()
    (copy / "src" / "some_module.py").write_text("VALUE = 1\n")
    (copy / "test_it.py").write_text(f"from some_module import VALUE\n{test}\n")
    code = "import sys; from pathlib import Path; sys.path.insert(0, sys.argv[1]); import mutants; "
    code += "copy = Path(sys.argv[2]); log = copy / 'log'; "
    code += f"print(*mutants.run_tests(copy, ['test_it.py'], limit={limit}, log=log)); print(log.read_text())"
    command = [sys.executable, "-c", code, str(TABLE.parent), str(copy)]
    printed = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    found, seconds = printed.splitlines()[0].split()
    assert found == outcome, printed
    assert 0 < float(seconds) < 2 * limit


def test_the_table_explains_what_was_not_noticed(tool):
    rows = tool.read_table()
    survivors = [row for row in rows if row.outcome == "survived"]
    assert len(rows) >= 200
    assert 1 - len(survivors) / len(rows) >= LEAST_NOTICED
    assert [row.place for row in survivors if not row.why] == []
    readme = " ".join(TABLE.with_name("README.md").read_text().split())
    noticed = len(rows) - len(survivors)
    assert f"{noticed} of their {len(rows)} changes were noticed ({100 * noticed / len(rows):.0f} %)" in readme
    missing = sorted(tool.rooms().keys() - {row.room for row in rows})
    assert all(f"`{room}`" in readme for room in missing)
