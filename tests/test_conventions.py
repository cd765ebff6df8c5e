import math

import pytest
from scipy.constants import c, e, hbar

from hepreco.conventions import HBARC_SQUARED, PB_FB, W_MASS, Z_MASS


def test_cross_sections_in_inverse_gev_become_pb():
    """(ħc)² in GeV² m², and 1 pb = 10⁻⁴⁰ m²."""
    assert (hbar * c / e * 1e-9) ** 2 / 1e-40 == pytest.approx(HBARC_SQUARED, rel=1e-9)


def test_one_pb_is_a_thousand_fb():
    assert round(1e-12 / 1e-15) == PB_FB


def test_the_w_mass_is_the_one_that_the_model_follows():
    """m_W² = m_Z²/2 · (1 + √(1 − 4πα/(√2 G_F m_Z²))), with MadGraph's inputs."""
    alpha, fermi, z = 1 / 132.507, 1.16639e-5, Z_MASS
    found = z * math.sqrt((1 + math.sqrt(1 - 4 * math.pi * alpha / (math.sqrt(2) * fermi * z**2))) / 2)
    assert found == pytest.approx(W_MASS, rel=1e-8)
