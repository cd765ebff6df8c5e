"""Two neutrinos: against true ones, against their equations, and against a numerical search for roots."""

from pathlib import Path
from typing import get_args

import pytest
import torch
from scipy.optimize import fsolve
from torch import Tensor

from hepreco.conventions import TOP_MASS, W_MASS
from hepreco.formats.records import PartonEvents, join
from hepreco.generation import Sample
from hepreco.generation.hard.sampler import IntegrationBudget
from hepreco.generation.samples import produce
from hepreco.kinematics import (
    NoSolution,
    mass,
    mass_squared,
    neutrino_ellipse,
    neutrino_family,
    neutrino_pair_log_density,
    neutrino_pair_solutions,
)

#: Relative to the energies of the neutrinos.
SAME = 1e-6
QUICK = IntegrationBudget(iterations=2, points=5000, last=10_000)


@pytest.fixture(scope="module")
def truth(tmp_path_factory: pytest.TempPathFactory) -> tuple[Tensor, Tensor, Tensor]:
    """b quarks, leptons and neutrinos of generated events, (event, side, 4)."""
    directory: Path = tmp_path_factory.mktemp("dilepton")
    events = join(list(produce(Sample("ttbar-dilepton", 400, seed=9, budget=QUICK), directory).blocks(1000)))
    return tuple(_of_sides(events, numbers) for numbers in ((5,), (-11, -13), (12, 14)))


def _of_sides(events: PartonEvents, numbers: tuple[int, ...]) -> Tensor:
    """The momentum of the particle with one of these numbers, then of that with one of their opposites."""
    sides = [torch.isin(events.pdg_id, sign * torch.tensor(numbers)) & (events.status == 1) for sign in (1, -1)]
    return torch.stack([events.momenta[chosen] for chosen in sides], dim=1)


def equations(b: Tensor, lepton: Tensor, neutrino: Tensor) -> Tensor:
    """m_W and m_t of both sides, and both components of the missing momentum."""
    w = mass(lepton + neutrino)
    return torch.cat((w, mass(lepton + neutrino + b), neutrino.sum(dim=-2)[..., 1:3]), dim=-1)


def test_the_true_neutrinos_are_among_the_solutions(truth: tuple[Tensor, Tensor, Tensor]) -> None:
    b, lepton, neutrino = truth
    w_mass, top_mass = mass(lepton + neutrino), mass(lepton + neutrino + b)
    missing = neutrino.sum(dim=1)[:, 1:3]
    found = neutrino_pair_solutions(b, lepton, missing, top_mass=top_mass, w_mass=w_mass, no_solution="none")
    off = (found - neutrino[:, None]).abs().amax(dim=(2, 3)).nan_to_num(torch.inf).amin(dim=1)
    assert (off < SAME * neutrino[..., 0].amax(dim=1)).all()
    count = found[:, :, 0, 0].isfinite().sum(dim=1)
    assert set(count.tolist()) == {2, 4}
    assert (found[:, :, 0, 0].isfinite() == (torch.arange(4) < count[:, None])).all()


def test_solutions_satisfy_all_six_equations(truth: tuple[Tensor, Tensor, Tensor]) -> None:
    b, lepton, neutrino = truth
    missing = neutrino.sum(dim=1)[:, 1:3] + 10
    found = neutrino_pair_solutions(b, lepton, missing, top_mass=TOP_MASS, w_mass=W_MASS, no_solution="none")
    event, solution = found[:, :, 0, 0].isfinite().nonzero(as_tuple=True)
    assert len(event) > 400
    pair = found[event, solution]
    expected = torch.cat((torch.tensor([W_MASS] * 2 + [TOP_MASS] * 2).expand(len(event), 4), missing[event]), dim=1)
    torch.testing.assert_close(equations(b[event], lepton[event], pair), expected, rtol=SAME, atol=SAME)
    torch.testing.assert_close(pair[..., 0], pair[..., 1:].norm(dim=-1), rtol=SAME, atol=0)
    distance = (found[:, :, None] - found[:, None]).abs().amax(dim=(3, 4)) + 1e9 * torch.eye(4)
    assert (distance[distance.isfinite()] > SAME).all()  # none is found twice


