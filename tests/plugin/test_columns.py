import numpy as np
import pytest
import torch

from hepreco.errors import ConfigError, PluginError
from hepreco.events import InputSpec, ObjectSpec
from hepreco.plugin import Axis, Column
from hepreco.plugin.answers import check_outputs, partly_missing
from hepreco.plugin.columns import MOST_BINS
from hepreco.testing import toy_batch

NAN = torch.nan


def test_an_axis_of_more_bins_than_memory_holds_is_refused():
    assert Axis(MOST_BINS, 0.0, 1.0).bins == MOST_BINS
    with pytest.raises(ConfigError, match=r"100000000 bins(.|\n)*at most 1000000 bins"):
        Axis(10**8, 0.0, 1.0)


@pytest.mark.parametrize(
    ("bins", "start", "stop"),
    [(0, 0, 1), (1, 1, 1), (1, 0, np.inf), (1, -np.inf, 0), (1, np.nan, 1), (1, 0, np.nan), (1, -1.7e308, 1.7e308)],
)
def test_an_axis_needs_bins_between_numbers(bins, start, stop):
    with pytest.raises(ConfigError, match="no histogram axis"):
        Axis(bins, start, stop)


@pytest.mark.parametrize("spacing", ["linear", "log"])
def test_bins_narrower_than_rounding_are_refused(spacing):
    with pytest.raises(ConfigError, match="narrower than the rounding"):
        Axis(1000, 1.0, 1.0 + 1e-14, spacing)


def test_edges():
    assert Axis(2, 0.0, 1.0).edges.tolist() == [0.0, 0.5, 1.0]
    np.testing.assert_allclose(Axis(2, 1.0, 100.0, "log").edges, [1.0, 10.0, 100.0])


@pytest.mark.parametrize(
    ("axis", "closed"),
    [
        (Axis(10, 0.0, 1.0), True),
        (Axis(10, -1.0, 1.0), True),
        (Axis(10, 0.0, 1.0, closed=False), False),
        (Axis(10, 0.0, 5.0), False),
        (Axis(10, 0.0, 5.0, closed=True), True),
        (Axis(10, 0.1, 1.0, "log"), False),
    ],
)
def test_axes_of_scores_include_their_end(axis, closed):
    assert axis.includes_stop is closed


def test_a_column_is_a_field():
    with pytest.raises(ConfigError, match=r"a column is named 'top\.mass'"):
        Column("top.mass")


def test_an_index_is_of_a_collection():
    jets, both = (InputSpec(tuple(map(ObjectSpec, names))) for names in (("Jet",), ("Jet", "Muon")))
    assert Column("best", "index", of="Muon").collection(both) == "Muon"
    assert Column("best", "index").collection(jets) == "Jet"  # as plugins of version 1 leave it
    assert Column("best", "index").collection(both) is None
    assert Column("score").collection(jets) is None
    with pytest.raises(ConfigError, match=r"column 'score' is a scalar of 'Jet'(.|\n)*only an index"):
        Column("score", of="Jet")


COLUMNS = (
    Column("score"),
    Column("pair", per=2),
    Column("top", "four-vector"),
    Column("tag", per="Jet"),
    Column("best", "index"),
)


def answers(batch):
    slots = batch.collection("Jet").mask.shape[1]
    return {
        "score": torch.zeros(len(batch)),
        "pair": torch.zeros(len(batch), 2),
        "top": torch.zeros(len(batch), 4),
        "tag": torch.zeros(len(batch), slots),
        "best": torch.full((len(batch),), -1),
    }


@pytest.fixture(scope="module")
def batch():
    return toy_batch(InputSpec((ObjectSpec("Jet", at_least=1),)), events=6)


def test_answers_that_are_missing_in_part_are_counted_by_column(batch):
    tensors = answers(batch)
    assert partly_missing(tensors, columns=COLUMNS, batch=batch) == {}
    tensors["score"][[0, 2]] = NAN
    tensors["pair"][3, 1] = NAN
    tensors["top"][[1, 4], 2] = NAN
    assert partly_missing(tensors, columns=COLUMNS, batch=batch) == {"score": 2, "pair": 1, "top": 2}


def test_events_without_any_answer_are_not_missing_in_part(batch):
    tensors = answers(batch)
    for name in ("score", "pair", "top", "tag"):
        tensors[name][2] = NAN
    tensors["score"][0] = NAN
    assert partly_missing(tensors, columns=COLUMNS, batch=batch) == {"score": 1}


def test_only_objects_that_are_there_can_lack_an_entry(batch):
    tensors = answers(batch)
    mask = batch.collection("Jet").mask
    assert not mask.all()
    tensors["tag"][~mask] = NAN
    assert partly_missing(tensors, columns=COLUMNS, batch=batch) == {}
    tensors["tag"][1, 0] = NAN
    assert partly_missing(tensors, columns=COLUMNS, batch=batch) == {"tag": 1}


def test_an_empty_batch_lacks_nothing(batch):
    assert partly_missing(answers(batch[:0]), columns=COLUMNS, batch=batch[:0]) == {}


def test_an_answer_that_float32_cannot_hold_is_refused(batch):
    tensors = answers(batch)
    tensors["score"] = tensors["score"].double()
    tensors["score"][0] = 1e39
    with pytest.raises(PluginError, match="score is beyond the range of float32"):
        check_outputs(tensors, columns=COLUMNS, batch=batch, plugin="p")
