"""Processes with a lepton: its neutrino, both charges, and the search among jets and neutrinos."""

from collections.abc import Callable
from dataclasses import replace
from itertools import permutations
from pathlib import Path

import pytest
import torch
from torch import Tensor

from hepreco.amplitudes import MatrixElement, StandardModel
from hepreco.detector import Detector
from hepreco.errors import ConfigError
from hepreco.events import Dataset, EventBatch, InputSpec, ObjectSpec, read_batch
from hepreco.kinematics import mass
from hepreco.plugin import TrainingOptions
from hepreco_chi2_assigner import Chi2Assigner
from hepreco_me_assigner import Hypothesis, MatrixElementAssigner
from hepreco_me_assigner.problems import Problem
from hepreco_me_assigner.problems.leptons import leading_lepton
from hepreco_me_assigner.process.frames import neutrinos, partonic
from hepreco_me_assigner.process.hypothesis import MASSLESS, beams
from hepreco_me_assigner.solvers import greedy, topologies
from hepreco_me_assigner.transfer_functions import TransferFunctions

SAME = 1e-9
LEPTON_JETS = Hypothesis("ttbar-lepton-jets")
W_MASS = float(StandardModel().m_w)
PLUGIN = MatrixElementAssigner(process="ttbar-lepton-jets", where=("pt > 20", "|eta| < 4.7"))
#: The objects of a :class:`Problem` with as many jets as legs, on the legs b, lepton, neutrino, b, q, q.
TRUE_ORDER = torch.tensor([0, 4, 5, 1, 2, 3])
NOT_A_QUARK = 40


@pytest.fixture(scope="module")
def partons(written: Callable[[str, int], Path]) -> EventBatch:
    """Partons and leptons in the order b, W⁺'s, b̄, W⁻'s, up-like before down-like."""
    particles = ObjectSpec("LHEPart", ("status == 1",), at_least=6, features=("pdgId",))
    path = str(written("ttbar-lepton-jets", 3000))
    batch = read_batch(Dataset("test", (path,)), InputSpec((particles,)))[:200]
    return batch.objects_ordered_by(-batch.index.double(), at_most=6)


@pytest.fixture(scope="module")
def measured(written: Callable[[str, int], Path]) -> EventBatch:
    """Jets, leptons and missing momentum, with truth beside the jets."""
    jets, *leptons = PLUGIN.inputs.objects
    jets = replace(jets, features=("truthParton", "btagDeepFlavB"))
    inputs = InputSpec((jets, *leptons), missing_momentum="PuppiMET")
    return read_batch(Dataset("test", (str(written("ttbar-lepton-jets", 3000)),)), inputs)


def by_leg(partons: EventBatch) -> tuple[Tensor, Tensor]:
    """Objects (four quarks, lepton, the true neutrino twice), and whether the lepton is negative."""
    negative = (partons.features["pdgId"][:, 5].abs() > 10)[:, None, None]
    leptonic = torch.where(negative, partons.momenta[:, 3:], partons.momenta[:, :3])
    hadronic = torch.where(negative, partons.momenta[:, :3], partons.momenta[:, 3:])
    b, neutrino, lepton = leptonic.unbind(dim=1)
    return torch.stack((b, *hadronic.unbind(dim=1), lepton, neutrino, neutrino), dim=1), negative[:, 0, 0]


def mirrored(batch: EventBatch) -> EventBatch:
    """The charge-conjugate events behind a mirror."""
    momenta, missing = batch.momenta.clone(), batch.missing_momentum.clone()
    momenta[..., 2] *= -1
    missing[:, 1] *= -1
    features = {**batch.features, "charge": -batch.features["charge"]}
    return replace(batch, momenta=momenta, missing_momentum=missing, features=features)


def same(found: dict[str, Tensor], expected: dict[str, Tensor]) -> None:
    for name, value in expected.items():
        torch.testing.assert_close(found[name], value, equal_nan=True)


