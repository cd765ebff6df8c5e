"""What must hold whatever the numbers are: Lorentz and gauge invariance, unitarity, exchange of identical particles."""

import math

import pytest
import torch

from hepreco.amplitudes import MatrixElement, StandardModel, states
from hepreco.kinematics import boost
from hepreco.testing import assert_invariant, boost_along_beam, rotation_about_beam

TT = "g g > t t~, (t > w+ b, w+ > u d~), (t~ > w- b~, w- > u~ d)"
WWUU = "u u > w+ w- u u QCD=0, w+ > u d~, w- > u~ d"

#: What gluon polarisations proportional to their momentum may leave, relative to the amplitude.
GAUGE_TOLERANCE = 1e-12


def general_boost(momenta):
    return boost(momenta, velocity=momenta.new_tensor([0.3, -0.5, 0.6]))


def rotation(momenta):
    """About an axis that is not the beam's."""
    matrix = torch.linalg.qr(torch.tensor([[1.0, 2, 3], [0, 1, 4], [5, 6, 0]], dtype=torch.float64)).Q
    return torch.cat((momenta[..., :1], momenta[..., 1:] @ (matrix * torch.linalg.det(matrix))), dim=-1)


@pytest.mark.parametrize("process", ["g g > t t~ z", "u d~ > w+ a g", TT, WWUU, "u u~ > z{0} h, z > e- e+"])
@pytest.mark.parametrize("transformation", [general_boost, rotation, boost_along_beam(2.0), rotation_about_beam(1.0)])
def test_lorentz_invariance(process, transformation, on_shell):
    me = MatrixElement(process)
    assert_invariant(me, on_shell(me, energy=900.0), transformation, rtol=1e-9, atol=0.0)


def test_polarised_amplitudes_depend_on_the_frame_and_not_on_its_orientation(on_shell):
    me = MatrixElement(WWUU)
    momenta = on_shell(me, energy=900.0)
    partonic, ww = me.polarised(momenta), me.polarised(momenta, frame="ww")
    rotated = me.polarised(rotation(momenta))
    for letters in ("LL", "LT", "TL", "TT"):
        torch.testing.assert_close(rotated[letters], partonic[letters], rtol=1e-8, atol=0.0)
        assert not torch.allclose(ww[letters], partonic[letters], rtol=1e-2, atol=0.0)


def test_frames_agree_where_they_are_the_same(on_shell):
    """Without other particles the W pair's rest frame is the partonic one."""
    me = MatrixElement("e- e+ > w+ w-")
    momenta = on_shell(me, energy=300.0)
    partonic, ww = me.polarised(momenta), me.polarised(momenta, frame="ww")
    for letters, value in partonic.items():
        torch.testing.assert_close(ww[letters], value, rtol=1e-9, atol=0.0)
    # On their mass shells the helicities of external bosons do not interfere.
    torch.testing.assert_close(sum(partonic.values()), me(momenta), rtol=1e-10, atol=0.0)


def longitudinal_for_the_first(momenta_to_vectors):
    """Replace the polarisations of the first massless vector that is asked for by its momentum."""
    calls = []

    def replaced(momentum):
        calls.append(momentum)
        return torch.stack((momentum, 0 * momentum)) if len(calls) == 1 else momenta_to_vectors(momentum)

    return replaced


@pytest.mark.parametrize(
    "process",
    [
        "g g > t t~", "g g > t t~ g", "g g > t t~ h", "g g > t t~ w+ w-", "g g > t t~ t t~ QED=0", "g g > g g g",
        "g u > u w+ w-", "a e- > e- w+ w-", "a a > w+ w- z", "a a > w+ w- h", "a w+ > w+ z h",
    ],
)  # fmt: skip
def test_gauge_invariance(process, stable, on_shell, monkeypatch):
    """A gluon or photon polarised along its momentum decouples; with widths it would not, quite."""
    me = MatrixElement(process, model=stable)
    momenta = on_shell(me, energy=1200.0)
    typical = (
        me(momenta) * (momenta[:, 0, 0] / 100.0) ** 2
    )  # polarisations of the size of the momentum, in units inside
    monkeypatch.setattr("hepreco.amplitudes.matrix_element.is_covered", lambda *_: False)  # compiled before
    monkeypatch.setattr(states, "transverse_vectors", longitudinal_for_the_first(states.transverse_vectors))
    assert float((me(momenta) / typical).abs().max()) < GAUGE_TOLERANCE**2 * 1e4
    monkeypatch.undo()
    assert float(me(momenta).min()) > 0


