import math
from dataclasses import replace

import pytest
import torch
from mt2 import mt2
from scipy import stats

from hepreco.errors import ConfigError
from hepreco.generation.topologies import M_W, SEMI_VISIBLE, TOPOLOGIES, find_topology, sample_topology
from hepreco.kinematics import boost, mass, pt

EVENTS = 20_000
#: Probability below which a fixed seed is not taken to be bad luck.
P_VALUE = 1e-3
#: Relative rounding of masses and sums after the largest boosts; of an endpoint, in units of it.
ROUNDING = 1e-9
#: In GeV, of a massless b with up to 1500 GeV: √(E²ε).
MASSLESS = 1e-3

#: Per topology, some Θ in GeV: those of the paper's plots, and both ends.
STUDY_POINTS = [
    *(("visible-pair", (m_a,)) for m_a in (1.0, 200.0, 280.0, 320.0, 400.0, 1500.0)),
    *(("semi-visible", (m_a, 100.0)) for m_a in (200.0, 280.0, 320.0, 400.0)),
    *(("pair-semi-visible", (m_a, 100.0)) for m_a in (200.0, 280.0, 320.0, 400.0)),
    ("semi-visible", (400.0, 0.0)),
    ("semi-visible", (1500.0, 1499.999)),
    ("pair-semi-visible", (750.0, 0.0)),
    *(("top-pair-dilepton", (m_a,)) for m_a in (81.0, 172.5, 400.0, 750.0)),
]
#: Those of arXiv:2105.10126.
PAPER = ("visible-pair", "semi-visible", "pair-semi-visible")


def endpoint(parameters):
    """µ = (m_A² − m_C²)/m_A."""
    m_a, m_c = parameters.unbind(1)
    return (m_a - m_c) * (m_a + m_c) / m_a


def stransverse_mass(sample):
    """m_T2(0) of arXiv:hep-ph/9906349."""
    (b1, b2), (x, y) = sample.visible.unbind(1), sample.missing_momentum.unbind(1)
    columns = (0 * x, b1[:, 1], b1[:, 2], 0 * x, b2[:, 1], b2[:, 2], x, y, 0 * x, 0 * x)
    return torch.from_numpy(mt2(*(column.numpy() for column in columns)))


def parents_of(sample):
    """A, or A₁ and A₂."""
    if sample.topology.name == "visible-pair":
        return sample.visible.sum(dim=1, keepdim=True)
    if sample.topology.name == "top-pair-dilepton":
        return sample.visible[:, :2] + w_bosons_of(sample)
    return sample.visible + sample.invisible


def w_bosons_of(sample):
    return sample.visible[:, 2:] + sample.invisible


def in_frame_of(momenta, frame):
    return boost(momenta, velocity=-frame[..., 1:] / frame[..., :1])


def is_uniform(value, low=0.0, high=1.0):
    return stats.kstest(((value - low) / (high - low)).numpy(), "uniform").pvalue > P_VALUE


def angles(momenta):
    """Of each, cosθ and the azimuth."""
    return momenta[:, 3] / momenta[:, 1:].norm(dim=1), torch.atan2(momenta[:, 2], momenta[:, 1])


def is_isotropic(momenta):
    cos_theta, phi = angles(momenta)
    # Of independent numbers, the sum of one and any function of the other is uniform too, modulo 1.
    both = torch.remainder((cos_theta + 1) / 2 + phi / (2 * math.pi), 1)
    return is_uniform(cos_theta, -1, 1) and is_uniform(phi, -math.pi, math.pi) and is_uniform(both)


def test_inputs_are_in_the_order_of_the_paper():
    assert {name: len(TOPOLOGIES[name].inputs) for name in PAPER} == {
        "visible-pair": 8,
        "semi-visible": 6,
        "pair-semi-visible": 10,
    }
    sample = sample_topology("pair-semi-visible", events=5, seed=1)
    assert sample.topology.inputs == (
        *("E_b1", "px_b1", "py_b1", "pz_b1", "E_b2", "px_b2", "py_b2", "pz_b2"),
        *("px_miss", "py_miss"),
    )
    assert torch.equal(sample.inputs[:, 4:8], sample.visible[:, 1])
    assert torch.equal(sample.inputs[:, 8:], sample.missing_momentum)
    assert sample.topology.parameters == ("m_A", "m_C")