def test_one_of_the_neutrinos_is_true(partons: EventBatch) -> None:
    """For a W that is not on its pole, with its own mass."""
    objects, _ = by_leg(partons)
    lepton, neutrino = objects[:, 4], objects[:, 5]
    for one, true in zip(lepton, neutrino, strict=True):
        found = neutrinos(one, true[1:3], w_mass=float(mass(one + true)))
        assert (found[:, 3] - true[3]).abs().min() < 1e-2 * true[0]


@pytest.mark.parametrize("negative", [False, True])
def test_me2_is_that_of_the_amplitudes(negative: bool, partons: EventBatch) -> None:
    """At the true assignment with the true neutrino, from strings in the order of the file."""
    objects, is_negative = by_leg(partons)
    few = is_negative == negative
    hypothesis = LEPTON_JETS.conjugate if negative else LEPTON_JETS
    found = Problem(hypothesis, objects[few]).value(TRUE_ORDER.expand(int(few.sum()), 1, -1))[:, 0]
    decays = ("w+ > u d~", "w- > ve~ e-") if negative else ("w+ > ve e+", "w- > u~ d")
    process = "g g > t t~, (t > b w+, {}), (t~ > b~ w-, {})".format(*decays)
    final = partonic(partons.momenta[few])
    model = MASSLESS
    expected = MatrixElement(process, model=model).log(torch.cat((beams(final), final), dim=1))
    assert len(found) > 50
    torch.testing.assert_close(found, expected, rtol=0, atol=SAME)


def test_conjugate_processes_mirror_each_other(partons: EventBatch) -> None:
    """CP: from gluons, antiparticles at mirrored momenta have the same |M|²; at the same momenta nearly."""
    objects, _ = by_leg(partons)
    final = partonic(objects[:, TRUE_ORDER])
    mirror = final * torch.tensor([1.0, 1.0, -1.0, 1.0])
    value = LEPTON_JETS.log_me2(final)
    torch.testing.assert_close(LEPTON_JETS.conjugate.log_me2(mirror), value, rtol=0, atol=SAME)
    torch.testing.assert_close(LEPTON_JETS.conjugate.log_me2(final), value, rtol=0, atol=0.02)
    assert [particle.name for particle in LEPTON_JETS.conjugate.parsed.final] == ["b~", "e-", "ve~", "b", "u", "d~"]


def test_leptons_have_a_third_of_the_me2_of_quarks(partons: EventBatch) -> None:
    """So that the bounds of ``ttbar`` hold for them."""
    final = partonic(by_leg(partons)[0][:, TRUE_ORDER])
    quarks = Hypothesis("ttbar").log_me2(final[:, [0, 2, 1, 3, 4, 5]])
    torch.testing.assert_close(LEPTON_JETS.log_me2(final), quarks - torch.tensor(3.0).double().log())


def scan(plugin: MatrixElementAssigner, batch: EventBatch) -> Tensor:
    """The largest ln|M|² of one event among all orders of its jets and both neutrinos, one by one."""
    lepton = leading_lepton(batch)
    hypothesis = LEPTON_JETS if lepton.features["charge"][0, 0] > 0 else LEPTON_JETS.conjugate
    jets = batch.collection("Jet")
    momenta = jets.momenta[0, jets.mask[0]]
    values = []
    for neutrino in neutrinos(lepton.momenta[0, 0], batch.missing_momentum[0], w_mass=W_MASS):
        orders = torch.tensor(list(permutations(range(len(momenta)), 4)))
        b, *rest = momenta[orders].unbind(dim=1)
        one, other = (x.expand_as(b) for x in (lepton.momenta[0, 0], neutrino))
        values.append(hypothesis.log_me2(partonic(torch.stack((b, one, other, *rest), dim=1))).max())
    return torch.stack(values).max()


