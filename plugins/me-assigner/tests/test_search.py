"""The search against all assignments, and its parts against formulas."""

from collections.abc import Callable
from dataclasses import replace
from itertools import permutations

import pytest
import torch
from torch import Tensor

from hepreco.amplitudes import MatrixElement, StandardModel
from hepreco.errors import ConfigError
from hepreco.events import EventBatch
from hepreco.kinematics import boost, mass, two_body_decay
from hepreco_me_assigner import Hypothesis
from hepreco_me_assigner.problems import Problem
from hepreco_me_assigner.process.frames import partonic
from hepreco_me_assigner.process.hypothesis import MASSLESS, beams
from hepreco_me_assigner.search import Bounds, measured_bounds, ranked_assignments, search

SAME = 1e-9
WIDE = Bounds(overall=1e3, within=1e3)


def scan(hypothesis: Hypothesis, momenta: Tensor) -> Tensor:
    """ln|M|² of every event for all assignments of as many objects as there are legs."""
    orders = torch.tensor(list(permutations(range(hypothesis.legs))))
    final = partonic(momenta)
    ways = [beams(final)] if hypothesis.is_symmetric else [beams(final), beams(final).flip(1)]
    found = [hypothesis.matrix_element.sweep(torch.cat((way, final), dim=1), orders) for way in ways]
    return torch.stack(found).logsumexp(dim=0)


@pytest.mark.parametrize(("process", "labellings"), [("ttbar", 2), ("ttw", 2), ("tttt", 6), ("wwuu", 2)])
def test_labellings_are_those_the_process_tells_apart(process: str, labellings: int) -> None:
    hypothesis = Hypothesis(process)
    assert len(hypothesis.labellings) == labellings
    assert [leg for branch in hypothesis.branches for leg in branch.legs] == list(range(hypothesis.legs))


@pytest.mark.parametrize("process", ["tttt", "wwuu"])
def test_what_labellings_leave_out_is_a_symmetry(process: str) -> None:
    hypothesis = Hypothesis(process)
    momenta = partonic(torch.randn(20, hypothesis.legs, 4, generator=torch.Generator().manual_seed(1)).double())
    exchanged = list(range(hypothesis.legs))
    one, other = (0, 2) if process == "tttt" else (2, 3)  # two t, two u
    for a, b in zip(hypothesis.branches[one].legs, hypothesis.branches[other].legs, strict=True):
        exchanged[a], exchanged[b] = b, a
    torch.testing.assert_close(hypothesis.log_me2(momenta), hypothesis.log_me2(momenta[:, exchanged]))


def test_decays_of_top_quarks_are_those_of_their_matrix_element() -> None:
    """ln|M(t → b u d̄)|² on shell, averaged over spins, differs from the score by a constant."""
    model = MASSLESS
    hypothesis = Hypothesis("ttbar")
    generator = torch.Generator().manual_seed(3)
    m_w = 75 + 10 * torch.rand(200, generator=generator, dtype=torch.float64)
    top = torch.tensor([model.m_t, 0, 0, 0]).double().expand(200, 4)
    b, w = two_body_decay(top, masses=(torch.zeros(200).double(), m_w), generator=generator)
    zero = torch.zeros(200).double()
    u, d = two_body_decay(w, masses=(zero, zero), generator=generator)
    matrix_element = MatrixElement("t > b w+, w+ > u d~", model=model)
    expected = matrix_element.log(torch.stack((top, b, u, d), dim=1))
    score = hypothesis.log_decay(hypothesis.branches[0], torch.stack((b, u, d), dim=1))
    torch.testing.assert_close(score - score.mean(), expected - expected.mean(), rtol=0, atol=1e-6)


def test_momenta_in_their_centre_of_mass() -> None:
    generator = torch.Generator().manual_seed(2)
    momenta = torch.randn(50, 6, 4, generator=generator, dtype=torch.float64) * 100
    momenta[..., 0] = momenta[..., 1:].norm(dim=-1) + 5
    found = partonic(momenta)
    assert found[..., 1:].sum(dim=1).abs().max() < SAME * 1e3
    assert mass(found).max() < 1e-3
    faster = boost(partonic(momenta), velocity=torch.tensor([0.0, 0.0, 0.6]).double().expand(50, 6, 3))
    torch.testing.assert_close(partonic(faster), found)


