"""The interface: shapes, precision, gradients, and what is refused."""

import math
import pickle
from dataclasses import replace

import pytest
import torch

from hepreco.amplitudes import MatrixElement, StandardModel
from hepreco.amplitudes.diagrams import build_graph, count_diagrams
from hepreco.errors import MomentaError, ProcessError
from hepreco.kinematics import boost

TT = "g g > t t~, (t > w+ b, w+ > u d~), (t~ > w- b~, w- > u~ d)"
WWUU = "u u > w+ w- u u QCD=0, w+ > u d~, w- > u~ d"


@pytest.fixture(scope="module")
def me():
    return MatrixElement(TT)


@pytest.fixture
def momenta(me, on_shell):
    return on_shell(me, energy=700.0, events=6)


def test_any_shape_of_batch(me, momenta):
    values = me(momenta)
    assert values.shape == (6,)
    assert values.dtype == torch.float64
    assert torch.equal(me(momenta.reshape(2, 3, 8, 4)), values.reshape(2, 3))
    torch.testing.assert_close(me(momenta[0]), values[0])
    assert me(momenta[0]).shape == ()
    assert me(momenta[:0]).shape == (0,)


def test_shapes_of_polarised_values(on_shell):
    me = MatrixElement(WWUU)
    momenta = on_shell(me, energy=700.0, events=6)
    values = me.polarised(momenta.reshape(2, 3, 8, 4))
    assert list(values) == ["LL", "LT", "TL", "TT"]
    for letters, value in me.polarised(momenta).items():
        assert torch.equal(values[letters], value.reshape(2, 3))


def test_events_do_not_see_each_other(me, momenta):
    together = me(momenta)
    for event, value in zip(momenta, together, strict=True):
        torch.testing.assert_close(me(event), value, rtol=1e-12, atol=0.0)


def test_logarithm(me, momenta):
    torch.testing.assert_close(me.log(momenta), me(momenta).log(), rtol=1e-12, atol=0.0)


def test_logarithm_where_the_square_underflows(on_shell):
    """Far above all masses, with a weak coupling, |M|² of fourteen legs is below 1e-308 GeV⁻²⁰."""
    model = StandardModel(alpha_s=1e-10)
    me = MatrixElement("g g > t t~ t t~ QED=0, (t > w+ b, w+ > u d~), (t~ > w- b~, w- > u~ d)", model=model)
    low, high = (on_shell(me, energy=energy, seed=3) for energy in (1e19, 1e20))
    # On-shell masses are below the rounding of such energies, and irrelevant.
    log = me.log(high)
    assert torch.isfinite(log).all()
    assert bool((log < math.log(1e-308)).all())
    assert torch.equal(me(high), torch.zeros(5, dtype=torch.float64))
    # Without scale |M|² goes like E^(8 − 2n).
    torch.testing.assert_close(log - me.log(low), torch.full_like(log, -20 * math.log(10)), rtol=1e-3, atol=0.0)


def test_single_precision(me, momenta):
    """Spinors in float32, invariants in float64: the error is that of the momenta themselves."""
    single = momenta.float()
    assert me.log(single).dtype == torch.float64
    torch.testing.assert_close(me.log(single), me.log(momenta), rtol=0.0, atol=2e-3)


def test_a_resonance_with_a_massless_mass_shell_of_its_own(on_shell):
    """An off-shell photon decays too."""
    me = MatrixElement("u u~ > a z, a > e- e+")
    assert bool((me(on_shell(me, energy=300.0)) > 0).all())


def test_a_resonance_of_one_chirality(on_shell):
    """A massless τ that decays: the limit of a light one."""
    process = "e- e+ > ta- ta+, ta- > vt e- ve~"
    massless = MatrixElement(process, model=StandardModel(m_tau=0.0))
    light = MatrixElement(process, model=StandardModel(m_tau=1e-4))
    momenta = on_shell(massless, energy=200.0)
    torch.testing.assert_close(light(momenta), massless(momenta), rtol=1e-6, atol=0.0)


def test_an_amplitude_without_momenta(on_shell):
    """Four Higgs bosons at one vertex: the same number for all events."""
    me = MatrixElement("h h > h h / h")
    coupling = 3 * me.model.m_h**2 / me.model.vev**2
    torch.testing.assert_close(
        me(on_shell(me, energy=400.0)), torch.full((5,), coupling**2 / 2, dtype=torch.float64), rtol=1e-12, atol=0.0
    )


