"""Tools for authors of plugins: the conformance kit, toy batches and symmetry checks.

A plugin's test of its contract is three lines::

    @pytest.mark.parametrize("check", hepreco.testing.CHECKS, ids=lambda check: check.__name__)
    def test_conformance(check):
        check(MyPlugin())

A check takes events as an optional second argument, for plugins that cannot use toy events.

The public names are imported on first use, so that pytest, which loads these fixtures wherever hepreco is installed,
starts without torch.
"""

from typing import TYPE_CHECKING

from hepreco.lazy import public_names

if TYPE_CHECKING:
    from hepreco.testing.answers import ConformanceError as ConformanceError
    from hepreco.testing.column_toys import toy_columns as toy_columns
    from hepreco.testing.conformance import CHECKS as CHECKS
    from hepreco.testing.conformance import CheckResult as CheckResult
    from hepreco.testing.conformance import check_all as check_all
    from hepreco.testing.corrections import check_correction as check_correction
    from hepreco.testing.manifests import assert_manifest as assert_manifest
    from hepreco.testing.symmetry import assert_invariant as assert_invariant
    from hepreco.testing.symmetry import boost_along_beam as boost_along_beam
    from hepreco.testing.symmetry import rotation_about_beam as rotation_about_beam
    from hepreco.testing.toys import toy_batch as toy_batch
else:
    __all__, __getattr__, __dir__ = public_names(__name__, __file__)