@pytest.mark.parametrize("name", TOPOLOGIES)
def test_event_i_does_not_depend_on_the_batch(name):
    whole = sample_topology(name, events=1000, seed=3)
    for batch in (1, 7, 333):
        for first in (0, 501, 1000 - batch):
            part = sample_topology(name, events=batch, seed=3, first=first)
            assert torch.equal(part.inputs, whole.inputs[first : first + batch])
            assert torch.equal(part.parameters, whole.parameters[first : first + batch])


@pytest.mark.parametrize("name", TOPOLOGIES)
def test_seeds_differ(name):
    first, second = (sample_topology(name, events=1000, seed=seed).inputs for seed in (0, 1))
    assert torch.cat((first[:, 0], second[:, 0])).unique().numel() == 2000


def test_topologies_have_random_numbers_of_their_own():
    first, second = (
        sample_topology(name, events=EVENTS, seed=1).parameters[:, 0] for name in ("semi-visible", "pair-semi-visible")
    )
    assert abs(torch.corrcoef(torch.stack((first, second)))[0, 1]) < 5 / EVENTS**0.5


@pytest.mark.parametrize("name", TOPOLOGIES)
def test_none_may_be_asked_for(name):
    sample = sample_topology(name, events=0, seed=1)
    assert sample.inputs.shape == (0, len(sample.topology.inputs))
    assert sample.parameters.shape == (0, len(sample.topology.parameters))


@pytest.mark.parametrize(("name", "parameters"), STUDY_POINTS)
def test_particles_have_their_masses_at_any_study_point(name, parameters):
    sample = sample_topology(name, events=2000, seed=1, parameters=parameters)
    assert sample.inputs.isfinite().all()
    assert torch.equal(sample.parameters[7], torch.tensor(parameters, dtype=torch.float64))
    assert mass(sample.visible).abs().max() < MASSLESS
    # The digits of m² are lost by γ², here of up to 1500 GeV / 1 GeV.
    tolerance = max(ROUNDING, 1e-15 * (1500 / parameters[0]) ** 2 * 10)
    assert (mass(parents_of(sample)) / parameters[0] - 1).abs().max() < tolerance
    if sample.invisible.numel():
        assert (mass(sample.invisible) - (*parameters, 0.0)[1]).abs().max() < MASSLESS


def test_invariant_mass_of_a_visible_pair_is_that_of_the_parent():
    sample = sample_topology("visible-pair", events=EVENTS, seed=1)
    together = sample.visible.sum(dim=1)
    assert (mass(together) / sample.parameters[:, 0] - 1).abs().max() < ROUNDING
    assert torch.equal(sample.missing_momentum, torch.zeros(EVENTS, 2, dtype=torch.float64))


@pytest.mark.parametrize("name", ["semi-visible", "pair-semi-visible"])
def test_missing_momentum_balances_what_is_seen(name):
    sample = sample_topology(name, events=EVENTS, seed=1)
    assert (sample.missing_momentum + sample.visible.sum(dim=1)[:, 1:3]).abs().max() < ROUNDING


def test_transverse_mass_ends_at_mu():
    sample = sample_topology("semi-visible", events=100_000, seed=1, parameters=(400.0, 100.0))
    transverse_mass = 2 * pt(sample.visible[:, 0])
    assert endpoint(sample.parameters[:1]).item() == 375.0
    assert 375.0 * (1 - 1e-3) < transverse_mass.max() < 375.0 * (1 + ROUNDING)


def test_stransverse_mass_ends_at_mu():
    """Near the end events are fewer than those of m_T: the reached 374.8 GeV of 10⁵ events is one per mille."""
    sample = sample_topology("pair-semi-visible", events=100_000, seed=1, parameters=(400.0, 100.0))
    assert 375.0 * (1 - 2e-3) < stransverse_mass(sample).max() < 375.0 * (1 + ROUNDING)


