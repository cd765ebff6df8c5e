"""What a run removes from its output directory."""

import json

from hepreco.cli.output import RECORD, claim


def test_files_of_an_earlier_run_are_removed_and_no_others(tmp_path):
    folder, outside = tmp_path / "out", tmp_path / "outside.txt"
    outside.write_text("kept")
    (folder / "columns" / "old").mkdir(parents=True)
    for name in ("columns/old/a.root", "columns/b.root", "columns/mine.txt"):
        (folder / name).write_text(name)
    of_earlier_runs = ["columns/old/a.root", "columns/b.root", "columns/gone.root", "columns", "../outside.txt"]
    (folder / RECORD).write_text(json.dumps({"files": of_earlier_runs}))
    with claim(folder) as output:
        output.begin({"columns": ["b.root"]}, resume=True)
        output.finish({"columns": ["b.root"]})
    assert sorted(path.name for path in (folder / "columns").iterdir()) == ["b.root", "mine.txt"]
    assert outside.read_text() == "kept"
    assert json.loads((folder / RECORD).read_text()) == {"files": ["columns/b.root"]}
