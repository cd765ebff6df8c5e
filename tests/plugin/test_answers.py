import awkward as ak
import numpy as np
import pytest
import torch

from hepreco.errors import ConfigError, PluginError
from hepreco.events import InputSpec, ObjectSpec, to_batch
from hepreco.plugin import Axis, Column
from hepreco.plugin.answers import attachable, check_outputs
from hepreco.plugin.columns import Reason

EVENTS = ak.Array(
    [
        {
            "Jet": [{"pt": pt, "eta": 0.0, "phi": 0.0, "mass": 1.0} for pt in pts],
            "run": 1,
            "luminosityBlock": 1,
            "event": number,
        }
        for number, pts in enumerate([[50.0, 20.0, 40.0], [], [60.0], [70.0, 35.0]])
    ]
)
COLUMNS = (
    Column("score"),
    Column("first", "index"),
    Column("pair", "four-vector", per=2),
    Column("of_jet", per="Jet"),
)


@pytest.fixture
def batch():
    """Events of at least one jet above 30 GeV, and which these are."""
    return to_batch(EVENTS, InputSpec((ObjectSpec("Jet", ("pt > 30",), at_least=1),)), weight=np.ones(4))


def outputs(batch):
    """What a plugin of these columns may answer."""
    tensors = {name: torch.ones(column.shape(batch)).double() for name, column in zip("abcd", COLUMNS, strict=True)}
    score, first, pair, of_jet = tensors.values()
    return {"score": score, "first": first.long(), "pair": pair, "of_jet": of_jet}


@pytest.mark.parametrize(
    "axis",
    [
        {"bins": 0, "start": 0.0, "stop": 1.0},
        {"bins": 5, "start": 1.0, "stop": 1.0},
        {"bins": 5, "start": 2.0, "stop": 1.0},
        {"bins": 5, "start": 0.0, "stop": 1.0, "spacing": "log"},
        {"bins": 5, "start": -1.0, "stop": 1.0, "spacing": "log"},
        {"bins": 5, "start": 0.0, "stop": float("nan")},
    ],
)
def test_axes_that_cannot_be(axis):
    with pytest.raises(ConfigError, match="no histogram axis has"):
        Axis(**axis)


@pytest.mark.parametrize("axis", [(1, 0.0, 1.0), (5, -1.0, 0.0), (5, 1e-9, 1.0, "log")])
def test_axes_that_can_be(axis):
    assert Axis(*axis).bins == axis[0]


def test_columns_that_cannot_be():
    with pytest.raises(ConfigError, match="a column is named 'reason'"):
        Column("reason")
    for kind in ("index", "four-vector"):
        with pytest.raises(ConfigError, match=f"holds one {kind} per object"):
            Column("a", kind, per="Jet")


def test_shapes_follow_from_the_description(batch):
    found, enough = batch
    assert enough.tolist() == [True, False, True, True]
    assert [column.shape(found) for column in COLUMNS] == [(3,), (3,), (3, 2, 4), (3, 2)]


def test_what_was_promised_passes(batch):
    check_outputs(outputs(batch[0]), columns=COLUMNS, batch=batch[0], plugin="mine")


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"score": [1.0, 2.0, 3.0]}, "score is a list, not a tensor"),
        ({"score": torch.ones(3, 1)}, r"score has shape \(3, 1\), promised \(3,\)"),
        ({"first": torch.ones(3)}, "first is torch.float32, promised a index"),
        ({"score": torch.ones(3, dtype=torch.int64)}, "score is torch.int64, promised a scalar"),
        ({"score": torch.tensor([1.0, torch.inf, 0.0])}, "score is infinite; use NaN for no answer"),
        ({"other": torch.ones(3)}, r"returned columns \[.*'other'.*\], promised"),
    ],
)
def test_what_was_not_promised_is_the_plugins_fault(wrong, message, batch):
    with pytest.raises(PluginError, match=f"plugin 'mine'.*{message}"):
        check_outputs(outputs(batch[0]) | wrong, columns=COLUMNS, batch=batch[0], plugin="mine")


def test_answers_go_back_to_their_events(batch):
    found, enough = batch
    tensors = outputs(found)
    tensors["score"] = torch.tensor([1.5, torch.nan, 2.5], dtype=torch.float64)
    tensors["of_jet"] = torch.tensor([[7.0, 8.0], [torch.nan, 0.0], [torch.nan, 5.0]], dtype=torch.float64)
    tensors["pair"][1] = torch.nan
    tensors["pair"][:, 1] = torch.nan
    record = attachable(tensors, columns=COLUMNS, batch=found, enough=enough, events=EVENTS, plugin="mine")
    assert record.score.tolist() == [1.5, None, None, 2.5]
    assert record["first"].tolist() == [1, -1, 1, 1]
    assert record.of_jet.tolist() == [[7.0, None, 8.0], [], [None], [None, 5.0]]
    assert ak.is_none(record.pair, axis=1).tolist() == [[False, True], [True, True], [True, True], [False, True]]
    answered, few = Reason.ANSWERED, Reason.TOO_FEW_OBJECTS
    assert record.reason.tolist() == [answered, few, answered, answered]  # event 2 has an index, but no number


def test_an_event_without_any_number_has_no_answer(batch):
    found, enough = batch
    columns = (Column("score"), Column("of_jet", per="Jet"), Column("first", "index"))
    tensors = {
        "score": torch.tensor([torch.nan, torch.nan, 1.0]),
        "of_jet": torch.tensor([[torch.nan, torch.nan], [torch.nan, 1.0], [torch.nan, torch.nan]]),
        "first": torch.zeros(3, dtype=torch.int64),
    }
    record = attachable(tensors, columns=columns, batch=found, enough=enough, events=EVENTS, plugin="mine")
    none, few, answered = Reason.NO_ANSWER, Reason.TOO_FEW_OBJECTS, Reason.ANSWERED
    assert record.reason.tolist() == [none, few, answered, answered]
    alone = attachable(
        {"first": tensors["first"]}, columns=columns[2:], batch=found, enough=enough, events=EVENTS, plugin="mine"
    )
    assert alone.reason.tolist() == [answered, few, answered, answered]
