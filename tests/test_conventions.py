import pytest
from scipy.constants import c, e, hbar

from hepreco.conventions import HBARC_SQUARED, PB_FB, TOP_WIDTH, W_WIDTH


def test_cross_sections_in_inverse_gev_become_pb():
    """(ħc)² in GeV² m², and 1 pb = 10⁻⁴⁰ m²."""
    assert (hbar * c / e * 1e-9) ** 2 / 1e-40 == pytest.approx(HBARC_SQUARED, rel=1e-9)


def test_one_pb_is_a_thousand_fb():
    assert round(1e-12 / 1e-15) == PB_FB


def test_widths_are_those_of_the_particle_data_group():
    """Phys. Rev. D 110, 030001 (2024)."""
    assert (TOP_WIDTH, W_WIDTH) == (1.42, 2.085)
