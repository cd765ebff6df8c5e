"""Textbook formulas: cross-sections of two particles, widths of one."""

import math
from dataclasses import replace

import pytest
import torch

from hepreco.amplitudes import MatrixElement, StandardModel, parse_process
from hepreco.amplitudes.diagrams import build_graph
from hepreco.kinematics import boost

TOLERANCE = {"rtol": 1e-11, "atol": 0.0}

MODEL = StandardModel()
#: The coupling of the massless b quark to the Higgs boson is large, so that it shows beside those to gauge bosons.
MASSLESS_B = StandardModel(m_b=0.0, m_b_yukawa=28.0)
STABLE = StandardModel(width_t=0.0, width_w=0.0, width_z=0.0, width_h=0.0)
G4 = MODEL.g_s**4


def mandelstam(p):
    """s, t, u of a two-to-two process."""

    def square(q):
        return q[:, 0] ** 2 - (q[:, 1:] ** 2).sum(-1)

    return square(p[:, 0] + p[:, 1]), square(p[:, 0] - p[:, 2]), square(p[:, 0] - p[:, 3])


def gluons_to_quarks(s, t, u):
    """Ellis, Stirling, Webber, QCD and Collider Physics, table 7.1: g g → q q̄."""
    return (t**2 + u**2) / (6 * t * u) - 3 * (t**2 + u**2) / (8 * s**2)


def pair_production(s, t, u):
    """q q̄ → q′ q̄′."""
    return 4 / 9 * (t**2 + u**2) / s**2


#: Ellis, Stirling, Webber, table 7.1, in units of g_s⁴. Crossing relates most of them.
MASSLESS_QCD = {
    "u u~ > d d~": pair_production,
    "u d > u d": lambda s, t, u: pair_production(t, s, u),
    "u d~ > u d~": lambda s, t, u: pair_production(t, s, u),
    "u u > u u": lambda s, t, u: (4 / 9 * ((s**2 + u**2) / t**2 + (s**2 + t**2) / u**2) - 8 / 27 * s**2 / (t * u)) / 2,
    "u u~ > u u~": lambda s, t, u: 4 / 9 * ((s**2 + u**2) / t**2 + (t**2 + u**2) / s**2) - 8 / 27 * u**2 / (s * t),
    "g g > u u~": gluons_to_quarks,
    "u u~ > g g": lambda s, t, u: 64 / 9 * gluons_to_quarks(s, t, u) / 2,
    "g u > g u": lambda s, t, u: -8 / 3 * gluons_to_quarks(t, s, u),
    "g u~ > g u~": lambda s, t, u: -8 / 3 * gluons_to_quarks(t, s, u),
    "g g > g g": lambda s, t, u: 9 / 2 * (3 - t * u / s**2 - s * u / t**2 - s * t / u**2) / 2,
}


@pytest.mark.parametrize("process", MASSLESS_QCD)
def test_massless_qcd(process, on_shell):
    me = MatrixElement(process)
    momenta = on_shell(me, energy=700.0)
    torch.testing.assert_close(me(momenta), G4 * MASSLESS_QCD[process](*mandelstam(momenta)), **TOLERANCE)


def test_top_pairs_from_quarks(on_shell):
    """Combridge, Nucl. Phys. B 151 (1979) 429."""
    me = MatrixElement("u u~ > t t~")
    momenta = on_shell(me, energy=500.0)
    s, t, u = mandelstam(momenta)
    m2 = MODEL.m_t**2
    expected = 4 / 9 * G4 * ((t - m2) ** 2 + (u - m2) ** 2 + 2 * m2 * s) / s**2
    torch.testing.assert_close(me(momenta), expected, **TOLERANCE)


def test_top_pairs_from_gluons(on_shell):
    """Combridge, in the form of Ellis, Stirling, Webber, equation (10.26); exact without the width of the top."""
    me = MatrixElement("g g > t t~", model=STABLE)
    momenta = on_shell(me, energy=500.0)
    s, t, u = mandelstam(momenta)
    m2 = MODEL.m_t**2
    one, two, rho = (m2 - t) / s, (m2 - u) / s, 4 * m2 / s
    expected = G4 * (1 / (6 * one * two) - 3 / 8) * (one**2 + two**2 + rho - rho**2 / (4 * one * two))
    torch.testing.assert_close(me(momenta), expected, **TOLERANCE)


def test_photon_and_z_exchange(on_shell):
    """e⁻e⁺ → µ⁻µ⁺ with γ and Z, by helicities: PDG review, electroweak model."""
    me = MatrixElement("e- e+ > mu- mu+")
    momenta = on_shell(me, energy=100.0)
    s, t, u = mandelstam(momenta)
    propagator = 1 / torch.complex(s - MODEL.m_z**2, torch.full_like(s, MODEL.m_z * MODEL.width_z))
    couplings = {"L": MODEL.g_z * (-0.5 + MODEL.sin2_theta_w), "R": MODEL.g_z * MODEL.sin2_theta_w}
    total = torch.zeros_like(s)
    for one in "LR":
        for other in "LR":
            amplitude = MODEL.e**2 / s + couplings[one] * couplings[other] * propagator
            total += 4 * (u if one == other else t) ** 2 * amplitude.abs() ** 2
    torch.testing.assert_close(me(momenta), total / 4, **TOLERANCE)


