"""Sweeps: many assignments of one event, sharing what they have in common."""

import itertools
from dataclasses import replace

import pytest
import torch

from hepreco.amplitudes import MatrixElement, StandardModel

DECAYS = "(t > w+ b, w+ > u d~), (t~ > w- b~, w- > u~ d)"
TT = f"g g > t t~, {DECAYS}"
TTW = f"u d~ > t t~ w+, {DECAYS}, w+ > u d~"
TTTT = f"g g > t t~ t t~ QED=0, {DECAYS}"
WWUU = "u u > w+ w- u u QCD=0, w+ > u d~, w- > u~ d"
DEFAULT, MASSLESS = StandardModel(), StandardModel(m_b=0.0)

#: In ln|M|².
TOLERANCE = 1e-9


def mass_shell_permutations(me, *, most):
    """Permutations that put every momentum on a leg of its own mass: all, or some of them."""
    masses = torch.tensor([float(getattr(me.model, p.mass)) if p.mass else 0.0 for p in me.process.final])
    legs = len(masses)
    if legs <= 6:
        everything = torch.tensor(list(itertools.permutations(range(legs))))
    else:
        generator = torch.Generator().manual_seed(1)
        everything = torch.stack([torch.randperm(legs, generator=generator) for _ in range(100 * most)])
    return everything[(masses[everything] == masses).all(dim=1)][:most]


def permuted(momenta, assignments):
    """(event, assignment, leg, 4), written out."""
    final = momenta[:, 2:][:, assignments]
    return torch.cat((momenta[:, None, :2].expand(-1, len(assignments), -1, -1), final), dim=2)


@pytest.mark.parametrize(
    ("process", "model", "most"),
    [
        (TT, MASSLESS, 720),
        (TT, DEFAULT, 720),
        (WWUU, DEFAULT, 720),
        (TTW, MASSLESS, 400),
        (TTTT, MASSLESS, 50),
        # Three-body decays, decays of scalars with several states, in any order; nested resonances.
        ("g g > t t~, t > b u d~, t~ > b~ e- ve~", MASSLESS, 720),
        ("g g > t t~ h, (t > w+ b, w+ > u d~), h > ta- ta+", DEFAULT, 100),
        ("u u~ > t~ h t, (t > w+ b, w+ > u d~), h > b b~", DEFAULT, 100),
        ("g g > t t~ h, (t > w+ b, w+ > u d~), h > b b~", replace(MASSLESS, m_b_yukawa=4.7), 200),
        ("u u~ > z z, z > e- e+, z > b b~", DEFAULT, 24),
        ("u u~ > z h, z > u u~, (h > w+ w-, w+ > u d~, w- > u~ d)", DEFAULT, 720),
        ("u u~ > h z, (h > z z, z > b b~), z > u u~", MASSLESS, 720),
        ("e- e+ > h h z, h > b b~, z > u u~", DEFAULT, 720),
        ("u d~ > w+{T} z, w+ > c s~, z > d d~", DEFAULT, 24),
        ("g g > g g g", DEFAULT, 6),
    ],
)
def test_a_sweep_is_the_matrix_element_at_permuted_momenta(process, model, most, on_shell):
    me = MatrixElement(process, model=model)
    momenta = on_shell(me, energy=1500.0, events=3)
    assignments = mass_shell_permutations(me, most=most)
    assert len(assignments) > 1
    expected = me.log(permuted(momenta, assignments))
    torch.testing.assert_close(me.sweep(momenta, assignments), expected, rtol=0.0, atol=TOLERANCE)


@pytest.mark.parametrize("process", [TT, TTW, WWUU])
def test_other_masses_are_handled_alike(process, on_shell):
    """A sweep may put a b on a light leg; an assignment means the same in any list of them."""
    me = MatrixElement(process)
    momenta = on_shell(me, energy=1500.0, events=2)
    assignments = mass_shell_permutations(MatrixElement(process, model=MASSLESS), most=300)
    together = me.sweep(momenta, assignments)
    alone = torch.cat([me.sweep(momenta, row[None].expand(2, -1)) for row in assignments[::40]], dim=1)
    assert torch.isfinite(together).all()
    torch.testing.assert_close(alone[:, ::2], together[:, ::40], rtol=0.0, atol=TOLERANCE)


def test_assignments_may_repeat_and_come_in_any_order(on_shell):
    me = MatrixElement(TT, model=MASSLESS)
    momenta = on_shell(me, energy=800.0)
    assignments = mass_shell_permutations(me, most=720)
    order = torch.randint(720, (50,), generator=torch.Generator().manual_seed(2))
    everything = me.sweep(momenta, assignments)
    torch.testing.assert_close(me.sweep(momenta, assignments[order]), everything[:, order], rtol=0.0, atol=TOLERANCE)
    torch.testing.assert_close(me.sweep(momenta, assignments[:1]), everything[:, :1], rtol=0.0, atol=TOLERANCE)


@pytest.mark.parametrize("rows", [1, 2])
def test_momenta_may_be_stored_in_any_order(rows, on_shell):
    """The assignment says which momentum stands on which leg; each must fit some leg."""
    me = MatrixElement(TT)
    momenta = on_shell(me, energy=800.0)
    order = torch.tensor([2, 1, 0, 3, 4, 5])
    stored = torch.cat((momenta[:, :2], momenta[:, 2:][:, order]), dim=1)
    back = [order.argsort().tolist()] * rows
    expected = me.log(momenta)[:, None].expand(-1, rows)
    torch.testing.assert_close(me.sweep(stored, back), expected, rtol=0.0, atol=TOLERANCE)


def test_the_order_of_identical_legs_does_not_matter(on_shell):
    me = MatrixElement(WWUU)
    momenta = on_shell(me, energy=900.0)
    one, other = me.sweep(momenta, torch.tensor([[0, 1, 2, 3, 4, 5], [0, 1, 2, 3, 5, 4]])).unbind(1)
    assert torch.equal(one, other)


def test_chunks_and_blocks_do_not_matter(on_shell, monkeypatch):
    me = MatrixElement(TTTT, model=MASSLESS)
    momenta = on_shell(me, energy=1500.0, events=7)
    assignments = mass_shell_permutations(me, most=40)
    whole = me.sweep(momenta, assignments)
    monkeypatch.setattr("hepreco.amplitudes.matrix_element._BLOCK", 1)
    monkeypatch.setattr("hepreco.amplitudes.matrix_element._MOST", 300)
    torch.testing.assert_close(me.sweep(momenta, assignments), whole, rtol=0.0, atol=TOLERANCE)
    torch.testing.assert_close(me(momenta).log(), me.log(momenta), rtol=0.0, atol=TOLERANCE)


def test_empty_lists(on_shell):
    me = MatrixElement(TT)
    momenta = on_shell(me, energy=800.0)
    assert me.sweep(momenta[:0], torch.arange(6)[None]).shape == (0, 1)
    assert me.sweep(momenta, torch.zeros(0, 6, dtype=torch.int64)).shape == (5, 0)