def test_exact_is_the_largest_of_all(measured: EventBatch) -> None:
    few = measured[leading_lepton(measured).mask[:, 0] & (measured.collection("Jet").mask.sum(dim=1) < 7)][:40]
    found = PLUGIN.reconstruct(few)
    expected = torch.stack([scan(PLUGIN, few[row : row + 1]) for row in range(len(few))])
    torch.testing.assert_close(found["log_me2"], expected, rtol=0, atol=SAME)
    assert found["certified"].mean() > 0.8  # jets far from every resonance exceed the bounds of partons
    assert set(leading_lepton(few).features["charge"][:, 0].tolist()) == {-1.0, 1.0}


@pytest.mark.parametrize("solver", ["exact", "marginal", "greedy"])
def test_the_other_charge_is_a_mirror(solver: str, measured: EventBatch) -> None:
    plugin = replace(PLUGIN, solver=solver, top_width=15.0, w_width=10.0)
    plugin = replace(plugin, at_most=4) if solver == "exact" else plugin  # wide resonances have no bounds
    found, there = (plugin.reconstruct(batch) for batch in (measured[:40], mirrored(measured[:40])))
    for column in plugin.outputs:
        if column.kind == "four-vector":
            there[column.name][..., 2] *= -1
    same(there, dict(found))
    assert found["log_me2"].isfinite().sum() > 20


def test_greedy_never_ends_below_its_start(measured: EventBatch) -> None:
    for _, _, problem in PLUGIN.problems(measured[:100]):
        found = greedy(problem)
        size = problem.momenta.shape[1]
        start = problem.momenta[:, : size - 3, 0].argsort(dim=1, descending=True, stable=True)[:, :4]
        lepton = torch.full_like(start[:, :1], size - 3)
        first = torch.cat((start[:, :1], lepton, lepton + 1, start[:, 1:]), dim=1)
        second = torch.cat((start[:, :1], lepton, lepton + 2, start[:, 1:]), dim=1)
        value = problem.value(torch.stack((first, second), dim=1)).amin(dim=1)
        assert (found.log_me2 >= value).all()
        assert (found.objects[:, 1] == size - 3).all()
        assert (found.objects[:, 2] > size - 3).all()


def test_columns_say_what_was_assigned(measured: EventBatch) -> None:
    some = measured[:100]
    found = replace(PLUGIN, solver="marginal", resolution=(0.8, 0.05)).reconstruct(some)
    answered = found["log_me2"].isfinite()
    lepton = leading_lepton(some)
    assert torch.equal(answered, lepton.mask[:, 0])
    index, jets = found["leg_index"], some.collection("Jet")
    assert (index[answered][:, [0, 3, 4, 5]] >= 0).all()
    assert (index[:, 1:3] == -1).all()
    slot = (index[:, :, None] == jets.index[:, None, :]).int().argmax(dim=2)
    assigned = jets.momenta.gather(1, slot[..., None].expand(-1, -1, 4))
    boson = lepton.momenta + found["neutrino"]
    expected = {
        "leptonic_w": boson,
        "leptonic_top": boson + assigned[:, :1],
        "w": assigned[:, 4:].sum(dim=1, keepdim=True),
        "top": assigned[:, 3:].sum(dim=1, keepdim=True),
    }
    for name, value in expected.items():
        torch.testing.assert_close(found[name][answered], value[answered])
    for species, name in enumerate(("electron_index", "muon_index"), start=1):
        is_it = answered & (lepton.species[:, 0] == species)
        assert torch.equal(found[name], torch.where(is_it, lepton.index[:, 0], -1))
        assert is_it.sum() > 10
    assert found["probability"][answered].amax() <= 1 + SAME


