import pytest
import torch

from hepreco.amplitudes.momenta import check_values
from hepreco.errors import MomentaError


def decay_to(soft_energy: float, off_shell: float) -> torch.Tensor:
    """Two massless partons of 500 GeV each, to two hard ones and a soft one that has a little mass."""
    soft = torch.tensor([soft_energy, 0.0, 0.0, (soft_energy**2 - off_shell**2) ** 0.5], dtype=torch.float64)
    one = torch.tensor([500.0, 500.0, 0.0, 0.0], dtype=torch.float64)
    other = torch.tensor([500.0, -500.0, 0.0, 0.0], dtype=torch.float64)
    incoming = torch.tensor([[500.0, 0.0, 0.0, 500.0], [500.0, 0.0, 0.0, -500.0]], dtype=torch.float64)
    return torch.stack((*incoming, one, other, soft))[None]


def check(momenta: torch.Tensor) -> None:
    check_values(momenta, incoming=2, masses=[[0.0]] * 5, names=["g", "g", "u", "u~", "d"])


def test_a_soft_leg_may_be_off_its_shell_by_the_rounding_of_the_hard_ones():
    check(decay_to(4e-4, off_shell=4.6e-6))
    with pytest.raises(MomentaError, match=r"leg 4 \(d\) of event 0 is off its mass shell"):
        check(decay_to(4e-4, off_shell=1e-4))
