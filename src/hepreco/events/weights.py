"""Generator weights as float32, which the exact sums of weights need."""

import awkward as ak
import numpy as np
from numpy.typing import NDArray

from hepreco.errors import DatasetError


def generator_weights(events: ak.Array) -> NDArray[np.float32]:
    """``genWeight`` of each event as float32; infinities and NaN stay.

    Raises
    ------
    DatasetError
        A finite weight is beyond the range of float32, or all are too small for it.

    Example
    -------
    >>> generator_weights(ak.Array([{"genWeight": 1e20}, {"genWeight": -0.5}])).tolist()
    [1.0000000200408773e+20, -0.5]
    """
    stored = ak.to_numpy(events.genWeight)
    with np.errstate(over="ignore", under="ignore"):
        weights: NDArray[np.float32] = stored.astype(np.float32)
    _require_range(stored[np.isfinite(stored)].astype(np.float64))
    return weights


def _require_range(weights: NDArray[np.float64]) -> None:
    largest = np.abs(weights).max(initial=0.0)
    limits = np.finfo(np.float32)
    if largest > limits.max or 0 < largest < limits.tiny:
        raise DatasetError(
            f"the largest genWeight is {largest:g}, beyond the range of float32 (1.2e-38 to 3.4e38)",
            "divide all weights of the dataset by one number: a cross-section normalises to their sum",
        )
