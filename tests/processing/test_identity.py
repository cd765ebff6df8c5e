"""Which changes of code make another result."""

import pytest

from hepreco.processing.identity import of_module


@pytest.mark.parametrize(
    ("changed", "other"),
    [("cuts_of_mine.py", True), ("beside_my_cuts.py", True), ("of_nobody.py", False)],
    ids=["the module", "what it imports", "neither"],
)
def test_code_and_what_it_imports_are_its_identity(tmp_path, monkeypatch, changed, other):
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "cuts_of_mine.py").write_text("import json\nimport numpy\nfrom beside_my_cuts import LEAST\n")
    for name in ("beside_my_cuts.py", "of_nobody.py"):
        (tmp_path / name).write_text("LEAST = 4\n")
    before = of_module("cuts_of_mine", str(tmp_path / "cuts_of_mine.py"))
    (tmp_path / changed).write_text((tmp_path / changed).read_text() + "MOST = 12\n")
    assert (of_module("cuts_of_mine", str(tmp_path / "cuts_of_mine.py")) != before) == other