@pytest.fixture
def forget():
    """Forgets the graphs of earlier tests, so that they are built again."""

    def clear():
        build_graph.cache_clear()
        count_diagrams.cache_clear()

    clear()
    return clear


def test_built_once_for_all_models_of_the_same_massless_particles(momenta, forget):
    models = [StandardModel(alpha_s=0.1), StandardModel(alpha_s=0.2), StandardModel(m_b=0.0)]
    for model in models:
        MatrixElement(TT, model=model)
    assert build_graph.cache_info().misses == 2
    again = [MatrixElement(TT, model=model)(momenta) for model in models[:2]]
    torch.testing.assert_close(again[1], 4 * again[0], rtol=1e-12, atol=0.0)


def test_built_whatever_the_defaults_are(momenta, forget):
    default = torch.get_default_dtype()
    with torch.device("meta"):
        me = MatrixElement("g g > t t~ h")
        assert me.diagrams == 8
    try:
        torch.set_default_dtype(torch.float16)
        other = MatrixElement(TT)
        values = other(momenta)
    finally:
        torch.set_default_dtype(default)
    forget()
    torch.testing.assert_close(MatrixElement(TT)(momenta), values, rtol=1e-12, atol=0.0)


def test_what_is_kept_from_inference_mode_serves_gradients(momenta, forget):
    with torch.inference_mode():
        me = MatrixElement(TT)
        me.sweep(momenta, torch.arange(6)[None].expand(3, -1))
        me(momenta)
    assignments = torch.tensor([[0, 1, 2, 3, 4, 5], [3, 1, 2, 0, 4, 5], [1, 0, 2, 3, 4, 5]])
    with torch.inference_mode():
        me.sweep(momenta, assignments)
    momenta.requires_grad_()
    for value in (me.log(momenta), me.sweep(momenta, assignments)):
        (gradient,) = torch.autograd.grad(value.sum(), momenta)
        assert torch.isfinite(gradient).all()


def test_pickled(me, momenta):
    copy = pickle.loads(pickle.dumps(me))
    assert copy.pdg_ids == me.pdg_ids
    assert torch.equal(copy(momenta), me(momenta))


def test_written_out(me):
    assert repr(me) == f"MatrixElement({TT!r})"


GRADIENT_STEP = 1e-4
GRADIENT_TOLERANCE = {"rtol": 1e-5, "atol": 1e-8}


def test_gradient_with_respect_to_momenta(me, momenta):
    """In a direction that keeps mass shells and balance."""

    def turned(angle):
        """The first top's products turned about the x axis of its rest frame."""
        top = momenta[:, 2:5].sum(dim=1, keepdim=True)
        velocity = top[..., 1:] / top[..., :1]
        energy, x, y, z = boost(momenta[:, 2:5], velocity=-velocity).unbind(-1)
        cos, sin = torch.cos(angle), torch.sin(angle)
        products = torch.stack((energy, x, cos * y - sin * z, sin * y + cos * z), dim=-1)
        return torch.cat((momenta[:, :2], boost(products, velocity=velocity), momenta[:, 5:]), dim=1)

    angle = torch.zeros((), dtype=torch.float64, requires_grad=True)
    (gradient,) = torch.autograd.grad(me.log(turned(angle)).sum(), angle)
    step = torch.tensor(GRADIENT_STEP, dtype=torch.float64)
    difference = (me.log(turned(step)) - me.log(turned(-step))).sum() / (2 * step)
    assert abs(float(gradient)) > 1e-3
    torch.testing.assert_close(gradient, difference, **GRADIENT_TOLERANCE)


@pytest.mark.parametrize("process", ["g g > t t~ z", "u d~ > w+ g", "u d~ > w+", "b b~ > h"])
def test_gradients_are_finite_along_the_beam_and_at_rest(process, on_shell):
    me = MatrixElement(process)
    (threshold,) = (
        [float(me.model.m_w if "w+" in process else me.model.m_h)] if process.endswith(("w+", "h")) else [600.0]
    )
    momenta = on_shell(me, energy=threshold).requires_grad_()
    (gradient,) = torch.autograd.grad(me.log(momenta).sum(), momenta)
    assert torch.isfinite(gradient).all()


