"""Whatever goes wrong ends in one clear message, in bounded length, with its status."""

import os
import signal
import subprocess
import sys
import threading

import click
import pytest
from click.testing import CliRunner

from hepreco.cli import main
from hepreco.errors import LONGEST, ConfigError, describe, shorten
from hepreco.plugin.isolation import interrupts


class UnspeakableError(Exception):
    def __str__(self) -> str:
        raise SystemExit(0)


RAISED = {
    "SystemExit: 0": SystemExit(0),
    "KeyboardInterrupt": KeyboardInterrupt(),
    "its text raises SystemExit": UnspeakableError(),
    "RecursionError: too deep": RecursionError("too deep"),
    "GeneratorExit": GeneratorExit(),
    "1000000 characters, cut": ValueError("x" * 1_000_000),
    "two lines": ValueError("two\nlines"),
    "\\udcff": ValueError("a name \udcff"),
}


@pytest.fixture(params=RAISED, ids=lambda text: text.split(":")[0][:20])
def raised(request, monkeypatch):
    """A command of which something inside raises."""

    def command(*_: object) -> None:
        raise RAISED[request.param]

    monkeypatch.setattr("hepreco.plugin.list_plugins", lambda **_: command())
    return request.param


def test_an_exception_of_any_shape_is_one_message(raised):
    result = CliRunner().invoke(main, ["plugins", "list"])
    assert result.exit_code == 2
    assert raised in result.stderr
    first, second = result.stderr.splitlines()
    assert first.startswith("unexpected ")
    assert "--traceback" in second
    assert len(result.stderr) < 2 * LONGEST


def test_a_traceback_shows_where_it_was_raised(monkeypatch):
    def fail(**_: object) -> None:
        raise ValueError("here")

    monkeypatch.setattr("hepreco.plugin.list_plugins", fail)
    result = CliRunner().invoke(main, ["--traceback", "plugins", "list"])
    assert isinstance(result.exception, ValueError)


def test_messages_of_our_own_are_cut_too(monkeypatch):
    def fail(**_: object) -> None:
        raise ConfigError("y" * 100_000, "shorten it")

    monkeypatch.setattr("hepreco.plugin.list_plugins", fail)
    result = CliRunner().invoke(main, ["plugins", "list"])
    assert result.exit_code == 2
    assert len(result.stderr) < 2 * LONGEST
    assert result.stderr.endswith("what to do: shorten it\n")


def test_what_a_terminal_cannot_show_is_escaped():
    assert shorten("a\x1b[31m\udcff") == "a\\x1b[31m\\udcff"
    assert describe(ValueError()) == "ValueError"


INTERRUPTED = """
import os, signal
import hepreco.plugin
hepreco.plugin.list_plugins = lambda **_: os.kill(os.getpid(), signal.SIGINT)
from hepreco.cli import main
main(["plugins", "list"])
"""


def test_the_user_interrupts():
    done = subprocess.run([sys.executable, "-c", INTERRUPTED], capture_output=True, text=True, check=False)
    assert done.returncode == 128 + signal.SIGINT
    assert done.stderr.splitlines()[-2:] == ["interrupted", "  what to do: repeat the command"]


def test_only_a_signal_is_an_interrupt():
    before = signal.getsignal(signal.SIGINT)
    with interrupts() as interrupted:
        assert not interrupted()
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), signal.SIGINT)
        assert interrupted()
    assert signal.getsignal(signal.SIGINT) is before


def test_other_threads_receive_no_interrupts():
    answers = []

    def look() -> None:
        with interrupts() as interrupted:
            answers.append(interrupted())

    thread = threading.Thread(target=look)
    thread.start()
    thread.join()
    assert answers == [False]


def test_click_errors_keep_their_shape():
    result = CliRunner().invoke(main, ["plugins", "info"])
    assert result.exit_code == click.UsageError.exit_code
    assert "Missing argument 'NAME'" in result.stderr
