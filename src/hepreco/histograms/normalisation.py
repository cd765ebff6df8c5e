"""Normalisation to the expected number of events by σ·L / Σw, with warnings where Σw is too uncertain."""

import math
from typing import Final

from hepreco.conventions import PB_FB
from hepreco.errors import ConfigError

#: A sum of weights within this number of standard deviations of zero gives a warning.
SIGNIFICANT: Final = 2.0


def normalisation(
    dataset: str,
    *,
    cross_section: float | None,
    luminosity: float | None,
    sum_of_weights: float,
    sum_of_squares: float,
) -> tuple[float, str | None]:
    """The factor that normalises the histograms of a dataset, and a warning if it is misleading.

    Parameters
    ----------
    dataset
        Name of the dataset.
    cross_section, luminosity
        Cross-section in pb and luminosity in fb⁻¹; a dataset without a cross-section is not scaled.
    sum_of_weights, sum_of_squares
        Σw and Σw² of all processed events before any cut.

    Raises
    ------
    ConfigError
        There is a cross-section but no luminosity.

    Example
    -------
    >>> normalisation("ttbar", cross_section=2.0, luminosity=3.0, sum_of_weights=6000.0, sum_of_squares=6000.0)
    (1.0, None)
    >>> normalisation("data", cross_section=None, luminosity=3.0, sum_of_weights=0.0, sum_of_squares=0.0)
    (1.0, None)
    """
    if cross_section is None:
        return 1.0, None
    if luminosity is None:
        raise ConfigError(
            f"dataset {dataset!r} has a cross-section, but there is no luminosity", "give luminosity in fb⁻¹"
        )
    events = cross_section * PB_FB * luminosity
    scale = events / sum_of_weights if sum_of_weights else math.inf
    said = f"dataset {dataset!r}: the weights of its events add up to {sum_of_weights:.6g}"
    if not math.isfinite(scale):
        return 1.0, f"{said}, so it is not normalised to its cross-section: its histograms hold sums of weights"
    if sum_of_weights < 0:
        return scale, f"{said}, so normalising to its cross-section reverses the sign of its histograms"
    uncertainty = math.sqrt(sum_of_squares)
    if sum_of_weights < SIGNIFICANT * uncertainty:
        return (
            scale,
            f"{said} ± {uncertainty:.2g}, within two standard deviations of zero, so its scale is very uncertain",
        )
    return scale, None
