import pytest
import torch

from hepreco_part_sm import Kind
from hepreco_part_sm.couplings import G_E, G_S, G_Z, electromagnetic, strengths, strong

#: Q in GeV, g_e, g_s of one-loop running from α(M_Z) = 1/127.5 and α_s(M_Z) = 0.118, worked out with another program.
TABLE = [
    (1, 0.31046, 1.90940),
    (5, 0.31169, 1.54862),
    (10, 0.31222, 1.44575),
    (20, 0.31276, 1.36098),
    (50, 0.31347, 1.26886),
    (91.1876, 0.31394, 1.21772),
    (200, 0.31456, 1.15934),
    (500, 0.31528, 1.10080),
    (1000, 0.31584, 1.06197),
]
ROUNDING = 6e-6
PAIRS = torch.cartesian_prod(torch.arange(8), torch.arange(8)).T.reshape(2, 8, 8)


@pytest.mark.parametrize(("scale", "g_e", "g_s"), TABLE)
def test_running_couplings(scale, g_e, g_s):
    at = torch.tensor(float(scale), dtype=torch.float64)
    assert electromagnetic(at).item() == pytest.approx(g_e, abs=ROUNDING)
    assert strong(at).item() == pytest.approx(g_s, abs=ROUNDING)


def test_the_strong_coupling_falls_and_the_electromagnetic_one_grows():
    scale = torch.logspace(0, 4, 200, dtype=torch.float64)
    assert (strong(scale).diff() < 0).all()
    assert (electromagnetic(scale).diff() > 0).all()


def test_constants_are_those_of_the_printed_matrix():
    j, b, z, e = G_S, G_S, G_Z, G_E
    expected = torch.tensor(
        [
            [0, 0, 0, 0, 0, 0, 0, 0],
            [0, j, b, 0, 0, 0, 0, e / 2],
            [0, j, b, 0, 0, 0, 0, e / 3],
            [0, 0, 0, 0, z, 0, 0, e],
            [0, 0, 0, z, 0, 0, 0, e],
            [0, 0, 0, 0, 0, 0, z, e],
            [0, 0, 0, 0, 0, z, 0, e],
            [0, e / 2, e / 3, e, e, e, e, 0],
        ],
        dtype=torch.float64,
    )
    scale = torch.full((8, 8), 100.0, dtype=torch.float64)
    found = strengths(PAIRS[0], PAIRS[1], scale, couplings="constants")
    torch.testing.assert_close(found, expected)
    ids = strengths(PAIRS[0], PAIRS[1], scale, couplings="ids")
    assert torch.equal(ids, (expected > 0).double())


@pytest.mark.parametrize("couplings", ["ids", "constants", "running", "shuffled"])
def test_matrices_are_symmetric_and_nothing_couples_to_padding(couplings):
    scale = torch.linspace(20, 300, 8, dtype=torch.float64)
    scale = (scale[:, None] + scale) / 2
    found = strengths(PAIRS[0], PAIRS[1], scale, couplings=couplings)
    torch.testing.assert_close(found, found.T)
    assert (found[Kind.NOTHING] == 0).all()
    assert (found > 0).sum() == 4 + 4 + 12  # of jets, of leptons, with a photon


def test_the_shuffled_matrix_has_the_same_entries_in_other_places():
    scale = torch.full((8, 8), 100.0, dtype=torch.float64)
    true, control = (strengths(PAIRS[0], PAIRS[1], scale, couplings=name) for name in ("running", "shuffled"))
    torch.testing.assert_close(true.flatten().sort().values, control.flatten().sort().values)
    assert control[Kind.JET, Kind.JET] == 0
