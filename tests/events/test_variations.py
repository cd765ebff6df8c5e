import awkward as ak
import numpy as np
import pytest

from hepreco.errors import ConfigError
from hepreco.events import NOMINAL, Variation

EVENTS = ak.Array(
    [
        {
            "Jet": [
                {"pt": 100.0, "eta": 0.0, "phi": 0.0, "mass": 10.0},
                {"pt": 10.0, "eta": 0.0, "phi": 1.0, "mass": 1.0},
            ],
            "PuppiMET": {"pt": 20.0, "phi": np.pi / 2},
        },
    ]
)


def test_pt_and_mass_scale_and_missing_momentum_takes_up_the_change():
    varied = Variation("up", 1.1)(EVENTS)
    np.testing.assert_allclose(varied.Jet.pt[0], [110.0, 11.0], rtol=1e-6)
    np.testing.assert_allclose(varied.Jet.mass[0], [11.0, 1.1], rtol=1e-6)
    np.testing.assert_allclose(varied.PuppiMET.pt, np.hypot(10.0, 20.0), rtol=1e-6)
    np.testing.assert_allclose(varied.PuppiMET.phi, np.arctan2(20.0, -10.0), rtol=1e-6)
    assert EVENTS.Jet.pt.tolist() == [[100.0, 10.0]]


def test_nominal_changes_nothing():
    assert NOMINAL(EVENTS) is EVENTS


@pytest.mark.parametrize("scale", [0.0, -1.0, float("nan"), float("inf")])
def test_an_impossible_scale_is_refused(scale):
    with pytest.raises(ConfigError, match="scale"):
        Variation("odd", scale)