def test_charged_current_with_colour(on_shell):
    me = MatrixElement("u d~ > c s~")
    momenta = on_shell(me, energy=90.0)
    s, _, u = mandelstam(momenta)
    breit_wigner = (s - MODEL.m_w**2) ** 2 + (MODEL.m_w * MODEL.width_w) ** 2
    torch.testing.assert_close(me(momenta), MODEL.g_w**4 * u**2 / breit_wigner * (3 * 3) / (4 * 9), **TOLERANCE)


def test_neutrino_scattering(on_shell):
    """ν̄_e e⁻ → ν̄_µ µ⁻ (Glashow), a particle without right-handed partner."""
    me = MatrixElement("ve~ e- > vm~ mu-")
    momenta = on_shell(me, energy=80.0)
    s, _, u = mandelstam(momenta)
    breit_wigner = (s - MODEL.m_w**2) ** 2 + (MODEL.m_w * MODEL.width_w) ** 2
    torch.testing.assert_close(me(momenta), MODEL.g_w**4 * u**2 / breit_wigner / 4, **TOLERANCE)


def test_higgs_strahlung(on_shell):
    """e⁻e⁺ → Z h: Ellis, Gaillard, Nanopoulos, Nucl. Phys. B 106 (1976) 292."""
    me = MatrixElement("e- e+ > z h")
    momenta = on_shell(me, energy=250.0)
    s, t, u = mandelstam(momenta)
    left, right = MODEL.g_z * (-0.5 + MODEL.sin2_theta_w), MODEL.g_z * MODEL.sin2_theta_w
    m2, h2 = MODEL.m_z**2, MODEL.m_h**2
    strength = (left**2 + right**2) * (2 * m2 / MODEL.vev) ** 2 / ((s - m2) ** 2 + m2 * MODEL.width_z**2)
    torch.testing.assert_close(me(momenta), strength * (2 * s + (t * u - m2 * h2) / m2) / 4, **TOLERANCE)


def width(me, phase_space, masses):
    """Γ = |p| |M|² / (8π m²) of a two-body decay."""
    (parent,) = me.process.incoming
    m = float(getattr(me.model, parent.mass))
    momenta = phase_space(list(masses), energy=m, incoming=(m,))
    p = torch.sqrt((momenta[:, 1, 1:] ** 2).sum(-1))
    return p * me(momenta) / (8 * math.pi * m**2)


def assert_width(me, phase_space, masses, expected):
    torch.testing.assert_close(
        width(me, phase_space, masses), torch.full((5,), expected, dtype=torch.float64), **TOLERANCE
    )


def test_width_of_the_top(phase_space):
    """Jeżabek, Kühn, Nucl. Phys. B 314 (1989) 1, at lowest order with a massless b."""
    model = StandardModel(m_b=0.0)
    x = model.m_w**2 / model.m_t**2
    expected = model.m_t**3 / (16 * math.pi * model.vev**2) * (1 - x) ** 2 * (1 + 2 * x)
    assert_width(MatrixElement("t > w+ b", model=model), phase_space, (model.m_w, 0.0), expected)


@pytest.mark.parametrize(("process", "colours"), [("w+ > e+ ve", 1), ("w+ > u d~", 3), ("w- > c~ s", 3)])
def test_width_of_the_w(process, colours, phase_space):
    expected = colours * MODEL.g_w**2 * MODEL.m_w / (48 * math.pi)
    assert_width(MatrixElement(process), phase_space, (0.0, 0.0), expected)


@pytest.mark.parametrize(
    ("process", "isospin", "charge", "colours"),
    [
        ("z > ve ve~", 0.5, 0, 1),
        ("z > mu- mu+", -0.5, -1, 1),
        ("z > u u~", 0.5, 2 / 3, 3),
        ("z > s s~", -0.5, -1 / 3, 3),
    ],
)
def test_width_of_the_z(process, isospin, charge, colours, phase_space):
    left, right = isospin - charge * MODEL.sin2_theta_w, -charge * MODEL.sin2_theta_w
    expected = colours * MODEL.g_z**2 * MODEL.m_z * (left**2 + right**2) / (24 * math.pi)
    assert_width(MatrixElement(process), phase_space, (0.0, 0.0), expected)


@pytest.mark.parametrize(("process", "mass", "colours"), [("h > b b~", "m_b", 3), ("h > ta- ta+", "m_tau", 1)])
def test_width_of_the_higgs_to_fermions(process, mass, colours, phase_space):
    m = getattr(MODEL, mass)
    beta = math.sqrt(1 - 4 * m**2 / MODEL.m_h**2)
    expected = colours * MODEL.m_h * m**2 * beta**3 / (8 * math.pi * MODEL.vev**2)
    assert_width(MatrixElement(process), phase_space, (m, m), expected)


