"""The table of what slow tests measured."""

import runpy
from pathlib import Path

import pytest

RUN = """<testsuites><testsuite>
<testcase classname="tests.test_a" name="test_one[g g > g]" time="12.3"><properties>
<property name="pb" value="6.2 ± 0.1"/><property name="p|value" value="0.4"/></properties></testcase>
<testcase classname="tests.test_a" name="test_two" time="1.0">{}</testcase>
</testsuite></testsuites>"""


@pytest.mark.parametrize(("of_two", "outcome"), [("", "passed"), ("<failure/>", "failure"), ("<skipped/>", "skipped")])
def test_rows_are_replaced_and_others_kept(of_two: str, outcome: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    table, run = tmp_path / "slow.md", tmp_path / "run.xml"
    table.write_text("| `tests.test_a::test_two` | passed | 3 | old |\n| `tests.test_b::test` | passed | 7 | kept |\n")
    run.write_text(RUN.format(of_two))
    main = runpy.run_path(str(Path(__file__).with_name("slow.py")))["main"]
    monkeypatch.setitem(main.__globals__, "TABLE", table)
    monkeypatch.setattr("sys.argv", ["slow.py", str(run)])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == (outcome == "failure")
    assert [line for line in table.read_text().splitlines() if line.startswith("| `")] == [
        "| `tests.test_a::test_one[g g > g]` | passed | 12 | pb: 6.2 ± 0.1; p/value: 0.4 |",
        f"| `tests.test_a::test_two` | {outcome} | 1 |  |",
        "| `tests.test_b::test` | passed | 7 | kept |",
    ]
