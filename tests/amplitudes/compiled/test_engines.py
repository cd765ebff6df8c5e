"""The compiled engine against the tensor code that it is compiled from."""

import itertools
import math
import threading

import pytest
import torch

from hepreco.amplitudes import MatrixElement, StandardModel
from hepreco.amplitudes.compiled import cache, is_covered

DECAYS = "(t > w+ b, w+ > u d~), (t~ > w- b~, w- > u~ d)"
TT = f"g g > t t~, {DECAYS}"
WWUU = "u u > w+ w- u u QCD=0, w+ > u d~, w- > u~ d"
MASSLESS = StandardModel(m_b=0.0)
PROCESSES = [
    ("g g > t t~", StandardModel()),
    ("g g > g g g", StandardModel()),
    ("u u~ > t t~ b b~", StandardModel()),
    ("t > w+ b", StandardModel()),
    ("h > b b~", StandardModel(m_b=0.0, m_b_yukawa=4.7)),
    ("e- e+ > w+ w- z", StandardModel()),
    ("w+ w- > h h", StandardModel()),
    ("u d~ > w+{T} z, w+ > c s~, z > d d~", StandardModel()),
    ("u d~ > w+{0} z", StandardModel()),
    ("e- e+ > ta- ta+, ta- > vt e- ve~", StandardModel()),
    ("g g > t t~, t > b u d~, t~ > b~ e- ve~", MASSLESS),
    ("u u~ > z h, z > u u~, (h > w+ w-, w+ > u d~, w- > u~ d)", StandardModel()),
    (TT, StandardModel()),
    (TT, MASSLESS),
]
#: Of |M|², relative; or the deviation of the tensor code from itself under a rotation, if that is larger.
TOLERANCE = 1e-10


@pytest.fixture
def eager(monkeypatch):
    """Evaluates a function by tensor code."""

    def evaluate(function, *arguments, **options):
        with monkeypatch.context() as patch:
            patch.setattr("hepreco.amplitudes.matrix_element.is_covered", lambda *_: False)
            return function(*arguments, **options)

    return evaluate


def rotated(momenta, angle=0.7):
    """Momenta turned about the beam."""
    turn = torch.eye(4, dtype=momenta.dtype)
    turn[1, 1] = turn[2, 2] = math.cos(angle)
    turn[1, 2], turn[2, 1] = -math.sin(angle), math.sin(angle)
    return momenta @ turn.T


@pytest.mark.parametrize(("process", "model"), PROCESSES)
def test_both_agree(process, model, eager, on_shell):
    me = MatrixElement(process, model=model)
    momenta = on_shell(me, energy=float(model.m_t if process[0] == "t" else model.m_h if process[0] == "h" else 900.0))
    found, expected = me(momenta), eager(me, momenta)
    noise = float((eager(me, rotated(momenta)) / expected - 1).abs().max())
    torch.testing.assert_close(found, expected, rtol=max(TOLERANCE, 2 * noise), atol=0.0)
    torch.testing.assert_close(me.log(momenta), found.log(), rtol=0.0, atol=TOLERANCE)


@pytest.mark.parametrize(("process", "model", "kept"), [(TT, MASSLESS, 720), (TT, StandardModel(), 100)])
def test_both_sweep_alike(process, model, kept, eager, on_shell):
    me = MatrixElement(process, model=model)
    momenta = on_shell(me, energy=900.0)
    assignments = torch.tensor(list(itertools.permutations(range(6))))[:kept]
    found, expected = me.sweep(momenta, assignments), eager(me.sweep, momenta, assignments)
    noise = float((eager(me.sweep, rotated(momenta), assignments) - expected).abs().max())
    torch.testing.assert_close(found, expected, rtol=0.0, atol=max(TOLERANCE, 2 * noise))


