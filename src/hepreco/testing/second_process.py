"""The other process: a new interpreter that runs a plugin again under other circumstances.

:func:`main` waits for requests on standard input. Each is handled by a separate process, forked if the system supports
it, that has never seen the plugin: in another folder, with another clock, random state and hashes of strings.
"""

import os
import pickle
import random
import struct
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, BinaryIO, Final

import numpy as np
import torch

from hepreco.plugin import Reconstructor
from hepreco.plugin.manager import Plugin
from hepreco.testing.clock import set_ahead
from hepreco.testing.correction_answers import asked
from hepreco.testing.settings import LOOSE, RANDOM, SETTINGS, changes, snapshot

#: Seconds by which the clock is ahead: another month, weekday, hour and minute.
AHEAD: Final = 100 * 86400 + 7 * 3600 + 41 * 60 + 13
#: Seed of all random generators.
SEED: Final = 20_151
#: The call that gives the answers, for reconstructors and for corrections.
_CALLED: Final = {True: "reconstruct", False: "its answers"}
_SIZE: Final = struct.Struct("<Q")
#: Audit events with effects outside the process; opening a file counts only if it is for writing.
_REACHES_OUT: Final = frozenset(
    (
        "socket.connect",
        "subprocess.Popen",
        "os.system",
        "os.remove",
        "os.rename",
        "os.mkdir",
        "os.rmdir",
        "shutil.rmtree",
    )
)


@dataclass(frozen=True)
class Request:
    """A plugin and the batches to run it on, in order.

    Parameters
    ----------
    path
        ``sys.path`` of the requesting process.
    plugin
        The pickled plugin.
    batches
        The batches.
    environment
        Variables to set; ``None`` removes one.
    """

    path: tuple[str, ...]
    plugin: bytes
    batches: tuple[Any, ...]
    environment: Mapping[str, str | None] = field(default_factory=dict)


@dataclass
class Reply:
    """The result of a request.

    Parameters
    ----------
    answers
        The answers for each batch.
    stage
        The stage of a failure, ``unpickle`` or ``ask``; empty if there was none.
    error
        The failure in words.
    effects
        Settings of the process that the plugin changed, and when.
    written
        Effects of the last call outside the process.
    variables
        Environment variables that code of the plugin's package read.
    """

    answers: list[dict[str, Any]] = field(default_factory=list)
    stage: str = ""
    error: str = ""
    effects: list[str] = field(default_factory=list)
    written: list[str] = field(default_factory=list)
    variables: list[str] = field(default_factory=list)


def send(stream: BinaryIO, message: bytes) -> None:
    """Write one message, preceded by its size."""
    stream.write(_SIZE.pack(len(message)))
    stream.write(message)
    stream.flush()


def receive(stream: BinaryIO) -> bytes:
    """Read the next message; ``EOFError`` if there is none, or only a part."""
    head = stream.read(_SIZE.size)
    if len(head) < _SIZE.size:
        raise EOFError
    (size,) = _SIZE.unpack(head)
    message = stream.read(size)
    if len(message) < size:
        raise EOFError
    return message


def serve(requests: BinaryIO, replies: BinaryIO) -> None:
    """Answer requests until the other side closes; without fork, only one."""
    while True:
        try:
            message = receive(requests)
        except EOFError:
            return
        if not hasattr(os, "fork"):
            send(replies, pickle.dumps(answer(pickle.loads(message))))
            return
        child = os.fork()
        if child == 0:
            send(replies, pickle.dumps(answer(pickle.loads(message))))
            os._exit(0)
        _, status = os.waitpid(child, 0)
        if status:
            send(replies, pickle.dumps(Reply(stage="ask", error=f"the process ended with status {status}")))


