"""Programs in files: used again, and harmless if they are damaged or cannot be written."""

import pytest
import torch

from hepreco.amplitudes import MatrixElement
from hepreco.amplitudes.compiled import cache


@pytest.fixture
def compiled(monkeypatch, on_shell):
    """Evaluates a process as a new Python process would, and tells how often it was compiled."""
    counts = []
    translate = cache.translate
    monkeypatch.setattr(cache, "translate", lambda text: counts.append(text) or translate(text))

    def evaluate():
        cache.load_engine.cache_clear()
        me = MatrixElement("e- e+ > mu- mu+")
        value = me(on_shell(me, energy=200.0))
        return len(counts), value

    yield evaluate
    cache.load_engine.cache_clear()


@pytest.fixture
def folder(monkeypatch, tmp_path):
    monkeypatch.setattr(cache, "folder", lambda: tmp_path / "amplitudes")
    return tmp_path / "amplitudes"


def test_a_process_is_compiled_once(compiled, folder):
    first, second = compiled(), compiled()
    assert (first[0], second[0]) == (1, 1)
    assert torch.equal(first[1], second[1])
    assert len([*folder.iterdir()]) == 1


@pytest.mark.parametrize(
    "damage",
    [lambda content: content[: len(content) // 2], lambda content: content[:0], lambda content: content[:-1] + b"?"],
)
def test_a_damaged_file_is_replaced(damage, compiled, folder):
    _, value = compiled()
    (file,) = folder.iterdir()
    file.write_bytes(damage(file.read_bytes()))
    assert compiled()[0] == 2
    assert compiled()[0] == 2
    assert torch.equal(compiled()[1], value)


def test_a_folder_that_cannot_be_written(compiled, folder):
    folder.write_text("not a folder")
    assert compiled()[0] == 1
    assert compiled()[0] == 2


def test_the_folder_is_the_users(monkeypatch, tmp_path):
    monkeypatch.setattr("sys.platform", "linux")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert cache.folder() == tmp_path / "hepreco" / "amplitudes"
