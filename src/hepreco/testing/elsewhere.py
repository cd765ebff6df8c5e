"""Checks that a plugin gives the same answers in another process, and does not change the process."""

import atexit
import os
import pickle
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache, lru_cache
from typing import Any, BinaryIO, Final, cast

import cloudpickle

from hepreco.plugin.manager import Plugin
from hepreco.testing.answers import NotAskedError, cleared, fail, first_difference, require_same
from hepreco.testing.examination import KEPT, Examination, check
from hepreco.testing.second_process import Reply, Request, receive, send

#: Largest number of environment variables read by a plugin that are tried with other values.
TRIED: Final = 3
_WHEN: Final = "in another process"
_REMEDY: Final = (
    "let the answer depend on the event and on options alone: not on what came first, nor on time, folder, "
    "environment, hashes or random numbers of the process"
)


@check
def another_process(examined: Examination) -> None:
    """Give the same in a new process, after other events, with another folder, clock, environment and random state."""
    reconstructor, reply = examined.reconstructor, examined_elsewhere(examined)
    if reply.error:
        fail(reconstructor, f"{_WHEN}, {reply.error}", expected="an answer", remedy=_REMEDY)
    asked = ((examined.others, examined.found_of_others), (examined.events, examined.found))
    for (batch, expected), given in zip(asked, reply.answers, strict=True):
        found = cleared(given, columns=reconstructor.outputs, batch=batch)
        when = f"{_WHEN} that has seen other events before"
        require_same(expected, found, reconstructor=reconstructor, when=when, remedy=_REMEDY)
    for name in reply.variables[:TRIED]:
        _require_blind_to(examined, name)


@check
def side_effects(examined: Examination) -> None:
    """Leave the process as it was: dtype, threads, seeds, folder, environment, warnings; and write nothing."""
    reply = examined_elsewhere(examined)
    for done in (*(f"changes {effect}" for effect in reply.effects), *reply.written):
        remedy = "put back what was set, or do without: torch.Generator, dtype=..., torch.inference_mode() as a context"
        fail(examined.reconstructor, done, expected="a process as it was before", remedy=remedy)


def examined_elsewhere(examined: Examination) -> Reply:
    """The answers and side effects of the plugin in another process, where it sees the other events first."""
    _ = examined.found
    reply = _reply(examined)
    if reply is None:
        message = f"{examined.name}: cannot be pickled into another process"
        raise NotAskedError(message, "see the check 'picklable'")
    return reply


@lru_cache(maxsize=KEPT)
def _reply(examined: Examination) -> Reply | None:
    """The reply, obtained once for both checks; None if pickling raises."""
    try:
        return asked_elsewhere(examined)
    except Exception:
        return None


def _require_blind_to(examined: Examination, name: str) -> None:
    """Require the same answers for other values of an environment variable."""
    for value in _other_values(os.environ.get(name)):
        reply = asked_elsewhere(examined, environment={name: value})
        found = [
            cleared(given, columns=examined.reconstructor.outputs, batch=batch)
            for given, batch in zip(reply.answers, (examined.others, examined.events), strict=False)
        ]
        difference = reply.error or first_difference(examined.found, found[-1])
        if difference:
            problem = f"where the environment variable {name} is {value!r}, {difference}"
            remedy = "make it an option: workers have other environments, and options are part of a result's identity"
            fail(examined.reconstructor, problem, expected="the same answer", remedy=remedy)


def _other_values(value: str | None) -> tuple[str | None, ...]:
    if value is None:
        return ("2", "1", "true")
    try:
        return (None, str(2 * float(value) + 1))
    except ValueError:
        return (None, f"{value}-other")


def asked_elsewhere(examined: Examination, *, environment: dict[str, str | None] | None = None) -> Reply:
    """Run the plugin on the other events, and then on all, in another process."""
    return plugin_elsewhere(examined.reconstructor, (examined.others, examined.events), environment=environment)


def plugin_elsewhere(
    plugin: Plugin, batches: tuple[Any, ...], *, environment: dict[str, str | None] | None = None
) -> Reply:
    """Run a plugin in another process, pickled by reference like installed plugins, or by value if that fails.

    Raises
    ------
    Exception
        Pickling raises any exception.
    """
    reply = Reply(stage="unpickle")
    for modules in ((), _modules(plugin)):
        if reply.stage == "unpickle":
            with _by_value(modules):
                pickled = cloudpickle.dumps(plugin)
            reply = _server().ask(Request(tuple(sys.path), pickled, batches, environment or {}))
    return reply


def _modules(plugin: Plugin) -> tuple[str, ...]:
    """The modules of the plugin's class and its parents, except those of hepreco and Python."""
    names = dict.fromkeys(cls.__module__ for cls in type(plugin).__mro__)
    return tuple(name for name in names if name.partition(".")[0] not in ("hepreco", "builtins", "abc", "typing"))


@contextmanager
def _by_value(modules: tuple[str, ...]) -> Iterator[None]:
    known = [sys.modules[name] for name in modules if name in sys.modules]
    for module in known:
        cloudpickle.register_pickle_by_value(module)
    try:
        yield
    finally:
        for module in known:
            cloudpickle.unregister_pickle_by_value(module)


class _Server:
    """The other process, which is started once and serves many requests."""

    def __init__(self) -> None:
        seed = "1" if os.environ.get("PYTHONHASHSEED") != "1" else "2"
        self._process = subprocess.Popen(
            [sys.executable, "-W", "ignore", "-c", "from hepreco.testing.second_process import main; main()"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={
                **os.environ,
                "PYTHONHASHSEED": seed,
                "TZ": "Pacific/Kiritimati",
                "PYTHONPATH": os.pathsep.join(filter(None, sys.path)),
            },
        )
        self._requests = cast("BinaryIO", self._process.stdin)
        self._replies = cast("BinaryIO", self._process.stdout)
        atexit.register(self.close)

    def ask(self, request: Request) -> Reply:
        """Send a request and wait for its reply."""
        try:
            send(self._requests, pickle.dumps(request))
            reply: Reply = pickle.loads(receive(self._replies))
        except (EOFError, BrokenPipeError):
            _server.cache_clear()
            self.close()
            return Reply(stage="ask", error="the process ended without an answer")
        if not hasattr(os, "fork"):
            _server.cache_clear()
            self.close()
        return reply

    def close(self) -> None:
        """End the process and wait for it."""
        atexit.unregister(self.close)
        self._requests.close()
        self._replies.close()
        self._process.wait()


@cache
def _server() -> _Server:
    return _Server()
