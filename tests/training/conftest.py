import pytest
import torch
from torch import Tensor


@pytest.fixture
def line() -> tuple[Tensor, Tensor]:
    """Points of y = 2 x₀ − 3 x₁ + 1, exact."""
    x = torch.randn(400, 2, generator=torch.Generator().manual_seed(11))
    return x, x @ torch.tensor([[2.0], [-3.0]]) + 1.0
