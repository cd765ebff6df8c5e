"""All checks of the contract between hepreco and a plugin."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from hepreco.errors import HepRecoError
from hepreco.plugin import Reconstructor
from hepreco.testing.invariance import chunk_determinism, device, empty_chunk, masks_and_padding, permutation, purity
from hepreco.testing.promises import index_range, no_label_leakage, options, outputs, picklable, units

#: Every check takes a reconstructor and raises ConformanceError; what an earlier one finds may trouble later ones.
CHECKS: Final[tuple[Callable[[Reconstructor], None], ...]] = (
    options,
    outputs,
    index_range,
    units,
    no_label_leakage,
    purity,
    masks_and_padding,
    permutation,
    empty_chunk,
    chunk_determinism,
    picklable,
    device,
)


@dataclass(frozen=True)
class CheckResult:
    """The outcome of one check.

    Parameters
    ----------
    name
        Of the check.
    passed
        Whether the plugin passes it.
    detail
        Why it does not; empty if it does.
    """

    name: str
    passed: bool
    detail: str = ""


def check_all(reconstructor: Reconstructor) -> tuple[CheckResult, ...]:
    """Run every check, in order; none stops the next."""
    return tuple(_result(check, reconstructor) for check in CHECKS)


def _result(check: Callable[[Reconstructor], None], reconstructor: Reconstructor) -> CheckResult:
    try:
        check(reconstructor)
    except HepRecoError as error:
        return CheckResult(check.__name__, passed=False, detail=str(error))
    except Exception as error:  # a broken plugin may raise anything, from anywhere
        return CheckResult(check.__name__, passed=False, detail=f"{type(error).__name__}: {error}")
    return CheckResult(check.__name__, passed=True)
