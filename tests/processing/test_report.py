import pytest

from hepreco.errors import PluginError
from hepreco.processing import Chunk, Failure, RunReport


def chunk(start, stop, dataset="a"):
    return Chunk(dataset, "f.root", start, stop)


def report(*chunks, weight=1.0):
    total = weight * sum(c.events for c in chunks)
    return RunReport(
        frozenset(chunks),
        sum_of_weights={"a": total},
        cross_section={"a": 2.0},
        without_answer={"a": {"p": {"no_answer": 1}}},
    )


def test_reports_add_up():
    total = report(chunk(0, 5)) + report(chunk(5, 9), weight=-1.0)
    assert total.events("a") == 9
    assert total.sum_of_weights == {"a": 1.0}
    assert total.without_answer == {"a": {"p": {"no_answer": 2}}}
    assert total.complete


def test_a_chunk_counts_once():
    with pytest.raises(ValueError, match="counted twice"):
        report(chunk(0, 5)) + report(chunk(0, 5))


def test_json_joins_neighbours_and_reads_back():
    failure = Failure(chunk(9, 12), "lost", "why", "what")
    total = report(chunk(0, 5)) + report(chunk(5, 9)) + RunReport(failures=frozenset([failure]))
    values = total.as_json()
    assert [(row["start"], row["stop"]) for row in values["processed"]] == [(0, 9)]
    assert not values["complete"]
    back = RunReport.from_json(values)
    assert back.failures == total.failures
    assert back.sum_of_weights == total.sum_of_weights


def _raised(error, cause=None):
    error.__cause__ = cause
    return error


def test_failures_say_why():
    wrapped = _raised(RuntimeError("Failed processing"), _raised(PluginError("plugin 'x' raised", "ask its author")))
    assert Failure.from_exception(chunk(0, 1), wrapped).remedy == "ask its author"
    unreadable = _raised(RuntimeError("Failed"), _raised(OSError("truncated")))
    assert Failure.from_exception(chunk(0, 1), unreadable).kind == "unreadable"
    bug = _raised(ValueError("a bug"))
    assert Failure.from_exception(chunk(0, 1), bug).kind == "error"
