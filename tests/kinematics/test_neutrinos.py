import torch

from hepreco.conventions import W_MASS
from hepreco.kinematics import mass, neutrino_solutions


def test_neutrinos_make_the_mass_of_the_w():
    generator = torch.Generator().manual_seed(2)
    lepton = torch.randn(500, 4, generator=generator, dtype=torch.float64) * 50
    lepton[:, 0] = lepton[:, 1:].norm(dim=1)
    missing = 40 * torch.randn(500, 2, generator=generator, dtype=torch.float64)
    both = neutrino_solutions(lepton, missing, w_mass=W_MASS, complex_roots="scale missing momentum")
    found = mass(lepton[:, None] + both)
    torch.testing.assert_close(found, torch.full_like(found, W_MASS), rtol=1e-6, atol=0)
    torch.testing.assert_close(both[..., 0], both[..., 1:].norm(dim=-1))
    product = (lepton[:, 1:3] * missing).sum(dim=1)
    transverse = 2 * (lepton[:, 1:3].norm(dim=1) * missing.norm(dim=1) - product)
    is_real = transverse < W_MASS**2
    assert 100 < is_real.sum() < 400
    torch.testing.assert_close(both[is_real, :, 1:3], missing[is_real, None].expand(-1, 2, -1))
    assert (both[is_real, 0, 3] > both[is_real, 1, 3]).all()
    # Elsewhere one solution, of the same direction in the plane.
    torch.testing.assert_close(both[~is_real, 0], both[~is_real, 1], rtol=1e-5, atol=1e-3)
    cosine = torch.cosine_similarity(both[~is_real, 0, 1:3], missing[~is_real], dim=1)
    torch.testing.assert_close(cosine, torch.ones_like(cosine))


def test_neutrinos_keep_missing_momentum_where_roots_are_complex():
    generator = torch.Generator().manual_seed(2)
    p = 50 * torch.randn(100, 3, generator=generator, dtype=torch.float64)
    lepton = torch.cat((p.norm(dim=1, keepdim=True), p), dim=1)
    missing = 40 * torch.randn(100, 2, generator=generator, dtype=torch.float64)
    both = neutrino_solutions(lepton, missing, w_mass=W_MASS, complex_roots="take real part")
    torch.testing.assert_close(both[..., 1:3], missing[:, None].expand(-1, 2, -1))
    transverse = 2 * (p[:, :2].norm(dim=1) * missing.norm(dim=1) - (p[:, :2] * missing).sum(dim=1))
    real = transverse < W_MASS**2
    assert 20 < real.sum() < 100
    found = mass(lepton[:, None] + both)[real]
    torch.testing.assert_close(found, torch.full_like(found, W_MASS), rtol=1e-6, atol=1e-4)
