import numpy as np
import pytest

from hepreco.inference.shifts import Shift, combined, smoothed, symmetrised

NOMINAL = np.array([100.0, 50.0, 20.0, 10.0])
MEMBERS = NOMINAL * np.array([[1.1, 1.0, 0.9, 1.2], [0.95, 1.0, 1.3, 0.7], [1.02, 0.8, 1.0, 1.0], [0.9, 1.1, 1.1, 1.1]])


def test_an_envelope_holds_every_member_and_the_nominal_bins():
    shift = combined(MEMBERS, NOMINAL, how="envelope")
    for bins in (*MEMBERS, NOMINAL):
        assert (shift.down <= bins).all()
        assert (bins <= shift.up).all()
    assert (np.isin(shift.up, MEMBERS) | (shift.up == NOMINAL)).all()


def test_members_of_a_hessian_set_add_in_quadrature():
    shift = combined(MEMBERS, NOMINAL, how="hessian")
    for at, nominal in enumerate(NOMINAL):
        spread = sum((member - nominal) ** 2 for member in MEMBERS[:, at]) ** 0.5
        assert shift.up[at] - nominal == pytest.approx(spread)
        assert nominal - shift.down[at] == pytest.approx(spread)


def test_pairs_of_an_asymmetric_hessian_set_follow_the_master_formula():
    shift = combined(MEMBERS, NOMINAL, how="asymmetric-hessian")
    for at, nominal in enumerate(NOMINAL):
        pairs = [
            (MEMBERS[0, at] - nominal, MEMBERS[1, at] - nominal),
            (MEMBERS[2, at] - nominal, MEMBERS[3, at] - nominal),
        ]
        up = sum(max(plus, minus, 0) ** 2 for plus, minus in pairs) ** 0.5
        down = sum(max(-plus, -minus, 0) ** 2 for plus, minus in pairs) ** 0.5
        assert (shift.up[at] - nominal, nominal - shift.down[at]) == pytest.approx((up, down))


def test_replicas_give_their_standard_deviation():
    members = NOMINAL * np.random.default_rng(1).normal(1, 0.1, (4000, 1))
    shift = combined(members, NOMINAL, how="replicas")
    assert (shift.up - NOMINAL) / NOMINAL == pytest.approx(0.1, rel=0.05)
    assert shift.up + shift.down == pytest.approx(2 * NOMINAL)


def test_a_mirrored_shift_is_as_far_on_both_sides():
    one = symmetrised(Shift(1.2 * NOMINAL, NOMINAL, ("one-sided",)), NOMINAL)
    assert one.down == pytest.approx(0.8 * NOMINAL)
    both = symmetrised(Shift(1.3 * NOMINAL, 0.9 * NOMINAL), NOMINAL)
    assert both.up == pytest.approx(1.2 * NOMINAL)
    assert "symmetrised" in both.remarks


@pytest.mark.parametrize(
    ("up", "down", "same"),
    [(1.1, 1.05, True), (1.1, 0.9, False), (0.9, 0.95, True), (1.1, 1.0, False), (1.1, 1.00001, False)],
)
def test_shifts_on_one_side_are_noticed(up, down, same):
    assert Shift(up * NOMINAL, down * NOMINAL).is_on_one_side(NOMINAL) == same


def test_an_empty_bin_that_changes_is_the_largest_change():
    assert Shift(np.array([0.1, 1.0]), np.array([0.0, 1.0])).largest(np.array([0.0, 1.0])) == np.inf
    assert Shift(np.zeros(2), np.zeros(2)).largest(np.zeros(2)) == 0


def test_smoothing_keeps_yields_and_flattens_noise():
    pytest.importorskip("cabinetry")
    rng = np.random.default_rng(2)
    nominal = np.linspace(1000, 100, 30)
    true = nominal * np.linspace(0.95, 1.05, 30)
    noisy = Shift(true * rng.normal(1, 0.03, 30), true * rng.normal(1, 0.03, 30))
    smooth = smoothed(noisy, nominal)
    assert smooth.up.sum() == pytest.approx(noisy.up.sum())
    assert abs(smooth.up / true - 1).mean() < 0.6 * abs(noisy.up / true - 1).mean()
    assert smooth.remarks == ("smoothed",)