def test_the_gauge_test_can_fail(on_shell, monkeypatch):
    """With the width of the top the Ward identity is broken."""
    me = MatrixElement("g g > t t~ h", model=StandardModel(width_t=100.0))
    momenta = on_shell(me, energy=1200.0)
    typical = me(momenta) * (momenta[:, 0, 0] / 100.0) ** 2
    monkeypatch.setattr("hepreco.amplitudes.matrix_element.is_covered", lambda *_: False)  # compiled before
    monkeypatch.setattr(states, "transverse_vectors", longitudinal_for_the_first(states.transverse_vectors))
    assert float((me(momenta) / typical).max()) > 1e-6


@pytest.mark.parametrize(
    "process",
    [
        "w+ w- > w+ w-", "w+ w+ > w+ w+", "w+ w- > z z", "w+ z > w+ z", "z z > z z", "w+ w- > a z", "w+ w- > h h",
        "z z > h h", "w+ w- > z h", "t t~ > w+ w-", "t t~ > z z", "t t~ > z h", "t b~ > w+ z", "t b~ > w+ h",
        "u u~ > w+ w-",
    ],
)  # fmt: skip
def test_unitarity(process, stable, on_shell):
    """What grows like E⁴ or E² in each diagram stays bounded in the sum."""
    me = MatrixElement(process, model=stable)
    low, high = (me(on_shell(me, energy=energy)) for energy in (8e3, 32e3))
    torch.testing.assert_close(high, low, rtol=0.06, atol=0.0)


def test_unitarity_needs_the_higgs(stable, on_shell):
    """Without it w+ w- > z z grows like E², |M|² like E⁴: the test above can fail."""
    me = MatrixElement("w+ w- > z z / h", model=stable)
    low, high = (float(me(on_shell(me, energy=energy)).mean()) for energy in (8e3, 32e3))
    assert high / low == pytest.approx(4**4, rel=0.05)


@pytest.mark.parametrize(
    ("process", "swap"),
    [
        ("g g > g g g", (2, 3, 4)), ("u u > w+ w- u u QCD=0", (4, 5)), ("u u > w+ w- u u QCD=0", (0, 1)),
        ("g g > t t~ t t~ QED=0", (2, 4)), ("e- e+ > e- e+ e- e+", (3, 5)), ("z z > h h", (2, 3)),
    ],
)  # fmt: skip
def test_exchange_of_identical_particles(process, swap, on_shell):
    me = MatrixElement(process)
    momenta = on_shell(me, energy=900.0)
    exchanged = momenta.clone()
    exchanged[:, swap] = momenta[:, swap[1:] + swap[:1]]
    torch.testing.assert_close(me(exchanged), me(momenta), rtol=1e-9, atol=0.0)


def test_exchange_of_resonances_that_decay_alike(on_shell):
    me = MatrixElement("g g > t t~ t t~ QED=0, (t > w+ b, w+ > u d~), (t~ > w- b~, w- > u~ d)")
    momenta = on_shell(me, energy=1500.0)
    tops = [0, 1, *range(8, 11), *range(5, 8), *range(2, 5), *range(11, 14)]
    torch.testing.assert_close(me(momenta[:, tops]), me(momenta), rtol=1e-10, atol=0.0)


def test_charge_conjugation_and_parity(on_shell):
    """CP: a process at some momenta is that of the antiparticles at the mirrored ones."""
    one, other = MatrixElement("u d~ > e+ ve a"), MatrixElement("u~ d > e- ve~ a")
    momenta = on_shell(one, energy=300.0)
    mirrored = momenta * torch.tensor([1.0, -1.0, -1.0, -1.0])
    torch.testing.assert_close(other(mirrored), one(momenta), rtol=1e-10, atol=0.0)
    # Widths make a phase, and with it a small difference without the mirror: the test above can fail.
    assert not torch.allclose(other(momenta), one(momenta), rtol=1e-10, atol=0.0)


def test_scaling_with_the_strong_coupling(on_shell):
    weak, strong = (MatrixElement("g g > t t~ t t~ QED=0", model=StandardModel(alpha_s=a)) for a in (0.1, 0.2))
    momenta = on_shell(weak, energy=1500.0)
    torch.testing.assert_close(strong(momenta) / weak(momenta), torch.full((5,), 2.0**4, dtype=torch.float64))


def test_narrow_width(on_shell):
    """|M|² of a resonance falls like its Breit-Wigner shape, whatever else is in the event."""
    momenta = None
    values = []
    for width in (1.0, 2.0):
        me = MatrixElement("u d~ > w+, w+ > e+ ve", model=StandardModel(width_w=width))
        momenta = on_shell(me, energy=me.model.m_w) if momenta is None else momenta
        values.append(me(momenta))
    torch.testing.assert_close(values[0] / values[1], torch.full((5,), 4.0, dtype=torch.float64))
    assert math.isfinite(float(values[0][0]))