@pytest.mark.parametrize("name", ["semi-visible", "pair-semi-visible"])
def test_no_event_of_the_prior_exceeds_its_own_endpoint(name):
    sample = sample_topology(name, events=EVENTS, seed=2)
    variable = 2 * pt(sample.visible[:, 0]) if name == "semi-visible" else stransverse_mass(sample)
    assert (variable / endpoint(sample.parameters)).max() < 1 + ROUNDING


@pytest.mark.parametrize("name", PAPER)
def test_prior_of_the_masses(name):
    sample = sample_topology(name, events=EVENTS, seed=4)
    m_a = sample.parameters[:, 0]
    assert is_uniform(m_a, 100, 500)
    if name != "visible-pair":
        m_c = sample.parameters[:, 1]
        delta = (m_a - m_c) ** 2 / m_a
        assert ((m_c >= 0) & (m_c < m_a)).all()
        assert is_uniform(delta / m_a)
        assert is_uniform(torch.remainder(delta / m_a + (m_a - 100) / 400, 1))


@pytest.mark.parametrize("name", ["visible-pair", "semi-visible"])
def test_energy_of_the_parent(name):
    sample = sample_topology(name, events=EVENTS, seed=5)
    m_a, parent = sample.parameters[:, 0], parents_of(sample)[:, 0]
    assert is_uniform((parent[:, 0] - m_a) / (1500 - m_a))


def test_mass_and_energy_of_the_pair():
    sample = sample_topology("pair-semi-visible", events=EVENTS, seed=6)
    m_a, pair = sample.parameters[:, 0], parents_of(sample).sum(dim=1)
    m_aa = mass(pair)
    assert is_uniform((m_aa - 2 * m_a) / (1500 - 2 * m_a))
    assert is_uniform((pair[:, 0] - m_aa) / (2500 - m_aa))


def test_directions_of_production():
    visible = parents_of(sample_topology("visible-pair", events=EVENTS, seed=7))[:, 0]
    assert is_isotropic(visible)
    semi = parents_of(sample_topology("semi-visible", events=EVENTS, seed=7))[:, 0]
    pair = parents_of(sample_topology("pair-semi-visible", events=EVENTS, seed=7))
    for moving in (semi, pair.sum(dim=1)):
        assert pt(moving).max() < ROUNDING
        assert abs((moving[:, 3] > 0).sum() - EVENTS / 2) < 5 * (EVENTS / 4) ** 0.5
    assert is_isotropic(in_frame_of(pair[:, 0], pair.sum(dim=1)))


@pytest.mark.parametrize("name", PAPER)
def test_decays_are_isotropic_in_the_rest_frame(name):
    sample = sample_topology(name, events=EVENTS, seed=8)
    m_a, m_c = sample.parameters[:, 0], sample.parameters[:, 1] if sample.invisible.numel() else 0.0
    # A visible pair has one parent; its b tells all.
    for b, parent in zip(sample.visible.unbind(1), parents_of(sample).unbind(1), strict=False):
        at_rest = in_frame_of(b, parent)
        assert is_isotropic(at_rest)
        expected = (m_a - m_c) * (m_a + m_c) / (2 * m_a)
        assert torch.allclose(at_rest[:, 0], expected, rtol=ROUNDING, atol=ROUNDING)


def test_top_pair_decays_through_w_bosons():
    sample = sample_topology("top-pair-dilepton", events=EVENTS, seed=8)
    assert is_uniform(sample.parameters[:, 0], 100, 500)
    bosons, parents = w_bosons_of(sample), parents_of(sample)
    assert (mass(bosons) / M_W - 1).abs().max() < ROUNDING
    assert (mass(parents) / sample.parameters - 1).abs().max() < ROUNDING
    for side in range(2):
        assert is_isotropic(in_frame_of(sample.visible[:, side], parents[:, side]))
        # In the frame of the parent first, so that no boost is left to turn the axes.
        w, lepton = (in_frame_of(p[:, side], parents[:, side]) for p in (bosons, sample.visible[:, 2:]))
        assert is_isotropic(in_frame_of(lepton, w))
    pair = parents.sum(dim=1)
    assert is_isotropic(in_frame_of(parents[:, 0], pair))
    m_aa = mass(pair)
    assert is_uniform((m_aa - 2 * sample.parameters[:, 0]) / (1500 - 2 * sample.parameters[:, 0]))
    assert (sample.missing_momentum + sample.visible.sum(dim=1)[:, 1:3]).abs().max() < ROUNDING


