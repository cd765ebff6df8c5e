"""What hepreco keeps in a process, and what it changes of other libraries: neither grows nor stays."""

import ast
import logging
from pathlib import Path

import pytest
import torch
from click.testing import CliRunner

from hepreco.cli import main
from hepreco.processing import attachment

ROOT = Path(__file__).parents[1]
FILES = [*(ROOT / "src").rglob("*.py"), *(ROOT / "plugins").glob("*/src/**/*.py")]
#: Where arguments are particles, quantum numbers, or numbers of legs and objects, of which there are few.
OF_FEW = {"hepreco/amplitudes", "hepreco_me_assigner"}


def unbounded(text):
    """Names of functions that remember what they gave for any number of arguments."""
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef) and node.args.args + node.args.kwonlyargs:
            decorators = [ast.unparse(each) for each in node.decorator_list]
            if any(each in ("cache", "functools.cache") or "maxsize=None" in each for each in decorators):
                yield node.name


@pytest.mark.parametrize("decorator", ["@cache", "@lru_cache(maxsize=None)"])
def test_an_unbounded_cache_is_found(decorator):
    assert list(unbounded(f"{decorator}\ndef f(x): return x\n@lru_cache(maxsize=3)\ndef g(x): return x")) == ["f"]
    assert not list(unbounded(f"{decorator}\ndef f(): return 1"))


@pytest.mark.parametrize("path", FILES, ids=lambda path: "/".join(path.parts[path.parts.index("src") + 1 :]))
def test_caches_are_bounded(path):
    if not any(room in path.as_posix() for room in OF_FEW):
        assert not list(unbounded(path.read_text()))


def test_a_worker_has_one_thread_while_it_processes(monkeypatch):
    before = torch.get_num_threads()
    torch.set_num_threads(3)
    try:
        with attachment.one_thread_of_a_worker():
            assert torch.get_num_threads() == 3
        monkeypatch.setattr("multiprocessing.parent_process", object)
        with attachment.one_thread_of_a_worker():
            assert torch.get_num_threads() == 1
        assert torch.get_num_threads() == 3
    finally:
        torch.set_num_threads(before)


def test_a_command_leaves_logging_as_it_was():
    fonts = logging.getLogger("matplotlib.font_manager")
    before = fonts.level
    assert CliRunner().invoke(main, ["plugins", "list"]).exit_code == 0
    assert fonts.level == before
