import pytest

from hepreco.errors import PluginError, UnreadableError
from hepreco.processing import Chunk, Failure, ProcessedChunks, RunReport


def chunk(start, stop, dataset="a"):
    return Chunk(dataset, "f.root", start, stop)


def report(*chunks, weight=1.0):
    total = weight * sum(c.events for c in chunks)
    return RunReport(
        ProcessedChunks(chunks),
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
    total = report(chunk(0, 5)) + report(chunk(5, 9)) + RunReport(failures={failure})
    values = total.as_json()
    assert [(row["start"], row["stop"]) for row in values["processed"]] == [(0, 9)]
    assert not values["complete"]
    back = RunReport.from_json(values)
    assert back.failures == total.failures
    assert back.sum_of_weights == total.sum_of_weights


def test_failures_say_why():
    broken = Failure.from_exception(chunk(0, 1), PluginError("plugin 'x' raised", "ask its author"))
    assert (broken.kind, broken.reason, broken.remedy) == ("error", "plugin 'x' raised", "ask its author")
    bug = Failure.from_exception(chunk(0, 1), ValueError("a bug"))
    assert (bug.kind, bug.reason) == ("error", "ValueError: a bug")


@pytest.mark.parametrize("error", [OSError("truncated"), EOFError(), PluginError("no such file", "mend it")])
def test_only_the_border_of_reading_makes_a_file_unreadable(error):
    assert Failure.from_exception(chunk(0, 1), error).kind == "error"
    assert Failure.from_exception(chunk(0, 1), UnreadableError("damaged", "replace it")).kind == "unreadable"


def test_an_exception_whose_text_raises_is_told_in_one_line():
    class MuteError(Exception):
        def __str__(self):
            raise SystemExit(3)

    failure = Failure.from_exception(chunk(0, 1), MuteError())
    assert failure.reason == "MuteError: (its text raises SystemExit)"


def test_enormous_messages_are_cut():
    assert len(Failure.from_exception(chunk(0, 1), PluginError("x" * 10**6, "y" * 10**6)).reason) < 3000


@pytest.mark.parametrize("order", [[0, 1, 2, 3], [3, 1, 0, 2], [2, 3, 1, 0]])
def test_neighbours_are_joined_in_any_order(order):
    pieces = [chunk(0, 5), chunk(5, 9), chunk(9, 9 + 4), chunk(13, 20)]
    processed = ProcessedChunks(pieces[i] for i in order)
    assert list(processed) == [chunk(0, 20)]
    assert chunk(3, 12) in processed
    assert chunk(19, 21) not in processed


def test_a_gap_stays_open():
    processed = ProcessedChunks([chunk(0, 5), chunk(9, 12)])
    assert len(processed) == 2
    assert chunk(5, 9) not in processed
    assert processed != ProcessedChunks([chunk(0, 12)])


@pytest.mark.parametrize("again", [(0, 5), (4, 6), (2, 3), (0, 9), (11, 13)])
def test_entries_count_once(again):
    with pytest.raises(ValueError, match="counted twice"):
        ProcessedChunks([chunk(0, 5), chunk(9, 12), chunk(*again)])


def test_an_empty_chunk_counts_once_too():
    assert list(ProcessedChunks([chunk(0, 0)])) == [chunk(0, 0)]
    with pytest.raises(ValueError, match="counted twice"):
        ProcessedChunks([chunk(0, 0), chunk(0, 0)])