def test_events_that_cannot_be_have_no_answer(measured: EventBatch) -> None:
    whole = measured[leading_lepton(measured).mask[:, 0]][:7]
    expected = PLUGIN.reconstruct(whole)
    assert expected["log_me2"].isfinite().all()
    momenta, mask, missing = whole.momenta.clone(), whole.mask.clone(), whole.missing_momentum.clone()
    is_lepton = whole.species > 0
    missing[0] = torch.nan
    mask[1] &= ~is_lepton[1]
    momenta[2, is_lepton[2]] = torch.nan
    momenta[3, is_lepton[3], 1:3] = 0.0
    momenta[4, 0] = torch.inf
    missing[5] = 0.0  # no reason for no answer
    found = PLUGIN.reconstruct(replace(whole, momenta=momenta, mask=mask, missing_momentum=missing))
    assert found["log_me2"].isfinite().tolist() == [False] * 5 + [True] * 2
    for name in ("leg_index", "electron_index", "muon_index"):
        assert (found[name][:5] == -1).all()
    assert found["neutrino"][:5].isnan().all()
    torch.testing.assert_close(found["log_me2"][6], expected["log_me2"][6])


def test_jets_of_the_lepton_do_not_count(measured: EventBatch) -> None:
    """A detector makes a jet of an electron too."""
    lepton = leading_lepton(measured)
    four = measured[lepton.mask[:, 0] & (measured.collection("Jet").mask.sum(dim=1) == 4)][:30]
    row = int((measured.species[0] == 0).sum()) - 1  # a slot that is empty
    momenta, mask, index = four.momenta.clone(), four.mask.clone(), four.index.clone()
    momenta[:, row], mask[:, row], index[:, row] = 1.1 * leading_lepton(four).momenta[:, 0], True, 20
    found = PLUGIN.reconstruct(replace(four, momenta=momenta, mask=mask, index=index))
    expected = PLUGIN.reconstruct(four)
    del found["b_probability"], expected["b_probability"]
    same(found, dict(expected))


def right(batch: EventBatch, index: Tensor) -> Tensor:
    """Whether the topology is that of the generator, whose order is b, W⁺'s, b̄, W⁻'s."""
    jets = batch.collection("Jet")
    slot = (index[:, :, None] == jets.index[:, None, :]).int().argmax(dim=2)
    parton = legs_of(batch).gather(1, slot)
    parton[:, 1:3] = torch.tensor([1, 2])
    found = topologies(LEPTON_JETS, torch.where(parton < 0, NOT_A_QUARK, parton))
    return (found == topologies(LEPTON_JETS, torch.arange(6))).double()


def legs_of(batch: EventBatch) -> Tensor:
    """The leg on which each jet truly stands, −1 for none."""
    jets = batch.collection("Jet")
    parton = torch.where(jets.mask, jets.features["truthParton"], -1.0).long()
    negative = leading_lepton(batch).features["charge"] < 0
    return torch.where((parton >= 0) & negative, (parton + 3) % 6, parton)


@pytest.mark.parametrize(("b_tag", "gain"), [(None, 0.05), ("btagDeepFlavB", 0.02)])
def test_it_beats_least_squares(b_tag: str | None, gain: float, measured: EventBatch) -> None:
    found = torch.stack([(legs_of(measured) == leg).any(dim=1) for leg in (0, 3, 4, 5)]).all(dim=0)
    whole = measured[found & leading_lepton(measured).mask[:, 0]]
    plugin = replace(PLUGIN, solver="marginal", resolution=(0.8, 0.05), b_tag=b_tag)
    other = Chi2Assigner(channel="lepton+jets", where=PLUGIN.where, at_most=8, b_tag=b_tag).reconstruct(whole)
    b, q = other["b_index"], other["q_index"]
    index = torch.stack((b[:, 1], b[:, 1], b[:, 1], b[:, 0], q[:, 0], q[:, 1]), dim=1)
    assert len(whole) > 1000
    assert (right(whole, plugin.reconstruct(whole)["leg_index"]) - right(whole, index)).mean() > gain


