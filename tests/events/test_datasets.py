import json
from pathlib import Path

import pytest

from hepreco.errors import ConfigError, DatasetError
from hepreco.events import Columns, Dataset, read_fileset, to_fileset


@pytest.mark.parametrize("cross_section", [0.0, -3.0, float("nan"), float("inf")])
def test_a_cross_section_is_a_positive_number(cross_section):
    with pytest.raises(ConfigError, match="cross_section of dataset 'a'"):
        Dataset("a", ("a.root",), cross_section=cross_section)


@pytest.mark.parametrize("name", ["../a", "/a", "..", "a/b", "", "a\n"])
def test_a_name_that_would_leave_its_directory_is_refused(name):
    with pytest.raises(ConfigError, match="a dataset is named"):
        Dataset(name, ("a.root",))


def test_data_and_simulation_are_accepted():
    assert Dataset("data", ("a.root",)).cross_section is None
    assert Dataset("tt̄", ("a.root",), cross_section=1e-9).cross_section == 1e-9


def test_a_fileset_is_read(tmp_path):
    path = tmp_path / "fileset.json"
    path.write_text(json.dumps({"ttbar": {"files": {"a.root": "Events"}, "metadata": {"cross_section": 830.0}}}))
    (dataset,) = read_fileset(path)
    assert (dataset.name, dataset.cross_section, dataset.tree) == ("ttbar", 830.0, "Events")
    path.write_text("[]")
    with pytest.raises(DatasetError):
        read_fileset(path)


def test_a_fileset_has_lists_of_replicas_and_names_of_das(tmp_path):
    path = tmp_path / "fileset.json"
    path.write_text(
        json.dumps({"/TT/Run3/NANOAODSIM": {"files": [["root://a//x.root", "root://b//x.root"], ["y.root"]]}})
    )
    (dataset,) = read_fileset(path)
    assert dataset.name == "TT_Run3_NANOAODSIM"
    assert dataset.files == (("root://a//x.root", "root://b//x.root"), ("y.root",))
    path.write_text(json.dumps({"/TT/a": {"files": ["x.root"]}, "TT_a": {"files": ["x.root"]}}))
    with pytest.raises(DatasetError, match="two of its datasets get the same name"):
        read_fileset(path)


def test_replicas_are_one_file(tmp_path):
    (tmp_path / "a.root").touch()
    local = str(tmp_path / "a.root")
    dataset = Dataset("x", (local, (f"file://{local}", "https://a/b.root"), ("gone.root", "https://a/b.root")))
    assert dataset.replicas()[0] == (local,)
    assert dataset.paths() == (local, str(Path("gone.root").resolve()))
    with pytest.raises(DatasetError, match="a list of no replicas"):
        Dataset("x", ((),)).paths()


def test_coffeas_runner_is_given_what_decides_which_events_count():
    plain = {"cross_section": None, "period": "", "data": False}
    fileset = to_fileset(
        [Dataset("x", ("https://a/x.root",), triggers=("HLT.Mu",)), Dataset("y", ("https://a/y.root",))]
    )
    assert fileset["y"]["metadata"] | plain == fileset["y"]["metadata"]
    assert fileset["x"]["metadata"]["filters"] == fileset["y"]["metadata"]["filters"] == ["triggers"]
    with pytest.raises(DatasetError, match="coffea's runner would not normalise"):
        to_fileset([Dataset("x", ("https://a/x.root",), skim=True)])


def test_generator_weights_of_data_are_not_read():
    columns = Dataset("x", ("a.root",), data=True).columns | Columns(anything=True)
    assert not columns.wanted("genWeight")
    assert columns.present(["genWeight", "run"]) == ["run"]
    assert columns.wanted("Jet_pt")
