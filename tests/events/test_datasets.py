import json

import pytest

from hepreco.errors import ConfigError, DatasetError
from hepreco.events import Dataset, read_fileset


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