@pytest.mark.parametrize("frame", ["partonic", "ww"])
def test_both_polarise_alike(frame, eager, on_shell):
    me = MatrixElement("u u~ > w+ w-, w+ > u d~, w- > u~ d")
    momenta = on_shell(me, energy=900.0)
    found, expected = (
        call(momenta, frame=frame) for call in (me.polarised, lambda *a, **o: eager(me.polarised, *a, **o))
    )
    for letters, values in expected.items():
        torch.testing.assert_close(found[letters], values, rtol=1e-9, atol=0.0)


@pytest.mark.parametrize("events", [1, 2, 7, 13])
def test_an_event_does_not_know_its_place(events, on_shell):
    """To the last bit: bins must not depend on chunks."""
    me = MatrixElement(TT)
    momenta = on_shell(me, energy=900.0, events=13)
    assignments = torch.tensor([[0, 1, 2, 3, 4, 5], [1, 0, 2, 3, 4, 5], [3, 1, 2, 0, 4, 5]])
    for evaluate in (me, me.log, lambda p: me.sweep(p, assignments)):
        parts = [evaluate(some) for some in momenta.split(events)]
        assert torch.equal(torch.cat(parts), evaluate(momenta))


def test_blocks_of_assignments_do_not_matter(on_shell, monkeypatch):
    momenta = on_shell(MatrixElement(TT), energy=900.0)
    assignments = torch.tensor(list(itertools.permutations(range(6))))[::10]
    expected = MatrixElement(TT).sweep(momenta, assignments)
    monkeypatch.setattr("hepreco.amplitudes.compiled.runs._MOST", 2**16)
    found = MatrixElement(TT).sweep(momenta, assignments)
    torch.testing.assert_close(found, expected, rtol=0.0, atol=TOLERANCE)


def test_parameters_are_not_compiled_in(eager, on_shell):
    first, second = (MatrixElement("g g > t t~ h", model=StandardModel(m_t=m_t, alpha_s=0.1)) for m_t in (170.0, 175.0))
    cache.load_engine.cache_clear()
    for me in (first, second):
        momenta = on_shell(me, energy=900.0)
        torch.testing.assert_close(me(momenta), eager(me, momenta), rtol=TOLERANCE, atol=0.0)
    assert cache.load_engine.cache_info().misses == 1


def test_single_precision_is_checked_as_such(on_shell):
    me = MatrixElement("g g > t t~")
    momenta = on_shell(me, energy=900.0)
    torch.testing.assert_close(me(momenta.float()), me(momenta), rtol=1e-4, atol=0.0)


def test_threads_do_not_meet(on_shell):
    me = MatrixElement(TT)
    momenta = on_shell(me, energy=900.0, events=200)
    expected, found = me(momenta), {}
    threads = [threading.Thread(target=lambda i=i: found.update({i: me(momenta)})) for i in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all(torch.equal(found[i], expected) for i in range(4))


def test_the_callers_settings_do_not_matter(on_shell):
    me = MatrixElement("e- e+ > mu- mu+ z")
    momenta = on_shell(me, energy=500.0)
    expected = me(momenta)
    cache.load_engine.cache_clear()
    torch.set_default_dtype(torch.float16)
    try:
        with torch.device("meta"), torch.inference_mode():
            assert torch.equal(MatrixElement("e- e+ > mu- mu+ z")(momenta), expected)
    finally:
        torch.set_default_dtype(torch.float32)


def test_what_is_not_covered(on_shell):
    me = MatrixElement("g g > t t~")
    momenta = on_shell(me, energy=900.0)
    seen = []

    def look(p):
        seen.append(is_covered(p, me.model))
        return p.sum()

    assert is_covered(momenta, me.model)
    assert not is_covered(momenta, StandardModel(m_t=torch.tensor(170.0)))
    assert not is_covered(momenta.clone().requires_grad_(), me.model)
    with torch.no_grad():
        assert is_covered(momenta.clone().requires_grad_(), me.model)
    torch.func.vmap(look)(momenta)
    torch.func.jvp(look, (momenta,), (momenta,))
    torch.func.grad(look)(momenta)
    assert seen == [False] * 3
