"""Makes one upward and one downward shift from the bins of variations."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray

from hepreco.inference.extra import cabinetry
from hepreco.inference.tables import Combination

Bins = NDArray[np.float64]
#: What was done to a shift, or is unusual about it.
Remark = Literal[
    "no effect",
    "one-sided",
    "same side",
    "no variation",
    "negative bins",
    "negative bins set to zero",
    "symmetrised",
    "smoothed",
    "pruned",
]
#: Smaller relative changes of the yield are ignored when up and down are compared.
LEAST: Final = 1e-4


@dataclass(frozen=True)
class Shift:
    """The bins of a template for a systematic shifted up and down by one standard deviation.

    Parameters
    ----------
    up, down
        Contents of the bins, of shape ``(bin,)``.
    remarks
        What was done to them, and what is unusual about them.
    """

    up: Bins
    down: Bins
    remarks: tuple[Remark, ...] = ()

    def remarked(self, remark: Remark) -> "Shift":
        """The shift with one more remark."""
        return replace(self, remarks=(*self.remarks, remark))

    def without_negative(self, nominal: Bins, *, zero: bool) -> "Shift":
        """The shift with a remark on bins that it alone makes negative; ``zero`` sets all negative bins to zero."""
        odd = ((np.minimum(self.up, self.down) < 0) & (nominal >= 0)).any()
        if zero:
            floored = Shift(np.maximum(self.up, 0), np.maximum(self.down, 0), self.remarks)
            return floored.remarked("negative bins set to zero") if odd else floored
        return self.remarked("negative bins") if odd else self

    def largest(self, nominal: Bins) -> float:
        """The largest change of a bin, relative to it; infinite where an empty bin changes."""
        change = np.maximum(abs(self.up - nominal), abs(self.down - nominal))
        relative = np.divide(change, abs(nominal), out=np.where(change > 0, np.inf, 0.0), where=nominal != 0)
        return float(relative.max(initial=0.0))

    @property
    def is_used(self) -> bool:
        """Whether it enters the fit."""
        return not {"no effect", "pruned"} & set(self.remarks)

    def is_on_one_side(self, nominal: Bins) -> bool:
        """Whether up and down change the yield in the same direction, by a fraction above :data:`LEAST`."""
        up, down = (self.up - nominal).sum(), (self.down - nominal).sum()
        return bool(up * down > 0 and min(abs(up), abs(down)) > LEAST * abs(nominal.sum()))


def combined(members: NDArray[np.float64], nominal: Bins, *, how: Combination) -> Shift:
    """Combine members, of shape ``(member, bin)``, into one shift.

    Example
    -------
    >>> members, nominal = np.array([[12.0], [9.0], [10.0]]), np.array([10.0])
    >>> shift = combined(members, nominal, how="envelope")
    >>> shift.up, shift.down
    (array([12.]), array([9.]))
    >>> combined(members, nominal, how="hessian").up.round(3)  # √(2² + 1² + 0²) = 2.236
    array([12.236])
    """
    return _COMBINATIONS[how](members, nominal)


def _envelope(members: NDArray[np.float64], nominal: Bins) -> Shift:
    every = np.vstack([members, nominal])
    return Shift(every.max(axis=0), every.min(axis=0))


def _hessian(members: NDArray[np.float64], nominal: Bins) -> Shift:
    spread = np.sqrt(((members - nominal) ** 2).sum(axis=0))
    return Shift(nominal + spread, nominal - spread)


def _asymmetric_hessian(members: NDArray[np.float64], nominal: Bins) -> Shift:
    """The master formula: the larger change of each pair in either direction, added in quadrature."""
    change = (members - nominal).reshape(-1, 2, members.shape[1])
    up, down = (np.sqrt((np.maximum(sign * change, 0).max(axis=1) ** 2).sum(axis=0)) for sign in (1, -1))
    return Shift(nominal + up, nominal - down)


def _replicas(members: NDArray[np.float64], nominal: Bins) -> Shift:
    spread = members.std(axis=0, ddof=1)
    return Shift(nominal + spread, nominal - spread)


_COMBINATIONS: Final[dict[Combination, Callable[[NDArray[np.float64], Bins], Shift]]] = {
    "envelope": _envelope,
    "hessian": _hessian,
    "asymmetric-hessian": _asymmetric_hessian,
    "replicas": _replicas,
}


def symmetrised(shift: Shift, nominal: Bins) -> Shift:
    """The shift with equal changes up and down, half their difference; a one-sided shift is mirrored.

    Example
    -------
    >>> both = symmetrised(Shift(np.array([13.0]), np.array([9.0])), np.array([10.0]))
    >>> both.up, both.down
    (array([12.]), array([8.]))
    """
    half = shift.up - nominal if "one-sided" in shift.remarks else (shift.up - shift.down) / 2
    return Shift(nominal + half, nominal - half, shift.remarks).remarked("symmetrised")


def smoothed(shift: Shift, nominal: Bins) -> Shift:
    """Smooth the ratios to the nominal bins with cabinetry and keep the yields.

    With fewer than three bins, or bins that are not positive, nothing is smoothed.
    """
    if len(nominal) < 3 or not (nominal > 0).all():
        return shift
    smooth = cabinetry("smooth").smooth_353qh_twice

    def of(varied: Bins) -> Bins:
        bins = nominal * smooth(varied / nominal)
        return bins * (varied.sum() / bins.sum()) if bins.sum() else varied

    return Shift(of(shift.up), of(shift.down), shift.remarks).remarked("smoothed")