@pytest.mark.parametrize("axis", [(1, 0, 0), (-1, 0, 0), (0, 1, 0), (0, -1, 0), (0, 0, 1), (0, 0, -1)])
@pytest.mark.parametrize("process", ["e- e+ > mu- mu+", "g g > u u~", "e- e+ > w+ w-"])
def test_gradients_with_legs_along_an_axis(process, axis, on_shell):
    """Turned about an axis across: no component of a spinor may lose its derivative where it vanishes."""
    me = MatrixElement(process)
    energy = float(on_shell(me, energy=300.0)[0, 2, 0])
    p = (energy**2 - float(me.model.mass(me.process.final[0])) ** 2) ** 0.5
    direction, across = (torch.tensor(v, dtype=torch.float64) for v in (axis, (*axis[1:], axis[0])))

    def turned(angle):
        final = p * (torch.cos(angle) * direction + torch.sin(angle) * across)
        unit = torch.ones(1, dtype=torch.float64)
        beam = torch.tensor([3.0, 4.0, 12.0], dtype=torch.float64) * energy / 13
        legs = ((energy * unit, beam), (energy * unit, -beam), (energy * unit, final), (energy * unit, -final))
        return torch.stack([torch.cat(leg) for leg in legs])

    angle = torch.zeros((), dtype=torch.float64, requires_grad=True)
    (gradient,) = torch.autograd.grad(me.log(turned(angle)), angle)
    step = torch.tensor(1e-5, dtype=torch.float64)
    difference = (me.log(turned(step)) - me.log(turned(-step))) / (2 * step)
    torch.testing.assert_close(gradient, difference, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize(
    "name",
    ["m_t", "m_b", "width_t", "width_w", "m_z", "alpha_inverse", "fermi_constant", "alpha_s"],
)
def test_gradient_with_respect_to_the_model(name, momenta):
    value = getattr(StandardModel(), name)
    parameter = torch.tensor(value, dtype=torch.float64, requires_grad=True)

    def log(x):
        return MatrixElement(TT, model=replace(StandardModel(), **{name: x})).log(momenta).sum()

    (gradient,) = torch.autograd.grad(log(parameter), parameter)
    # The momenta stay on the mass shell of the b within tolerance.
    step = 1e-6 * value
    difference = (log(value + step) - log(value - step)) / (2 * step)
    torch.testing.assert_close(gradient, difference, rtol=1e-4, atol=1e-10)


def test_gradient_through_a_sweep(me, momenta):
    model = StandardModel(m_t=torch.tensor(173.0, dtype=torch.float64, requires_grad=True))
    assignments = torch.tensor([[0, 1, 2, 3, 4, 5], [3, 1, 2, 0, 4, 5], [1, 0, 2, 3, 4, 5]])
    log = MatrixElement(TT, model=model).sweep(momenta, assignments)
    (gradient,) = torch.autograd.grad(log.sum(), model.m_t)
    shifted = [
        MatrixElement(TT, model=StandardModel(m_t=m)).sweep(momenta, assignments).sum() for m in (173.001, 172.999)
    ]
    torch.testing.assert_close(gradient, (shifted[0] - shifted[1]) / 0.002, rtol=1e-5, atol=0.0)


def broken(momenta, **changes):
    momenta = momenta.clone()
    for place, value in changes.items():
        event, leg, component = (int(x) for x in place.strip("_").split("_"))
        momenta[event, leg, component] = value
    return momenta


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda p: p[:, :7], r"shape \(6, 7, 4\), expected \(\.\.\., 8, 4\)"),
        (lambda p: p[..., :3], r"shape \(6, 8, 3\)"),
        (lambda p: p[0, 0], r"shape \(4,\)"),
        (lambda p: p.long(), "type torch.int64"),
        (lambda p: p.half(), "type torch.float16"),
        (lambda p: p.to(torch.complex128), "type torch.complex128"),
        (lambda p: broken(p, _2_3_1=math.nan), r"leg 3 \(d~\) of event 2 is not finite"),
        (lambda p: broken(p, _5_0_0=math.inf), r"leg 0 \(g\) of event 5 is not finite"),
        (lambda p: torch.cat((-p[:, :2], p[:, 2:]), dim=1), r"leg 0 \(g\) of event 0 has no positive energy"),
        (
            lambda p: broken(p, _1_4_0=1000.0),
            r"leg 4 \(b\) of event 1 is off its mass shell: mass .*, expected 4.7 GeV",
        ),
        (lambda p: broken(p, _1_2_0=0.1), r"leg 2 \(u\) of event 1 is off its mass shell: mass imaginary"),
        (
            lambda p: p[:, [0, 1, 4, 3, 2, 5, 6, 7]],
            r"leg 2 \(u\) of event 0 is off its mass shell: mass 4.7 GeV, expected 0",
        ),
        (lambda p: torch.cat((1.1 * p[:, :2], p[:, 2:]), dim=1), "event 0 is not balanced"),
        (lambda p: torch.cat((p[:, :2], 0.999 * p[:, 2:4], p[:, 4:]), dim=1), "event 0 is not balanced"),
    ],
)
def test_momenta_that_are_refused(me, momenta, change, message):
    for function in (me, me.log):
        with pytest.raises(MomentaError, match=message):
            function(change(momenta))