def test_a_numerical_search_finds_the_same_solutions(truth: tuple[Tensor, Tensor, Tensor]) -> None:
    """Powell's method on all six equations, from random momenta."""
    b, lepton, neutrino = truth
    missing = neutrino.sum(dim=1)[:, 1:3] + 10
    found = neutrino_pair_solutions(b, lepton, missing, top_mass=TOP_MASS, w_mass=W_MASS, no_solution="none")
    counts = found[:, :, 0, 0].isfinite().sum(dim=1)
    generator = torch.Generator().manual_seed(1)
    for event in torch.cat([(counts == number).nonzero()[:2, 0] for number in (0, 2, 4)]).tolist():
        roots: list[Tensor] = []
        for start in 150 * torch.randn(80, 6, generator=generator, dtype=torch.float64):

            def off(p: object, event: int = event) -> Tensor:
                spatial = torch.as_tensor(p).reshape(2, 3)
                pair = torch.cat((spatial.norm(dim=1, keepdim=True), spatial), dim=1)
                squares = torch.cat(
                    [
                        mass_squared(lepton[event] + pair) - W_MASS**2,
                        mass_squared(lepton[event] + pair + b[event]) - TOP_MASS**2,
                    ]
                )
                return torch.cat((squares / 100, pair.sum(dim=0)[1:3] - missing[event]))

            root, _, status, _ = fsolve(off, start, full_output=True)
            root = torch.from_numpy(root)
            if status == 1 and off(root).abs().max() < 1e-6 and all((root - x).norm() > 0.01 for x in roots):
                roots.append(root)
        assert len(roots) == counts[event]
        for root in roots:
            assert ((found[event, :, :, 1:].flatten(1) - root).norm(dim=1) < 1e-3).sum() == 1


def test_the_nearest_pair_is_on_all_poles(truth: tuple[Tensor, Tensor, Tensor]) -> None:
    b, lepton, neutrino = truth
    missing = neutrino.sum(dim=1)[:, 1:3] + 10
    none, nearest = (
        neutrino_pair_solutions(b, lepton, missing, top_mass=TOP_MASS, w_mass=W_MASS, no_solution=choice)
        for choice in get_args(NoSolution)
    )
    has_none = none[:, 0, 0, 0].isnan()
    torch.testing.assert_close(nearest[~has_none], none[~has_none], equal_nan=True)
    ellipses = neutrino_ellipse(b, lepton, top_mass=TOP_MASS, w_mass=W_MASS)
    alone = has_none & ellipses.isfinite().flatten(1).all(dim=1)
    assert nearest[has_none & ~alone].isnan().all()
    assert alone.sum() > 20
    assert nearest[alone, 1:].isnan().all()
    pair = nearest[alone, 0]
    torch.testing.assert_close(mass(pair + lepton[alone]), torch.full_like(pair[..., 0], W_MASS), rtol=SAME, atol=0)
    torch.testing.assert_close(
        mass(pair + lepton[alone] + b[alone]), torch.full_like(pair[..., 0], TOP_MASS), rtol=SAME, atol=0
    )
    t = torch.linspace(0, 2 * torch.pi, 201, dtype=torch.float64)
    circle = torch.stack((t.cos(), t.sin(), torch.ones_like(t)))
    one, other = (ellipses[alone, :, 1:3] @ circle).unbind(dim=1)
    gap = one[..., :, None] + other[..., None, :] - missing[alone][:, :, None, None]
    scanned = gap.norm(dim=1).amin(dim=(1, 2))
    found = (pair.sum(dim=1)[:, 1:3] - missing[alone]).norm(dim=1)
    assert (found < scanned + SAME).double().mean() > 0.97
    assert (found < scanned + 1).all()  # of two minima not always the smaller


