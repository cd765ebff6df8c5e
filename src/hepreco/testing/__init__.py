"""For authors of plugins: the conformance kit, toy batches and symmetry checks.

A plugin's test of its contract is three lines::

    @pytest.mark.parametrize("check", hepreco.testing.CHECKS, ids=lambda check: check.__name__)
    def test_conformance(check):
        check(MyPlugin())

A check takes events as a second argument where toy events do not suit the plugin.

The public names are imported when they are first used, so that pytest, which loads the fixtures of this room in every
environment that has hepreco, starts without torch.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from hepreco.testing.answers import ConformanceError as ConformanceError
    from hepreco.testing.conformance import CHECKS as CHECKS
    from hepreco.testing.conformance import CheckResult as CheckResult
    from hepreco.testing.conformance import check_all as check_all
    from hepreco.testing.manifests import assert_manifest as assert_manifest
    from hepreco.testing.symmetry import assert_invariant as assert_invariant
    from hepreco.testing.symmetry import boost_along_beam as boost_along_beam
    from hepreco.testing.symmetry import rotation_about_beam as rotation_about_beam
    from hepreco.testing.toys import toy_batch as toy_batch

_HOME = {
    "CHECKS": "hepreco.testing.conformance",
    "CheckResult": "hepreco.testing.conformance",
    "ConformanceError": "hepreco.testing.answers",
    "assert_invariant": "hepreco.testing.symmetry",
    "assert_manifest": "hepreco.testing.manifests",
    "boost_along_beam": "hepreco.testing.symmetry",
    "check_all": "hepreco.testing.conformance",
    "rotation_about_beam": "hepreco.testing.symmetry",
    "toy_batch": "hepreco.testing.toys",
}

__all__ = list(_HOME)


def __getattr__(name: str) -> object:
    if name not in _HOME:
        raise AttributeError(f"module 'hepreco.testing' has no attribute {name!r}")
    return getattr(import_module(_HOME[name]), name)
