import pytest
import torch
from torch import nn

from hepreco.training import initialised, seeded


def test_the_seed_decides_and_the_generator_is_put_back() -> None:
    before = torch.get_rng_state()
    first, again, other = (initialised(lambda: nn.Linear(3, 3), seed=seed).weight for seed in (1, 1, 2))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
    assert torch.equal(torch.get_rng_state(), before)


def test_it_is_put_back_after_an_error_too() -> None:
    before = torch.get_rng_state()
    with pytest.raises(TypeError, match="unsupported"), seeded(1):
        torch.rand(1) + None
    assert torch.equal(torch.get_rng_state(), before)
