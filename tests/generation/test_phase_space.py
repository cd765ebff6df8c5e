"""Volumes that are known, and channels that agree."""

import math

import pytest
import torch

from hepreco.errors import ConfigError
from hepreco.generation import Cuts
from hepreco.generation.hard import Beams, HardProcess, IntegrationBudget, adapt
from hepreco.generation.hard.mappings import breit_wigner, logarithmic, pole, power, root, uniform
from hepreco.generation.hard.phase_space import Chosen, Emission, Given, TChannel, t_channel_momenta
from hepreco.generation.randomness import uniforms
from hepreco.kinematics import mass_squared

TOP = "(t > b w+, w+ > u d~)"
ANTITOP = "(t~ > b~ w-, w- > u~ d)"


@pytest.mark.parametrize(
    "mapping",
    [uniform(), breit_wigner(50.0, 2.0), power(1.5), logarithmic(), root(), pole(torch.tensor(5000.0))],
    ids=["uniform", "breit_wigner", "power", "logarithmic", "root", "pole"],
)
def test_jacobians_are_derivatives(mapping):
    low, high = torch.tensor(100.0, dtype=torch.float64), torch.tensor(4000.0, dtype=torch.float64)
    u = torch.linspace(0.1, 0.9, 9, dtype=torch.float64, requires_grad=True)
    x = mapping.value(u, low, high)
    (slope,) = torch.autograd.grad(x.sum(), u)
    torch.testing.assert_close(mapping.jacobian(x.detach(), low, high), slope, rtol=1e-9, atol=0)
    assert torch.all((x >= low) & (x <= high))


def walk(t_channel, masses, energy=500.0, events=40_000):
    u = uniforms(seed=1, stream=3, first=0, count=events, width=3 * len(masses) - 4)
    chosen = Chosen(u)
    full = [torch.full((events,), mass, dtype=torch.float64) for mass in masses]
    momenta = t_channel_momenta(t_channel, chosen, torch.full((events,), energy, dtype=torch.float64), full)
    return momenta, chosen.log_jacobian, full


SINGLES = tuple(Emission((i,)) for i in range(4))
CHANNELS = [
    TChannel(SINGLES[:2], isotropic=True),
    TChannel(SINGLES[:2]),
    TChannel(SINGLES[:3], isotropic=True),
    TChannel(SINGLES[:3]),
    TChannel(SINGLES),
    TChannel((SINGLES[2], Emission((0, 1)), SINGLES[3])),
    TChannel((Emission((0, 2), resonance=(91.0, 80.0)), SINGLES[1], SINGLES[3])),
]


@pytest.mark.parametrize("t_channel", CHANNELS, ids=str)
def test_the_volume_of_massless_phase_space(t_channel):
    """Φₙ = (π/2)ⁿ⁻¹ s^(n−2) / ((n−1)! (n−2)!) (2π)^(4−3n) (Kleiss, Stirling, Ellis 1986, equation 4.13)."""
    size = sum(len(emission.group) for emission in t_channel.emissions)
    # Masses that are small enough, since logarithmic mappings need a threshold.
    momenta, log_jacobian, _ = walk(t_channel, [1e-3] * size)
    volume = torch.exp(log_jacobian)
    s = 500.0**2
    expected = (math.pi / 2) ** (size - 1) * s ** (size - 2) / (math.factorial(size - 1) * math.factorial(size - 2))
    expected *= (2 * math.pi) ** (4 - 3 * size)
    error = float(volume.std() / len(volume) ** 0.5)
    assert float(volume.mean()) == pytest.approx(expected, abs=max(5 * error, 1e-6 * expected))
    assert error < 0.1 * expected
    torch.testing.assert_close(
        momenta.sum(dim=1),
        torch.tensor([500.0, 0, 0, 0], dtype=torch.float64).expand(len(momenta), 4),
        atol=1e-8,
        rtol=0,
    )


@pytest.mark.parametrize("t_channel", CHANNELS, ids=str)
def test_a_channel_finds_its_own_density(t_channel):
    size = sum(len(emission.group) for emission in t_channel.emissions)
    momenta, log_jacobian, masses = walk(t_channel, [5.0, 80.0, 10.0, 20.0][:size], events=2000)
    given = Given(momenta)
    t_channel_momenta(t_channel, given, torch.full((2000,), 500.0, dtype=torch.float64), masses)
    torch.testing.assert_close(given.log_jacobian, log_jacobian, rtol=0, atol=1e-5)
    for i, mass in enumerate(masses):
        torch.testing.assert_close(mass_squared(momenta[:, i]), mass**2, atol=1e-5, rtol=0)