def answer(request: Request) -> Reply:
    """Run the plugin, and record its side effects."""
    sys.path[:] = request.path
    _other_circumstances(request.environment)
    reply, before = Reply(), snapshot(SETTINGS)
    with _watched() as seen:
        try:
            reply.stage = "unpickle"
            plugin = pickle.loads(request.plugin)
            reply.effects += [f"{change} when it is imported" for change in changes(before, snapshot(SETTINGS))]
            reply.stage = "ask"
            for number, batch in enumerate(request.batches):
                seen.written.clear()
                found, effects = _ask(plugin, batch, warm=number > 0)
                reply.answers.append(found)
                reply.effects += effects
            reply.stage = ""
        except Exception as error:  # whatever a plugin raises is reported
            reply.error = f"{type(error).__name__}: {error}"
        reply.written = list(dict.fromkeys(seen.written))
    package = type(plugin).__module__.partition(".")[0] if "plugin" in locals() else ""
    reply.variables = sorted({name for name, module in seen.variables if module.partition(".")[0] == package})
    return reply


def _ask(plugin: Plugin, batch: Any, *, warm: bool) -> tuple[dict[str, Any], list[str]]:
    """The answers for a batch, and the settings that the plugin changed."""
    watched = {**SETTINGS, **LOOSE, **(RANDOM if warm else {})}
    modules = len(sys.modules)
    _seed(SEED + warm)  # differs from a state that a plugin may have set
    with torch.no_grad():
        before = snapshot(watched)
        plugin.setup("cpu") if isinstance(plugin, Reconstructor) else plugin.setup()
        ready = snapshot(watched)
        found = dict(plugin.reconstruct(batch)) if isinstance(plugin, Reconstructor) else asked(plugin, batch)
        after = snapshot(watched)
    found = {name: _plain(value) for name, value in found.items()}
    effects = [f"{change} in setup" for change in changes(before, ready)]
    effects += [f"{change} in {_CALLED[isinstance(plugin, Reconstructor)]}" for change in changes(ready, after)]
    if len(sys.modules) > modules:  # importing a library may change these
        effects = [effect for effect in effects if not effect.startswith(tuple(LOOSE))]
    return found, effects


def _plain(value: Any) -> Any:
    return value.detach().as_subclass(torch.Tensor) if isinstance(value, torch.Tensor) else value


def _other_circumstances(environment: Mapping[str, str | None]) -> None:
    """Set an unusual clock, random state and environment."""
    for name, value in environment.items():
        if value is None:
            os.environ.pop(name, None)
        else:
            os.environ[name] = value
    set_ahead(AHEAD)
    _seed(SEED)


def _seed(number: int) -> None:
    torch.manual_seed(number)
    np.random.seed(number)  # noqa: NPY002  the state that everybody shares
    random.seed(number)


@dataclass
class _Seen:
    written: list[str] = field(default_factory=list)
    variables: list[tuple[str, str]] = field(default_factory=list)


@contextmanager
def _watched() -> Iterator[_Seen]:
    """Record writes, and which module reads which environment variable."""
    seen, kind = _Seen(), type(os.environ)
    read, watching = kind.__getitem__, [True]

    def noted(environment: Any, name: str) -> str:
        frame = sys._getframe(1)
        while frame.f_back and frame.f_globals.get("__name__") in ("os", "_collections_abc", "collections.abc"):
            frame = frame.f_back
        seen.variables.append((name, str(frame.f_globals.get("__name__"))))
        return read(environment, name)

    def audited(event: str, arguments: tuple[Any, ...]) -> None:
        if watching and event == "open" and _writes(arguments):
            seen.written.append(f"writes {arguments[0]}")
        elif watching and event in _REACHES_OUT:
            seen.written.append(f"{event} {arguments[0] if arguments else ''}")

    sys.addaudithook(audited)
    setattr(kind, "__getitem__", noted)  # noqa: B010
    try:
        yield seen
    finally:
        watching.clear()
        setattr(kind, "__getitem__", read)  # noqa: B010


def _writes(arguments: tuple[Any, ...]) -> bool:
    path, mode, flags = (*arguments, None, None)[:3]
    if not isinstance(path, str | bytes | os.PathLike) or str(path) == os.devnull:
        return False
    if mode is None:
        return bool((flags or 0) & (os.O_WRONLY | os.O_RDWR | os.O_CREAT))
    return bool(set(str(mode)) & set("wax+"))


def main() -> None:
    """Serve requests on standard input and output; output of plugins goes to standard error instead."""
    replies = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        serve(sys.stdin.buffer, replies)
        os.chdir("/")