def test_exact_is_the_largest_of_all_720(ttbar: EventBatch) -> None:
    hypothesis = Hypothesis("ttbar")
    bounds = measured_bounds(Problem(hypothesis, ttbar.momenta[200:]), candidates_per_event=64)
    found = search(Problem(hypothesis, ttbar.momenta[:200]), bounds=bounds)
    torch.testing.assert_close(found.log_me2, scan(hypothesis, ttbar.momenta[:200]).amax(dim=1), rtol=0, atol=SAME)
    assert found.certified.all()
    assert found.calls.double().mean() < 40
    assert (found.objects.sort(dim=1).values == torch.arange(6)).all()


@pytest.mark.parametrize(
    ("process", "sample"), [pytest.param("ttw", "ttw-hadronic", marks=pytest.mark.slow), ("wwuu", "ttbar-hadronic")]
)
def test_exact_is_the_largest_of_all(
    process: str,
    sample: str,
    partons: Callable[[str, str, int], EventBatch],
    record_property: Callable[[str, object], None],
) -> None:
    hypothesis = Hypothesis(process)
    momenta = partons(process, sample, 300).momenta[:2]
    found = search(Problem(hypothesis, momenta), bounds=Bounds(overall=30.0, within=20.0))
    every = scan(hypothesis, momenta).amax(dim=1)
    record_property("ln|M|²", f"{found.log_me2.tolist()}; of all {every.tolist()}")
    torch.testing.assert_close(found.log_me2, every, rtol=0, atol=SAME)


@pytest.mark.parametrize(
    "process",
    ["u u~ > w+ w-, w+ > u d~, w- > u~ d", pytest.param("ttbar", marks=pytest.mark.slow)],
    ids=["four legs", "six legs"],
)
def test_exact_among_more_objects_than_legs(
    process: str, ttbar: EventBatch, record_property: Callable[[str, object], None]
) -> None:
    hypothesis = Hypothesis(process)
    legs = hypothesis.legs
    generator = torch.Generator().manual_seed(4)
    extra = torch.randn(1, 1, 4, generator=generator, dtype=torch.float64) * 60
    extra[..., 0] = extra[..., 1:].norm(dim=-1)
    momenta = torch.cat((ttbar.momenta[:1, :legs], extra), dim=1)
    found = search(Problem(hypothesis, momenta), bounds=WIDE, at_most=2**14)
    orders = torch.tensor(list(permutations(range(legs + 1), legs)))
    every = Problem(hypothesis, momenta).value(orders[None])
    record_property("ln|M|²", f"{found.log_me2.tolist()}; of all {every.amax(dim=1).tolist()}")
    torch.testing.assert_close(found.log_me2, every.amax(dim=1), rtol=0, atol=SAME)
    assert found.certified.all()
    assert (found.calls >= len(orders)).all()  # bounds that say nothing


def test_a_prior_is_part_of_the_optimum(ttbar: EventBatch) -> None:
    hypothesis = Hypothesis("ttbar")
    momenta = ttbar.momenta[:5]
    prior = torch.randn(5, 6, 6, generator=torch.Generator().manual_seed(5), dtype=torch.float64) * 5
    orders = torch.tensor(list(permutations(range(6)))).expand(5, -1, -1)
    problem = Problem(hypothesis, momenta, prior)
    found = search(problem, bounds=Bounds(30.0, 30.0))
    every = Problem(hypothesis, momenta).value(orders) + problem.log_prior(orders)
    torch.testing.assert_close(found.log_me2, every.amax(dim=1), rtol=0, atol=SAME)


def test_candidates_are_all_and_in_order(ttbar: EventBatch) -> None:
    hypothesis = Hypothesis("ttbar")
    found = ranked_assignments(Problem(hypothesis, ttbar.momenta[:2]), at_most=720)
    assert all(len({tuple(row) for row in event.tolist()}) == 720 for event in found.objects)
    assert (found.score[:, 1:] <= found.score[:, :-1]).all()
    assert (found.following == -torch.inf).all()
    few = ranked_assignments(Problem(hypothesis, ttbar.momenta[:2]), at_most=20, splits=3)
    torch.testing.assert_close(few.score[:, :4], found.score[:, :4])
    assert (few.following >= found.score[:, few.score.shape[1]]).all()


def test_without_enough_calls_nothing_is_certified(ttbar: EventBatch) -> None:
    found = search(Problem(Hypothesis("ttbar"), ttbar.momenta[:5]), bounds=Bounds(torch.inf, torch.inf), at_most=16)
    assert not found.certified.any()
    assert found.log_me2.isfinite().all()


def test_processes_that_leave_massive_particles_are_refused() -> None:
    with pytest.raises(ConfigError, match="massless"):
        Hypothesis("g g > t t~")
    with pytest.raises(ConfigError, match="m_b=0"):
        replace(Hypothesis("ttbar"), model=StandardModel())