def test_masses_stay_near_the_pole_and_momenta_add_up():
    process = HardProcess(f"g g > t t~, {TOP}, {ANTITOP}")
    u = uniforms(seed=1, stream=0, first=0, count=2000, width=process.dimensions)
    points = process(u, process.t_channels[0])
    p = points.momenta
    torch.testing.assert_close(p[:, :2].sum(1), p[:, [2, 7]].sum(1), rtol=1e-9, atol=1e-6)
    torch.testing.assert_close(p[:, 2], p[:, [3, 5, 6]].sum(1), rtol=1e-9, atol=1e-6)
    top = mass_squared(p[:, 2]).sqrt()
    width = float(process.model.width_t)
    assert torch.all((top - float(process.model.m_t)).abs() <= 15 * width * (1 + 1e-9))
    torch.testing.assert_close(
        mass_squared(p[:, 3]), torch.full((2000,), 4.7**2, dtype=torch.float64), atol=1e-4, rtol=0
    )


def test_a_higgs_boson_decays_to_one_w_off_its_pole():
    process = HardProcess("g g > t t~ h, (h > w+ w-, w+ > u d~, w- > u~ d)")
    w = [node.row for node in process.particles if abs(node.particle.pdg_id) == 24]
    assert [process.ranges[row].low for row in w] == [0.0, 0.0]


def test_a_point_cross_section_from_a_formula():
    """E⁺e⁻ → µ⁺µ⁻ through a photon: σ = 4πα²/3s."""
    energy = 50.0
    process = HardProcess("e- e+ > mu- mu+ / z h", beams=Beams(energy, None))
    sampler = adapt([process], seed=1)
    alpha = 1 / float(process.model.alpha_inverse)
    expected = 4 * math.pi * alpha**2 / (3 * energy**2) * 3.893793721e8
    found = sampler.tally.cross_section
    assert found.value == pytest.approx(expected, abs=5 * found.error)
    assert found.error < 0.003 * expected


def test_largest_weights_leave_the_excess_that_is_allowed():
    process = HardProcess("e- e+ > mu- mu+", beams=Beams(200.0, None), cuts=Cuts(pt_min=5.0))
    budget = IntegrationBudget(iterations=1, points=2000, last=20_000)
    sampler = adapt([process], seed=1, budget=budget, overweight=0.05)
    largest = sum(channel.max_weight for channel in sampler.channels)
    excess = sampler.trials(0, 50_000).excess / 50_000 * largest
    assert excess / sampler.tally.cross_section.value == pytest.approx(0.05, rel=0.2)


def test_several_channels_share_a_budget_of_which_each_needs_some():
    budget = IntegrationBudget(iterations=7, points=20_000, last=60_000)
    assert budget.shared_by(2) == IntegrationBudget(7, 10_000, 30_000)
    assert budget.shared_by(100) == IntegrationBudget(7, 8_000, 15_000)
    assert IntegrationBudget(1, 1000, 3000).shared_by(100) == IntegrationBudget(1, 1000, 3000)


@pytest.mark.parametrize("energy", [91.188, 200.0])
def test_two_ladders_share_what_one_has(energy):
    """TChannels with and without a resonance weigh the same points: e⁺e⁻ → µ⁺µ⁻ has four, forced to one is the same."""
    process = HardProcess("e- e+ > mu- mu+", beams=Beams(energy, None), cuts=Cuts(pt_min=5.0))
    assert len(process.t_channels) > 1
    together = adapt([process], seed=1).tally.cross_section
    alone = HardProcess("e- e+ > mu- mu+", beams=Beams(energy, None), cuts=Cuts(pt_min=5.0))
    alone.__dict__["t_channels"] = (TChannel(SINGLES[:2], isotropic=True),)
    one = adapt([alone], seed=2).tally.cross_section
    assert together.value == pytest.approx(one.value, abs=4 * math.hypot(together.error, one.error))


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        ({"process": "g g > t t~", "beams": Beams(300.0, None)}, "needs at least 346"),
        ({"process": "g g > t t~", "beams": Beams(200.0)}, "needs at least 346"),
        ({"process": "g g > g g"}, "no smallest energy"),
        ({"process": "u d~ > w+"}, "one stable particle"),
        ({"process": "g g > t t~", "cuts": Cuts(mass_window=(100.0, 300.0))}, "cross-section is 0"),
        ({"process": f"g g > t t~, {TOP}", "cutoff": -70.0}, "lighter than its products"),
    ],
)
def test_what_cannot_happen_is_refused(arguments, word):
    with pytest.raises(ConfigError, match=word):
        HardProcess(**arguments)


def test_cuts_that_nothing_passes_are_an_error_and_no_endless_loop():
    process = HardProcess(
        "e- e+ > mu- mu+", beams=Beams(50.0, None), cuts=Cuts(pt_min=20.0, delta_r_min=7.0, eta_max=1.0)
    )
    with pytest.raises(ConfigError, match="no point of"):
        adapt([process], seed=1)


@pytest.mark.parametrize("cuts", [{"pt_min": -1.0}, {"eta_max": 0.0}, {"mass_window": (5.0, 5.0)}])
def test_impossible_cuts_are_refused(cuts):
    with pytest.raises(ConfigError, match="impossible cuts"):
        Cuts(**cuts)