def test_scales_are_where_spectra_end():
    assert SEMI_VISIBLE.scale(torch.tensor([[400.0, 100.0]])).item() == 375.0
    assert TOPOLOGIES["visible-pair"].scale(torch.tensor([[400.0]])).item() == 400.0


def test_a_topology_is_found_by_name_or_where_it_is_defined():
    assert find_topology("semi-visible") is SEMI_VISIBLE
    assert find_topology(SEMI_VISIBLE) is SEMI_VISIBLE
    assert find_topology("hepreco.generation.topologies:SEMI_VISIBLE") is SEMI_VISIBLE
    for name in ("none", "hepreco.generation.topologies:NONE", "no.such.module:X", "hepreco.generation.topologies:M_W"):
        with pytest.raises(ConfigError, match="no topology"):
            find_topology(name)


def test_coordinates_of_a_pair_are_independent():
    sample = sample_topology("pair-semi-visible", events=EVENTS, seed=10)
    parents, (m_a, m_c) = parents_of(sample), sample.parameters.unbind(1)
    pair = parents.sum(dim=1)
    m_aa = mass(pair)
    masses = m_a, (1 - m_c / m_a) ** 2, (m_aa - 2 * m_a) / (1500 - 2 * m_a)
    flight = (pair[:, 0] - m_aa) / (2500 - m_aa), torch.sign(pair[:, 3])
    directions = (
        *angles(in_frame_of(parents[:, 0], pair)),
        *angles(in_frame_of(sample.visible[:, 0], parents[:, 0])),
        *angles(in_frame_of(sample.visible[:, 1], parents[:, 1])),
    )
    coordinates = torch.stack((*masses, *flight, *directions))
    correlation = torch.corrcoef(coordinates) - torch.eye(11)
    assert correlation.abs().max() < 5 / EVENTS**0.5


def test_fixed_parameters_leave_the_other_random_numbers():
    """With the masses that the prior has drawn for an event, fixing them gives this event."""
    drawn = sample_topology("pair-semi-visible", events=1, seed=9)
    fixed = sample_topology("pair-semi-visible", events=1, seed=9, parameters=tuple(drawn.parameters[0].tolist()))
    assert torch.equal(fixed.inputs, drawn.inputs)


def test_a_topology_of_ones_own_is_a_value():
    own = replace(SEMI_VISIBLE, name="light", prior=lambda random: 50 * random.sort(dim=1, descending=True).values)
    sample = sample_topology(own, events=10, seed=1)
    assert sample.topology is own
    assert sample.parameters.max() < 50
    assert own.stream != SEMI_VISIBLE.stream


@pytest.mark.parametrize(
    ("name", "parameters"),
    [
        ("visible-pair", (0.0,)),
        ("visible-pair", (1501.0,)),
        ("visible-pair", (math.nan,)),
        ("semi-visible", (100.0, 100.0)),
        ("semi-visible", (100.0, -1.0)),
        ("semi-visible", (100.0, 200.0)),
        ("pair-semi-visible", (751.0, 100.0)),
    ],
)
def test_impossible_masses_are_refused(name, parameters):
    with pytest.raises(ConfigError, match=r"has no events at .*\n.*choose 1 ≤ m_A ≤"):
        sample_topology(name, events=1, seed=1, parameters=parameters)


def test_bad_input_is_refused():
    with pytest.raises(ConfigError, match=r"'zz'\n.*visible-pair, semi-visible, pair-semi-visible"):
        sample_topology("zz", events=1, seed=1)
    with pytest.raises(ConfigError, match="a sample of -1 events"):
        sample_topology("visible-pair", events=-1, seed=1)
    with pytest.raises(ConfigError, match="seed is -1"):
        sample_topology("visible-pair", events=1, seed=-1)
    with pytest.raises(ConfigError, match=r"are \(m_A, m_C\); got \(400\)"):
        sample_topology("semi-visible", events=1, seed=1, parameters=(400.0,))
