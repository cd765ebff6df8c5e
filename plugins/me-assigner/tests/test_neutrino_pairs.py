"""Processes with two leptons: their objects, the momenta of both neutrinos, and the assignment on a sample."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor

from hepreco.conventions import TOP_MASS
from hepreco.events import Dataset, EventBatch, InputSpec, read_batch
from hepreco.kinematics import mass, neutrino_ellipse, neutrino_pair_solutions
from hepreco_me_assigner import Hypothesis, MatrixElementAssigner
from hepreco_me_assigner.problems import Problem, leptons_of
from hepreco_me_assigner.process import PROCESSES, completions
from hepreco_me_assigner.process.frames import massless, partonic
from hepreco_me_assigner.solvers import marginal

SAME = 1e-6
DILEPTON, SAME_SIGN = Hypothesis("ttbar-dilepton"), Hypothesis("ttw-two-leptons")
#: The legs b, ℓ, ν of both sides with two jets, two leptons and two unknown neutrinos; and with jets exchanged.
TRUE_ORDER, OTHER_ORDER = torch.tensor([0, 2, 4, 1, 3, 5]), torch.tensor([1, 2, 4, 0, 3, 5])


def batch_of(path: Path, plugin: MatrixElementAssigner) -> EventBatch:
    """Jets with their truth, and two leptons of each flavour."""
    jets, *leptons = plugin.inputs.objects
    jets = replace(jets, features=(*jets.features, "truthParton"))
    objects = (jets, *(replace(lepton, at_most=2) for lepton in leptons))
    inputs = InputSpec(objects, missing_momentum=plugin.missing_momentum)
    return read_batch(Dataset("test", (str(path),)), inputs)


def problems(plugin: MatrixElementAssigner, batch: EventBatch) -> Iterator[tuple[Problem, Tensor, Tensor]]:
    """Problems, the true final parton of each jet, and whether a jet has each of the b quarks."""
    for events, index, problem in plugin.problems(batch):
        jets = batch[events].collection("Jet")
        parton = torch.where(jets.mask, jets.features["truthParton"], -1.0).long()
        slot = (index[:, :, None] == jets.index[:, None, :]).int().argmax(dim=2)
        has_b = torch.stack([(parton == leg).any(dim=1) for leg in (0, 3)]).all(dim=0)
        yield problem, torch.where(index < 0, -1, parton.gather(1, slot)), has_b


@pytest.fixture(scope="module")
def some() -> Problem:
    """Random events with two jets and two leptons."""
    generator = torch.Generator().manual_seed(4)
    momenta = massless(60 * torch.randn(40, 6, 4, generator=generator, dtype=torch.float64))
    momenta[:, 4:] = torch.nan
    return Problem(DILEPTON, momenta, missing_momentum=40 * torch.randn(40, 2, generator=generator).double())


@pytest.mark.parametrize(
    ("process", "jets", "branches", "labellings"),
    [
        ("ttbar-dilepton", 2, ["b e+ ve", "b~ e- ve~"], 1),
        ("tth-lepton-jets", 6, ["b e+ ve", "b~ u~ d", "b b~"], 1),
        ("tttt-lepton-jets", 10, ["b e+ ve", "b~ u~ d", "b u d~", "b~ u~ d"], 3),
        ("ttw-two-leptons", 4, ["b e+ ve", "b~ u~ d", "e+ ve"], 1),
    ],
)
def test_processes_are_data(process: str, jets: int, branches: list[str], labellings: int) -> None:
    hypothesis = Hypothesis(process)
    final = hypothesis.parsed.final
    assert hypothesis.jets == jets
    assert [" ".join(final[leg].name for leg in branch.legs) for branch in hypothesis.branches] == branches
    assert len(hypothesis.labellings) == labellings
    assert hypothesis.conjugate.kinds == hypothesis.kinds
    assert Hypothesis(PROCESSES[process]).matrix_element.pdg_ids == hypothesis.matrix_element.pdg_ids
    leptons = {1: 3, 2: 4}[len(hypothesis.leptonic)]  # with neutrinos
    assert hypothesis.object_kinds(jets + leptons).count("jet") == jets


def test_a_lepton_has_the_leg_of_its_charge() -> None:
    assert DILEPTON.kinds == ("jet", "lepton", "neutrino", "jet", "other lepton", "other neutrino")
    assert DILEPTON.object_kinds(7)[3:] == ("lepton", "other lepton", "neutrino", "other neutrino")
    assert SAME_SIGN.kinds.count("lepton") == 2
    assert [(decay.lepton, decay.b) for decay in SAME_SIGN.leptonic] == [(1, 0), (6, None)]


def test_exact_missing_momentum(some: Problem) -> None:
    """All solutions, with both W and both t on their poles where b and lepton are light enough."""
    assigned = some.momenta[:, TRUE_ORDER]
    momenta, log_weight = completions(DILEPTON, assigned, some.missing_momentum, missing_resolution=None)
    assert momenta.isfinite().all()
    torch.testing.assert_close(momenta[..., [0, 1, 3, 4], :], assigned[:, None, [0, 1, 3, 4]].expand(-1, 4, -1, -1))
    top_mass, w_mass = DILEPTON.pole_masses
    b, lepton = assigned[:, [0, 3]], assigned[:, [1, 4]]
    expected = neutrino_pair_solutions(
        b, lepton, some.missing_momentum, top_mass=top_mass, w_mass=w_mass, no_solution="none"
    )
    for event in (expected[:, 0, 0, 0].isfinite()).nonzero()[:, 0].tolist():
        exists = expected[event, :, 0, 0].isfinite()
        assert torch.equal(log_weight[event] > -torch.inf, exists)
        torch.testing.assert_close(momenta[event, exists][:, [2, 5]], expected[event, exists])
        assert (log_weight[event, exists].abs() < SAME).all()
    assert (log_weight[:, 0] > -torch.inf).all()


def test_a_value_is_the_sum_over_solutions(some: Problem) -> None:
    found = some.value(torch.stack((TRUE_ORDER, OTHER_ORDER)).expand(40, 2, -1))
    for column, order in enumerate((TRUE_ORDER, OTHER_ORDER)):
        momenta, log_weight = completions(
            DILEPTON, some.momenta[:, order], some.missing_momentum, missing_resolution=None
        )
        terms = torch.stack([DILEPTON.log_me2(partonic(each)) for each in momenta.unbind(dim=1)], dim=1)
        torch.testing.assert_close(found[:, column], (terms + log_weight).logsumexp(dim=1))
        best = some.assigned(order.expand(40, -1))
        torch.testing.assert_close(DILEPTON.log_me2(partonic(best)) <= terms.amax(dim=1) + SAME, torch.ones(40) > 0)


def test_smeared_missing_momentum(some: Problem) -> None:
    """The weights of those that are kept add up to the sum over all pairs of angles, written out."""
    light = 0.5 * some.momenta[:, TRUE_ORDER]
    momenta, log_weight = completions(DILEPTON, light, some.missing_momentum, missing_resolution=20.0)
    top_mass, w_mass = DILEPTON.pole_masses
    t = torch.arange(32).double() * (2 * torch.pi / 32)
    circle = torch.stack((t.cos(), t.sin(), torch.ones_like(t)))
    for event in range(40):
        b, lepton = light[event, [0, 3]], light[event, [1, 4]]
        ellipses = neutrino_ellipse(b, lepton, top_mass=top_mass, w_mass=w_mass)
        if not ellipses.isfinite().all():
            continue
        one, other = (ellipses @ circle)[:, 1:3].unbind(dim=0)
        gap = one[:, :, None] + other[:, None, :] - some.missing_momentum[event][:, None, None]
        product = (b[:, 0] * lepton[:, 0] - (b[:, 1:] * lepton[:, 1:]).sum(dim=1)).prod()
        expected = (-gap.square().sum(dim=0) / 800).flatten().logsumexp(dim=0) - product.log()
        torch.testing.assert_close(log_weight[event].logsumexp(dim=0), expected)
        tops = mass(momenta[event][:, :3].sum(dim=1)), mass(momenta[event][:, 3:].sum(dim=1))
        torch.testing.assert_close(torch.cat(tops), torch.full((16,), TOP_MASS).double(), rtol=SAME, atol=0)


@pytest.mark.parametrize(
    ("charges", "legs", "expected", "is_conjugate"),
    [
        ([1, -1, 1], (1, -1), [0, 1], False),
        ([-1, 1, -1], (1, -1), [1, 0], False),
        ([1, 1, -1], (1, -1), [0, 2], False),
        ([1, 1, -1], (1, 1), [0, 1], False),
        ([-1, -1, 1], (1, 1), [0, 1], True),
        ([1, -1, 1], (1, 1), [], False),
        ([1, 1, 1], (1, -1), [0], False),
    ],
)
def test_leptons_by_charge(charges: list[int], legs: tuple[int, int], expected: list[int], is_conjugate: bool) -> None:
    momenta = massless(torch.tensor([[[0.0, 50 - 10 * i, 0, 0] for i in range(3)]], dtype=torch.float64))
    batch = EventBatch(
        momenta,
        torch.ones(1, 3, dtype=torch.bool),
        torch.tensor([[0, 1, 1]]),
        torch.tensor([[0, 0, 1]]),
        {"charge": torch.tensor([charges]).double()},
        torch.zeros(1, 2),
        torch.zeros(1, 3, dtype=torch.int64),
        torch.ones(1),
        ("Electron", "Muon"),
    )
    found, conjugate = leptons_of(batch, legs)
    torch.testing.assert_close(found.momenta[found.mask], momenta[0, expected])
    assert not expected or bool(conjugate[0]) is is_conjugate


@pytest.mark.parametrize(("b_tag", "least"), [(None, 0.70), ("btagDeepFlavB", 0.78)])
def test_both_b_jets_are_found(b_tag: str | None, least: float, written: Callable[[str, int], Path]) -> None:
    """More often than by the largest |M|² at exact momenta, and about as often as the posterior says."""
    path = written("ttbar-dilepton", 1200)
    plugin = MatrixElementAssigner(process="ttbar-dilepton", solver="marginal", where=("pt > 20", "|eta| < 4.7"))
    plugin = replace(plugin, b_tag=b_tag, resolution=(0.8, 0.05))
    right, says = [], []
    for problem, parton, has_b in problems(plugin, batch_of(path, plugin)):
        solution = marginal(problem, at_most=64)
        assert solution.log_me2.isfinite().all()
        assigned = problem.assigned(solution.objects)
        tops = mass(assigned.unflatten(1, (2, 3)).sum(dim=2))
        assert (tops < 1.5 * TOP_MASS).double().mean() > 0.9
        found = parton.gather(1, solution.objects)
        right.append(((found[:, 0] == 0) & (found[:, 3] == 3))[has_b])
        says.append(solution.probability[has_b])
    share = torch.cat(right).double().mean()
    assert len(torch.cat(right)) > 300
    assert share > least
    assert abs(share - torch.cat(says).mean()) < 0.07


def test_two_leptons_of_equal_charge(written: Callable[[str, int], Path]) -> None:
    path = written("ttw-two-leptons", 120)
    plugin = MatrixElementAssigner(process="ttw-two-leptons", solver="marginal", where=("pt > 20", "|eta| < 4.7"))
    plugin = replace(plugin, resolution=(0.8, 0.05), at_most=6)
    charges, pairings = set(), set()
    for problem, _, _ in problems(plugin, batch_of(path, plugin)):
        solution = marginal(problem, at_most=32)
        assert solution.log_me2.isfinite().all()
        w = problem.assigned(solution.objects)[:, [[1, 2], [6, 7]]].sum(dim=2)
        torch.testing.assert_close(mass(w), torch.full_like(w[..., 0], plugin.hypothesis.pole_masses[1]))
        charges.add(problem.hypothesis.parsed.final[1].name)
        pairings |= set((solution.objects[:, 1] < solution.objects[:, 6]).tolist())
    assert charges == {"e+", "e-"}
    assert pairings == {True, False}
