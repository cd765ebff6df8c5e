import numpy as np
import pytest
import torch
from scipy import stats

from hepreco.errors import ConfigError
from hepreco.generation.randomness import normals, uniforms

#: Probability below which a fixed seed is not taken to be bad luck.
P_VALUE = 1e-3


@pytest.mark.parametrize("width", [1, 4, 7])
@pytest.mark.parametrize("batch", [1, 3, 64])
def test_a_row_does_not_depend_on_the_batch(batch, width):
    whole = uniforms(seed=7, stream=2, first=5, count=200, width=width)
    parts = [
        uniforms(seed=7, stream=2, first=first, count=min(batch, 205 - first), width=width)
        for first in range(5, 205, batch)
    ]
    assert torch.equal(torch.cat(parts), whole)
    assert torch.equal(torch.cat([normals(part) for part in parts]), normals(whole))


def test_numbers_are_those_of_numpys_generator_up_to_the_last_bit():
    """Generator.random makes a double of each word too, of 53 bits; width 8 leaves no word out."""
    theirs = np.random.Generator(np.random.Philox(key=np.array([3, 4], dtype=np.uint64))).random((100, 8))
    ours = uniforms(seed=3, stream=4, first=0, count=100, width=8)
    assert np.abs(ours.numpy() - theirs).max() <= 2.0**-53


def test_far_events_and_the_largest_key_are_reached():
    uniform = uniforms(seed=2**64 - 1, stream=2**64 - 1, first=10**15, count=3, width=5)
    again = uniforms(seed=2**64 - 1, stream=2**64 - 1, first=10**15 + 2, count=1, width=5)
    assert torch.equal(uniform[2:], again)


@pytest.mark.parametrize(("word", "expected"), [(0, 2.0**-53), (2**64 - 1, 1 - 2.0**-53)])
def test_the_ends_are_open(monkeypatch, word, expected):
    class Constant:
        def __init__(self, **_):
            pass

        def random_raw(self, size):
            return np.full(size, word, dtype=np.uint64)

    monkeypatch.setattr(np.random, "Philox", Constant)
    assert uniforms(seed=0, stream=0, first=0, count=1, width=1).item() == expected


def test_seeds_streams_and_rows_differ():
    whole = [uniforms(seed=seed, stream=stream, first=0, count=50, width=4) for seed in (0, 1) for stream in (0, 1)]
    assert torch.cat(whole).unique().numel() == 4 * 50 * 4


def test_numbers_are_uniform_and_independent():
    events, width = 20_000, 5
    uniform = uniforms(seed=11, stream=0, first=0, count=events, width=width)
    assert uniform.dtype == torch.float64
    for column in uniform.T:
        assert stats.kstest(column, "uniform").pvalue > P_VALUE
    # Columns of an event, an event and the next, and the same event of another seed and of another stream.
    others = [uniforms(seed=s, stream=t, first=0, count=events, width=width) for s, t in ((12, 0), (11, 1))]
    variables = torch.cat((uniform, uniform.roll(1, dims=0), *others), dim=1).T
    correlation = torch.corrcoef(variables) - torch.eye(4 * width)
    assert correlation.abs().max() < 5 / events**0.5


def test_normals_are_normal():
    normal = normals(uniforms(seed=5, stream=0, first=0, count=20_000, width=2))
    assert stats.kstest(normal.flatten(), "norm").pvalue > P_VALUE
    assert normals(torch.tensor([2.0**-53, 1 - 2.0**-53], dtype=torch.float64)).isfinite().all()


@pytest.mark.parametrize(("count", "width"), [(0, 3), (3, 0)])
def test_nothing_may_be_asked_for(count, width):
    assert uniforms(seed=0, stream=0, first=0, count=count, width=width).shape == (count, width)


@pytest.mark.parametrize(
    ("name", "value"), [("seed", -1), ("seed", 2**64), ("stream", -1), ("first", -1), ("count", -1), ("width", -1)]
)
def test_what_cannot_be_is_refused(name, value):
    arguments = {"seed": 1, "stream": 0, "first": 0, "count": 1, "width": 1} | {name: value}
    with pytest.raises(ConfigError, match=f"{name} is {value}"):
        uniforms(**arguments)
