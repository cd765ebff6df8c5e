"""DecayChannels of decays, and the colour lines that showers need."""

import pytest
import torch

from hepreco.amplitudes import MatrixElement
from hepreco.errors import ConfigError
from hepreco.generation import PRESETS, find_preset
from hepreco.generation.hard import Beams, HardProcess
from hepreco.generation.hard.decay_channels import DecayChannels
from hepreco.generation.hard.parton_level import make_batch
from hepreco.generation.hard.sampler import IntegrationBudget, adapt

QUICK = IntegrationBudget(iterations=1, points=1000, last=3000)
LEPTONS, NEUTRINOS = (11, 13), (12, 14)
#: Like others in what is tested, but long to adapt to, some of them minutes.
SLOW = {
    "tttt-hadronic",
    "tttt-lepton-jets",
    "tttt-multilepton",
    "ttww-multilepton",
    "wwuu-ll",
    "wwuu-lt",
    "wwuu-tl",
    "wwuu-tt",
}


def events_of(name):
    preset = find_preset(name)
    sampler = adapt(preset.hard_processes(Beams())[:1], seed=1, budget=QUICK)
    return make_batch(sampler, 0, decay_channels=preset.decay_channels).events


@pytest.fixture(scope="module")
def lepton_jets():
    return events_of("ttbar-lepton-jets")


def test_a_w_decays_to_leptons_a_third_as_often_as_to_a_pair_of_quarks(on_shell):
    """What decay channels rest on: the matrix elements differ by the colours of the quarks only."""
    quarks = MatrixElement("g g > t t~, (t > b w+, w+ > u d~), (t~ > b~ w-, w- > u~ d)")
    leptons = MatrixElement("g g > t t~, (t > b w+, w+ > vm mu+), (t~ > b~ w-, w- > u~ d)")
    momenta = on_shell(quarks, energy=800.0)
    torch.testing.assert_close(quarks(momenta) / leptons(momenta), torch.full((5,), 3.0, dtype=torch.float64))


@pytest.mark.parametrize(
    ("name", "factor"),
    [
        # Two W: one of them e or µ (1/3 each of ud̄), the other of two generations; twice.
        ("ttbar-lepton-jets", 2 * (2 / 3) * 2),
        ("ttbar-dilepton", (2 / 3) ** 2),
        # W⁺ from t and beside: both leptonic with W⁻ hadronic, or all three leptonic.
        ("ttw-multilepton", (2 / 3) ** 2 * 2 + (2 / 3) ** 3),
        # W⁺ from t and beside are leptonic, W⁻ is hadronic.
        ("ttw-two-leptons", (2 / 3) ** 2 * 2),
        # H has no channels; of four W one is leptonic.
        ("tth-lepton-jets", 2 * (2 / 3) * 2),
        ("tttt-lepton-jets", 4 * (2 / 3) * 2**3),
        # Z to e or µ; at least one W.
        ("ttz-multilepton", 2 * (2 * (2 / 3) * 2 + (2 / 3) ** 2)),
    ],
)
def test_branching_fractions(name, factor):
    preset = find_preset(name)
    process = HardProcess(preset.processes[0])
    assert preset.decay_channels(process).factor == pytest.approx(factor)


def test_one_lepton_and_its_neutrino(lepton_jets):
    kind = lepton_jets.pdg_id.abs()
    charged, neutral = (torch.isin(kind, torch.tensor(kinds)) for kinds in (LEPTONS, NEUTRINOS))
    assert torch.all(charged.sum(1) == 1)
    assert torch.all(neutral.sum(1) == 1)
    assert torch.equal(kind[charged] + 1, kind[neutral])
    charge = -torch.sign(lepton_jets.pdg_id[charged])
    w = torch.gather(lepton_jets.pdg_id, 1, lepton_jets.mother.clamp(min=0))[charged]
    assert torch.equal(charge, torch.sign(w))
    share = (kind[charged] == 11).double().mean().item()
    assert share == pytest.approx(0.5, abs=0.05)


@pytest.mark.parametrize("name", ["tth-multilepton", "ttw-multilepton", "ttz-multilepton"])
def test_signatures(name):
    events = events_of(name)
    charges = torch.where(torch.isin(events.pdg_id.abs(), torch.tensor(LEPTONS)), -torch.sign(events.pdg_id), 0)
    number = charges.abs().sum(1)
    assert torch.all((number >= 3) | ((number == 2) & (charges.sum(1).abs() == 2)))
    assert len(events) > 0


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=[pytest.mark.slow] if name in SLOW else []) for name in sorted(PRESETS)]
)
def test_charge_and_colour_are_conserved(name, record_property):
    """Every colour line has two ends; quarks have one tag, gluons two, leptons none."""
    events = events_of(name)[:500]
    record_property("events", len(events))
    assert len(events)
    final, incoming = events.status == 1, events.status == -1
    kind = events.pdg_id.abs()
    quark, gluon = (kind >= 1) & (kind <= 6), kind == 21
    colour, anticolour = events.colour.unbind(-1)
    assert torch.equal(colour > 0, (quark & (events.pdg_id > 0)) | gluon)
    assert torch.equal(anticolour > 0, (quark & (events.pdg_id < 0)) | gluon)
    for event in range(len(events)):
        out = sorted(colour[event][final[event]].tolist() + anticolour[event][incoming[event]].tolist())
        back = sorted(anticolour[event][final[event]].tolist() + colour[event][incoming[event]].tolist())
        assert [tag for tag in out if tag] == [tag for tag in back if tag]
        gluons = gluon[event]
        assert torch.all(colour[event][gluons] != anticolour[event][gluons])


def test_unknown_samples_are_refused_with_the_list():
    with pytest.raises(ConfigError, match="ttbar-hadronic"):
        find_preset("ttbar")


def test_decay_channels_need_uniform_numbers_for_each_choice():
    process = HardProcess("g g > t t~, (t > b w+, w+ > u d~), (t~ > b~ w-, w- > u~ d)")
    assert DecayChannels(process.trees, "one lepton").numbers == 3
