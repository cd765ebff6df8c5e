"""Writes what slow tests measured, from JUnit's XML of their runs, to the table ``slow.md`` beside this file.

``python tests/slow.py RUN.xml ...`` keeps the rows of tests that none of the runs had, and ends with 1 if one failed.
"""

import re
import sys
from pathlib import Path
from xml.etree import ElementTree

TABLE = Path(__file__).with_name("slow.md")
HEAD = """# What the slow tests measured

Written by `tox run -e slow`; seconds are of wall time, on whatever else the machine did.

| test | outcome | seconds | measured |
|---|---|---|---|
"""
OUTCOMES = ("failure", "error", "skipped")


def rows(run: Path) -> dict[str, str]:
    """The rows of the table, by the names of tests."""
    found = {}
    for case in ElementTree.parse(run).iter("testcase"):
        name = f"{case.get('classname')}::{case.get('name')}".replace("|", "/")
        outcome = next((each for each in OUTCOMES if case.find(each) is not None), "passed")
        measured = "; ".join(f"{each.get('name')}: {each.get('value')}" for each in case.iter("property"))
        found[name] = f"| `{name}` | {outcome} | {float(case.get('time', 0)):.0f} | {measured.replace('|', '/')} |"
    return found


def main() -> None:
    """Write the table."""
    stored = re.findall(r"^(\| `(.*?)` .*)$", TABLE.read_text(), re.M) if TABLE.exists() else []
    found = {name: row for row, name in stored}
    for run in sys.argv[1:]:
        found |= rows(Path(run))
    TABLE.write_text(HEAD + "".join(f"{found[name]}\n" for name in sorted(found)))
    sys.exit(any(f"| {bad} |" in row for row in found.values() for bad in ("failure", "error")))


if __name__ == "__main__":
    main()
