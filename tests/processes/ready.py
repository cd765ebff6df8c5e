"""Python in processes of its own that have already imported hepreco and what it needs, which takes seconds."""

import multiprocessing
import os
import runpy
import sys
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from multiprocessing import forkserver
from pathlib import Path
from tempfile import TemporaryDirectory
from unittest.mock import patch

#: ``pytest`` as code: what it cannot rewrite, because it is imported already, are no tests.
TESTS = """
import sys
import pytest
early = "ignore:Module already imported:pytest.PytestAssertRewriteWarning"
sys.exit(pytest.main(["-W", early, *sys.argv[1:]]))
"""
CONTEXT = multiprocessing.get_context("forkserver")
CONTEXT.set_forkserver_preload(["hepreco.cli.run", "distributed"])  # which look for no plugins


@contextmanager
def workers() -> Iterator[None]:
    """Executors of this process start workers that have imported these, too."""
    import dask  # noqa: PLC0415
    from loky.backend import context  # noqa: PLC0415

    forkserver.ensure_running()
    with (
        patch.object(context, "_DEFAULT_START_METHOD", "forkserver"),
        dask.config.set({"distributed.worker.multiprocessing-method": "forkserver"}),
    ):
        yield


def python(*command: str, cwd: Path, environment: Mapping[str, str]) -> tuple[int, str, str]:
    """The status of ``python -W error COMMAND`` and what it prints; the command is ``-c CODE`` or a script."""
    with TemporaryDirectory() as directory:
        said = Path(directory, "out"), Path(directory, "err")
        process = CONTEXT.Process(target=_command, args=(command, cwd, dict(environment), *said))
        process.start()
        process.join()
        status, out, err = process.exitcode, *(path.read_text() for path in said)
        process.close()
    return status, out, err


def _command(command: tuple[str, ...], cwd: Path, environment: dict[str, str], out: Path, err: Path) -> None:
    for path, descriptor in ((out, 1), (err, 2)):
        with path.open("wb") as file:
            os.dup2(file.fileno(), descriptor)
    os.chdir(cwd)
    os.environ.clear()
    os.environ.update(environment)
    sys.path[:0] = environment.get("PYTHONPATH", "").split(os.pathsep)
    sys.warnoptions[:] = ["error"]
    warnings.simplefilter("error")
    _run(*command)


def _run(kind: str, *arguments: str) -> None:
    """What the interpreter does with its command line."""
    if kind == "-c":
        code, *words = arguments
        sys.argv = ["-c", *words]
        sys.path.insert(0, "")
        exec(compile(code, "<string>", "exec"), {"__name__": "__main__"})
    else:
        sys.argv = [kind, *arguments]
        sys.path.insert(0, str(Path(kind).resolve().parent))
        runpy.run_path(kind, run_name="__main__")
