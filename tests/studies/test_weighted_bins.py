import hist
import numpy as np
import pytest

from hepreco.errors import StudyError
from hepreco.studies.weighted_bins import weighted_bins

WEIGHT = hist.storage.Weight()


def test_flow_bins_reach_to_infinity() -> None:
    h = hist.Hist(hist.axis.Regular(2, 0, 2, underflow=False, name="x"), storage=WEIGHT).fill(
        [0.5, 9.0], weight=[2, -3]
    )
    bins = weighted_bins(h, flow=True)
    assert bins.edges.tolist() == [0, 1, 2, np.inf]
    assert bins.values.tolist() == [2, 0, -3]
    assert bins.variances.tolist() == [4, 0, 9]


@pytest.mark.parametrize(
    ("histogram", "message"),
    [
        (
            hist.Hist(hist.axis.Regular(2, 0, 1, name="x"), hist.axis.Regular(2, 0, 1, name="y"), storage=WEIGHT),
            "axes 'x', 'y'",
        ),
        (hist.Hist(hist.axis.Regular(2, 0, 1, name="x")), "lacks Σw²"),
        (hist.Hist(hist.axis.StrCategory(["a"], name="x"), storage=WEIGHT), "not an interval"),
        (hist.Hist(hist.axis.Regular(2, 0, 1, name="x"), storage=WEIGHT).fill([0.1], weight=np.nan), "NaN"),
    ],
)
def test_other_histograms_are_refused(histogram: hist.Hist, message: str) -> None:
    with pytest.raises(StudyError, match=message):
        weighted_bins(histogram)