@pytest.mark.parametrize(
    ("assignments", "message"),
    [
        (torch.arange(6), r"shape \(6,\)"),
        (torch.arange(5)[None], r"shape \(1, 5\), expected \(assignment, 6\)"),
        (
            torch.tensor([[0, 1, 2, 3, 4, 5], [0, 0, 1, 2, 3, 4]]),
            r"assignment 1 is \[0, 0, 1, 2, 3, 4\], not a permutation",
        ),
        (torch.tensor([[2, 3, 4, 5, 6, 7]]), "not a permutation of 0 to 5"),
        (torch.tensor([[0.0, 1, 2, 3, 4, 5]]), "type torch.float32"),
    ],
)
def test_assignments_that_are_refused(me, momenta, assignments, message):
    with pytest.raises(MomentaError, match=message):
        me.sweep(momenta, assignments)


def test_a_sweep_refuses_other_masses_and_shapes(me, momenta):
    with pytest.raises(MomentaError, match=r"of event 0 is off its mass shell: mass 4\.7 GeV, expected 0 GeV"):
        MatrixElement(TT, model=StandardModel(m_b=0.0)).sweep(momenta, torch.arange(6)[None].expand(2, -1))
    with pytest.raises(MomentaError, match=r"give \(event, leg, 4\) for a sweep"):
        me.sweep(momenta[0], torch.arange(6)[None])


@pytest.mark.parametrize(
    ("process", "message"),
    [
        ("u d~ > w+ z", r"0 unpolarised w- in the production u d~ > w\+ z"),
        (TT, r"0 unpolarised w\+ in the production"),
        ("w+ w+ > w+ w+", r"2 unpolarised w\+"),
        ("e- e+ > w+{0} w-", r"0 unpolarised w\+"),
    ],
)
def test_polarised_needs_a_pair(process, message, on_shell):
    me = MatrixElement(process)
    with pytest.raises(ProcessError, match=message):
        me.polarised(on_shell(me, energy=1000.0))


@pytest.mark.parametrize("process", ["u d~ > w+{0}", "u d~ > w+{T}, w+ > e+ ve", "e- e+ > z{0}, z > mu- mu+"])
def test_a_boson_at_rest_has_no_helicity(process, on_shell):
    me = MatrixElement(process)
    mass = float(me.model.m_z if "z" in process else me.model.m_w)
    with pytest.raises(MomentaError, match="a polarised boson is at rest"):
        me(on_shell(me, energy=mass))


def test_collinear_beams_have_no_centre_of_mass():
    momenta = torch.tensor([[100, 0, 0, 100], [50, 0, 0, 50], [75, 0, 0, 75], [75, 0, 0, 75]], dtype=torch.float64)
    with pytest.raises(MomentaError, match="the incoming momenta of event 0 have no rest frame"):
        MatrixElement("e- e+ > mu- mu+")(momenta)


def test_polarised_needs_a_frame_that_it_knows(on_shell):
    me = MatrixElement("e- e+ > w+ w-")
    with pytest.raises(ProcessError, match="unknown frame 'lab'"):
        me.polarised(on_shell(me, energy=300.0), frame="lab")


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_on_a_gpu(me, momenta):
    torch.testing.assert_close(me.log(momenta.cuda()).cpu(), me.log(momenta), rtol=1e-9, atol=1e-9)
    assignments = torch.tensor([[0, 1, 2, 3, 4, 5], [3, 1, 2, 0, 4, 5]])
    torch.testing.assert_close(
        me.sweep(momenta.cuda(), assignments.cuda()).cpu(), me.sweep(momenta, assignments), rtol=1e-9, atol=1e-9
    )
