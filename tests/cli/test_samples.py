"""The samples that a configuration asks for."""

import numpy as np
import pytest
import uproot

from hepreco.cli.samples import datasets_of
from hepreco.config import DatasetConfig
from hepreco.errors import ConfigError
from hepreco.generation import Cuts, Sample
from hepreco.generation.hard import IntegrationBudget
from hepreco.processing import make_executor

QUICK = IntegrationBudget(iterations=1, points=500, last=1000)


def tables(names, **options):
    """Datasets of small samples with different seeds."""
    samples = (Sample("g g > t t~", 20, seed, budget=QUICK, **options) for seed in range(len(names)))
    return {name: DatasetConfig(sample=sample) for name, sample in zip(names, samples, strict=True)}


def events(dataset):
    (path,) = dataset.files
    with uproot.open(path)["Events"] as tree:
        return tree["GenPart_pt"].array().to_list(), tree["Jet_pt"].array().to_list()


def test_samples_are_the_same_from_other_processes(tmp_path, capfd, ready_workers):
    with make_executor("iterative") as executor:
        here = datasets_of(tables("ab"), tmp_path / "here", executor=executor)
    with make_executor("futures", workers=1) as executor:
        there = datasets_of(tables("ab"), tmp_path / "there", executor=executor)
        assert datasets_of(tables("ab"), tmp_path / "there", executor=executor) == there  # nothing is missing any more
        with pytest.raises(ConfigError, match="cross-section"):
            datasets_of(tables("cd", cuts=Cuts(pt_min=1e5)), tmp_path / "there", executor=executor)
    assert [dataset.name for dataset in there] == ["a", "b"]
    for one, other in zip(here, there, strict=True):
        np.testing.assert_equal(events(one), events(other))
    assert events(here[0]) != events(here[1])
    assert capfd.readouterr() == ("", "")