def test_width_of_the_higgs_to_massless_b_quarks(phase_space):
    """Γ = 3 m_H y_b² / 16π, with the Yukawa coupling y_b = √2 m / v of a mass that kinematics do not have."""
    coupling = math.sqrt(2) * MASSLESS_B.m_b_yukawa / MASSLESS_B.vev
    expected = 3 * MASSLESS_B.m_h * coupling**2 / (16 * math.pi)
    assert_width(MatrixElement("h > b b~", model=MASSLESS_B), phase_space, (0.0, 0.0), expected)


def test_the_higgs_couples_to_massless_quarks_of_equal_helicities():
    """Both are outgoing, so that both spinors are undotted, or both dotted."""
    amplitudes = build_graph(parse_process("h > b b~"), MASSLESS_B.zeros).amplitudes
    helicities = {(closing.dual.parts, closing.node.parts) for each in amplitudes for closing in each.closings}
    assert helicities == {(frozenset({part}),) * 2 for part in ("dotted", "undotted")}


@pytest.mark.parametrize("process", ["b b~ > t t~ QCD=0", "g g > b b~ h", "e- e+ > b b~ h", "g b > t w- h QED=9"])
def test_massless_b_quarks_with_a_yukawa_coupling_are_the_limit_of_light_ones(process, on_shell):
    """Where the coupling interferes with gauge bosons, chiralities mix as for a massive quark."""
    momenta = on_shell(MatrixElement(process, model=MASSLESS_B), energy=700.0)
    light, massless = (MatrixElement(process, model=replace(MASSLESS_B, m_b=m)) for m in (1e-5, 0.0))
    torch.testing.assert_close(massless(momenta), light(momenta), rtol=1e-6, atol=0.0)


@pytest.mark.parametrize(("process", "mass", "identical"), [("h > w+ w-", "m_w", 1), ("h > z z", "m_z", 2)])
def test_width_of_a_heavy_higgs_to_vectors(process, mass, identical, phase_space):
    """Djouadi, arXiv:hep-ph/0503172, equation (2.27)."""
    model = replace(MODEL, m_h=300.0)
    m = getattr(model, mass)
    x = m**2 / model.m_h**2
    expected = model.m_h**3 / (16 * math.pi * model.vev**2) * math.sqrt(1 - 4 * x) * (1 - 4 * x + 12 * x**2) / identical
    assert_width(MatrixElement(process, model=model), phase_space, (m, m), expected)


def test_top_pairs_with_a_narrow_higgs_are_production_times_branching_fraction(phase_space):
    """gg → tt̄H, H → bb̄ at (p_b + p_b̄)² = m_H²: |M|² is that of tt̄H times 16π m_H Γ(bb̄) / (m_H Γ_H)²."""
    chain = MatrixElement("g g > t t~ h, h > b b~", model=MASSLESS_B)
    m, m_t = MASSLESS_B.m_h, MASSLESS_B.m_t
    momenta = phase_space([m_t, m_t, m], energy=800.0)
    at_rest = phase_space([0.0, 0.0], energy=m, incoming=(m,))
    higgs = momenta[:, 4:]
    quarks = boost(at_rest[:, 1:], velocity=higgs[..., 1:] / higgs[..., :1])
    partial_width = 3 * m * MASSLESS_B.m_b_yukawa**2 / (8 * math.pi * MASSLESS_B.vev**2)
    expected = MatrixElement("g g > t t~ h", model=MASSLESS_B)(momenta)
    expected = expected * 16 * math.pi * m * partial_width / (m * MASSLESS_B.width_h) ** 2
    torch.testing.assert_close(chain(torch.cat((momenta[:, :4], quarks), dim=1)), expected, rtol=1e-8, atol=0.0)


def test_decay_chain_on_the_pole_is_production_times_decay(phase_space):
    """ū u → Z h, h → τ⁻τ⁺ at (p_τ + p_τ̄)² = m_h²: a scalar carries no spin, so |M|² factorises exactly."""
    production, decay = MatrixElement("u u~ > z h"), MatrixElement("h > ta- ta+")
    chain = MatrixElement("u u~ > z h, h > ta- ta+")
    momenta = phase_space([MODEL.m_z, MODEL.m_h], energy=400.0)
    at_rest = phase_space([MODEL.m_tau, MODEL.m_tau], energy=MODEL.m_h, incoming=(MODEL.m_h,))
    higgs = momenta[:, 3:]
    taus = boost(at_rest[:, 1:], velocity=higgs[..., 1:] / higgs[..., :1])
    found = chain(torch.cat((momenta[:, :3], taus), dim=1))
    expected = production(momenta) * decay(at_rest) / (MODEL.m_h * MODEL.width_h) ** 2
    torch.testing.assert_close(found, expected, rtol=1e-8, atol=0.0)