def test_fitted_tops_are_on_their_poles(measured: EventBatch) -> None:
    branch = LEPTON_JETS.branches[0]
    for _, _, problem in PLUGIN.problems(measured[:100]):
        momenta = problem.momenta[:, [0, -3, -1]]
        fitted, weight = TransferFunctions().fit(branch, momenta)
        for resonance in branch.resonances:
            found = mass(fitted[:, list(resonance.legs)].sum(dim=1))
            torch.testing.assert_close(found, torch.full_like(found, resonance.mass), rtol=1e-6, atol=0)
        torch.testing.assert_close(fitted[:, 1:, 1:], momenta[:, 1:, 1:])  # the jet alone moves
        assert weight.isfinite().all()


def test_the_resolution_of_missing_momentum_widens_the_top() -> None:
    """Against the variance of ln(p_b·p_W) when missing momentum is smeared, with one half unit of ln from jets."""
    branch = LEPTON_JETS.branches[0]
    generator = torch.Generator().manual_seed(3)
    b, lepton = (torch.tensor([[0.0, *x]], dtype=torch.float64) for x in ((60.0, -30.0, 20.0), (-30.0, 40.0, 10.0)))
    b[:, 0], lepton[:, 0] = b[:, 1:].norm(), lepton[:, 1:].norm()
    missing = torch.tensor([[-20.0, -25.0]]).double()
    smear = torch.randn(20_000, 2, generator=generator, dtype=torch.float64)
    neutrino = neutrinos(lepton, missing, w_mass=W_MASS)[:, 0]
    moved = neutrinos(lepton.expand(len(smear), -1), missing + smear, w_mass=W_MASS)[:, 0]
    w = lepton + moved
    variance = float((b[:, 0] * w[:, 0] - (b[:, 1:] * w[:, 1:]).sum(dim=1)).log().var())
    momenta = torch.stack((b, lepton, neutrino), dim=1)
    exact, smeared = (
        TransferFunctions(Detector(jet_stochastic=0.0, jet_constant=0.5, jet_angle=0.0, missing_noise=noise))
        for noise in (1e-6, 1.0)
    )
    fitted, weight = exact.fit(branch, momenta)
    shift = float((fitted[0, 0, 0] / momenta[0, 0, 0]).log())

    def expected(variance: float) -> float:
        return -(shift**2) / (2 * variance) - float(torch.tensor(variance).log()) / 2

    found = float(smeared.fit(branch, momenta)[1] - weight)
    assert found == pytest.approx(expected(0.25 + variance) - expected(0.25), rel=0.05)


def test_other_decays_with_a_lepton_have_no_fit() -> None:
    higgs = Hypothesis("g g > h, (h > w+ w-, w+ > e+ ve, w- > u~ d)")
    with pytest.raises(ConfigError, match="wide resonances"):
        TransferFunctions().fit(higgs.branches[0], torch.ones(2, 4, 4).double())


def test_a_process_is_data(measured: EventBatch) -> None:
    """A muon, on the other side, with W → ud̄ written the other way round; and a W alone."""
    other = "g g > t t~, (t > b w+, w+ > d~ u), (t~ > b~ w-, w- > mu- vm~)"
    plugin = replace(PLUGIN, process=other, solver="marginal", resolution=(0.8, 0.05))
    found = plugin.reconstruct(measured[:50])
    expected = replace(plugin, process="ttbar-lepton-jets").reconstruct(measured[:50])
    for name in ("leptonic_top", "top", "neutrino", "log_me2", "electron_index"):
        torch.testing.assert_close(found[name], expected[name], equal_nan=True, rtol=1e-6, atol=0.02)
    single = replace(plugin, process="u d~ > w+ g g g, w+ > e+ ve", at_most=4).reconstruct(measured[:20])
    assert single["leptonic_w"].shape == (20, 1, 4)
    assert single["log_me2"].isfinite().any()


def test_no_policy_is_trained(measured: EventBatch) -> None:
    with pytest.raises(ConfigError, match="policies are trained for jets alone"):
        PLUGIN.train({"events": measured}, TrainingOptions(), report=lambda _epoch, _losses: None)