def jacobian(b: Tensor, lepton: Tensor, neutrino: Tensor, *, last: int) -> Tensor:
    """∏ 2E |∂(squared masses, missing momentum)/∂(p₁, p₂)|; without the last mass, p_x of the first is in its place."""

    def quantities(p: Tensor) -> Tensor:
        pair = torch.cat((p.norm(dim=1, keepdim=True), p), dim=1)
        squares = [mass_squared(lepton + pair), mass_squared(lepton + pair + b)[:last]]
        return torch.cat((*squares, pair.sum(dim=0)[1:3], *(() if last == 2 else (p[0, :1],))))

    matrix = torch.autograd.functional.jacobian(quantities, neutrino[:, 1:]).reshape(6, 6)
    return 4 * neutrino[:, 0].prod() * torch.linalg.det(matrix).abs()


def test_weights_are_those_of_phase_space(truth: tuple[Tensor, Tensor, Tensor]) -> None:
    for b, lepton, neutrino in zip(*(x[:20] for x in truth), strict=True):
        found = neutrino_pair_log_density(b, lepton, neutrino).exp()
        torch.testing.assert_close(found, 1 / jacobian(b, lepton, neutrino, last=2), rtol=1e-6, atol=0)


def test_a_family_has_both_w_and_one_top_on_their_poles(truth: tuple[Tensor, Tensor, Tensor]) -> None:
    b, leptons, neutrino = (x[:50] for x in truth)
    missing = neutrino.sum(dim=1)[:, 1:3]
    found, log_weight = neutrino_family(b[:, 0], leptons, missing, top_mass=TOP_MASS, w_mass=W_MASS, points=16)
    exists = log_weight.isfinite()
    misses = (found.sum(dim=3)[..., 1:3] - missing[:, None, None]).norm(dim=-1) > SAME
    assert torch.equal(exists, ~misses)
    assert found.isfinite().all()
    assert 0.2 < exists.double().mean() < 0.9
    event, point, _ = exists.nonzero(as_tuple=True)
    pair = found[exists]
    w = mass(found + leptons[:, None, None])
    torch.testing.assert_close(w, torch.full_like(w, W_MASS), rtol=SAME, atol=0)
    top = mass(pair[:, 0] + leptons[event, 0] + b[event, 0])
    torch.testing.assert_close(top, torch.full_like(top, TOP_MASS), rtol=SAME, atol=0)
    torch.testing.assert_close(pair.sum(dim=1)[:, 1:3], missing[event])
    ellipse = neutrino_ellipse(b[:, 0], leptons[:, 0], top_mass=TOP_MASS, w_mass=W_MASS)
    t = 2 * torch.pi * point / 16
    slope = ellipse[event, 1, 1] * t.cos() - ellipse[event, 1, 0] * t.sin()  # of p_x by the angle
    for row in range(0, len(event), 40):
        here = jacobian(b[event[row]], leptons[event[row]], pair[row], last=1)
        expected = 2 * torch.pi / 16 * slope[row].abs() / here
        torch.testing.assert_close(log_weight[exists][row].exp(), expected, rtol=1e-6, atol=0)


def test_momenta_that_cannot_be_have_no_solution(truth: tuple[Tensor, Tensor, Tensor]) -> None:
    b, lepton, neutrino = (x[:5].clone() for x in truth)
    missing = neutrino.sum(dim=1)[:, 1:3]
    b[0, 0] = torch.nan
    lepton[1, 1] = 0.0
    missing[2, 0] = torch.inf
    b[3] *= 100  # too heavy with its lepton
    found = neutrino_pair_solutions(b, lepton, missing, top_mass=TOP_MASS, w_mass=W_MASS, no_solution="nearest")
    assert found[:4].isnan().all()
    assert found[4, 0].isfinite().all()
    none = neutrino_pair_solutions(b[:0], lepton[:0], missing[:0], top_mass=1.0, w_mass=1.0, no_solution="nearest")
    assert none.shape == (0, 4, 2, 4)
