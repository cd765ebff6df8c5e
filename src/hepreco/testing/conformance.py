"""All checks of the contract between hepreco and a plugin."""

from dataclasses import dataclass
from typing import Final

from hepreco.errors import HepRecoError
from hepreco.events import EventBatch
from hepreco.plugin import Reconstructor
from hepreco.testing.answers import NotAskedError
from hepreco.testing.contents import answered, edge_events, units
from hepreco.testing.elsewhere import another_process, side_effects
from hepreco.testing.examination import Check
from hepreco.testing.invariance import chunk_determinism, device, empty_chunk, masks_and_padding, permutation, purity
from hepreco.testing.promises import branches, index_range, no_label_leakage, options, outputs, picklable, setup
from hepreco.testing.speed import speed

#: All checks; each takes a reconstructor and, optionally, events, and raises ConformanceError.
CHECKS: Final[tuple[Check, ...]] = (
    options,
    branches,
    setup,
    outputs,
    answered,
    index_range,
    units,
    no_label_leakage,
    purity,
    masks_and_padding,
    permutation,
    edge_events,
    empty_chunk,
    chunk_determinism,
    picklable,
    another_process,
    side_effects,
    speed,
    device,
)


@dataclass(frozen=True)
class CheckResult:
    """The outcome of one check.

    Parameters
    ----------
    name
        Name of the check.
    passed
        Whether the plugin passes.
    detail
        Why the plugin fails; empty if it passes.
    remark
        Measurements of a passed check.
    """

    name: str
    passed: bool
    detail: str = ""
    remark: str = ""


def check_all(reconstructor: Reconstructor, events: EventBatch | None = None) -> tuple[CheckResult, ...]:
    """Run all checks in order; a failure does not stop the next check.

    A check that cannot be made because another one fails, for example because of missing weights, is not among the
    results: checks that are not listed were not made, and then at least one listed check has failed.
    """
    results = (_result(check, reconstructor, events) for check in CHECKS)
    return tuple(result for result in results if result is not None)


def _result(check: Check, reconstructor: Reconstructor, events: EventBatch | None) -> CheckResult | None:
    try:
        remark = check(reconstructor, events)
    except NotAskedError:
        return None
    except HepRecoError as error:
        return CheckResult(check.__name__, passed=False, detail=str(error))
    except Exception as error:  # a broken plugin may raise anything
        return CheckResult(check.__name__, passed=False, detail=f"{type(error).__name__}: {error}")
    return CheckResult(check.__name__, passed=True, remark=remark)
