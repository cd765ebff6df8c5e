"""Programs of processes, each compiled once for a machine: they are kept in memory and in files."""

import hashlib
import os
import sys
import tempfile
from collections.abc import Callable
from contextlib import suppress
from functools import cache, lru_cache
from pathlib import Path
from typing import Final

import torch

from hepreco.amplitudes.compiled.currents import Polarised
from hepreco.amplitudes.compiled.engine import Engine
from hepreco.amplitudes.compiled.objects import describe, lanes, translate
from hepreco.amplitudes.compiled.program import Program, write_program
from hepreco.amplitudes.diagrams import build_graph
from hepreco.amplitudes.model import Zeros
from hepreco.amplitudes.process import Process

#: Programs that are kept in memory.
_KEPT: Final = 64
_DIGEST: Final = hashlib.sha256().digest_size


@lru_cache(maxsize=_KEPT)
def load_engine(process: Process, zeros: Zeros, is_open: tuple[bool, ...], polarised: Polarised | None) -> Engine:
    """The machine code of a process, from a file if there is one, and otherwise compiled and written to it."""

    def make() -> tuple[Program, bytes]:
        graph = build_graph(process, zeros)
        program, text = write_program(process, graph, zeros, is_open=is_open, polarised=polarised, lanes=lanes())
        return program, translate(text)

    particles = [sorted(particle.name for particle in one) for one in (zeros.masses, zeros.yukawas)]
    what = repr((str(process), particles, is_open, polarised, lanes(), describe(), torch.__version__, _sources()))
    return Engine(*_kept(hashlib.sha256(what.encode()).hexdigest(), make))


def _kept(name: str, make: Callable[[], tuple[Program, bytes]]) -> tuple[Program, bytes]:
    """What a file holds, or what ``make`` returns, which is then written to it.

    A file that cannot be read or written, or that is damaged, is as good as none.
    """
    path = folder() / name
    with suppress(OSError, ValueError):
        content = path.read_bytes()
        digest, content = content[:_DIGEST], content[_DIGEST:]
        if hashlib.sha256(content).digest() == digest:
            size = int.from_bytes(content[:8], "little")
            return Program.from_json(content[8 : 8 + size].decode()), content[8 + size :]
    program, code = make()
    text = program.to_json().encode()
    with suppress(OSError):
        _write(path, len(text).to_bytes(8, "little") + text + code)
    return program, code


def folder() -> Path:
    """Where programs are kept: ``hepreco/amplitudes`` in the user's directory for caches."""
    home = "~/Library/Caches" if sys.platform == "darwin" else os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    return Path(home).expanduser() / "hepreco" / "amplitudes"


def _write(path: Path, content: bytes) -> None:
    """Write a file at once, so that nobody reads half of it."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(dir=path.parent)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(hashlib.sha256(content).digest() + content)
        Path(temporary).replace(path)
    except OSError:
        Path(temporary).unlink(missing_ok=True)
        raise


@cache
def _sources() -> str:
    """A digest of the code that programs are made of."""
    room = Path(__file__).parents[1]
    files = sorted((*room.rglob("*.py"), *room.with_name("kinematics").rglob("*.py")))
    return hashlib.sha256(b"".join(file.read_bytes() for file in files)).hexdigest()
