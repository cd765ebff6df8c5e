import awkward as ak
import numpy as np
import pytest

from hepreco.errors import ConfigError
from hepreco.events import NOMINAL, InputSpec, ObjectSpec, Variation
from hepreco.events.variations import missing_momenta

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


def inputs(missing):
    return InputSpec((ObjectSpec("Jet"),), missing)


def read(*variations, functions=False, columns=None, **plugins):
    specs = {name: inputs(missing) for name, missing in plugins.items()}
    return missing_momenta(variations, inputs=specs, columns=columns or {}, functions=functions)


def test_every_missing_momentum_that_is_named_takes_up_the_change():
    events = ak.with_field(EVENTS, EVENTS.PuppiMET, "MET")
    varied = Variation("up", 1.1)(events, missing_momenta=("MET", "PuppiMET", "absent"))
    for name in ("MET", "PuppiMET"):
        np.testing.assert_allclose(varied[name].pt, np.hypot(10.0, 20.0), rtol=1e-6)
        np.testing.assert_allclose(varied[name].phi, np.arctan2(20.0, -10.0), rtol=1e-6)
    only = Variation("up", 1.1, missing_momentum="MET")(events, missing_momenta=("PuppiMET",))
    assert only.PuppiMET.pt.tolist() == [20.0]
    assert only.MET.pt[0] > 20.0


def test_what_plugins_cuts_and_histograms_read_is_corrected():
    assert read(Variation("up", 1.1), kinematics="Recoil", other=None) == ("Recoil",)
    columns = {"cut 'met'": ["PuppiMET.pt"], "histogram 'x'": ["DeepMETResolutionTune.phi", "Jet.pt"]}
    assert read(Variation("up", 1.1), columns=columns, p="MET") == ("MET", "PuppiMET", "DeepMETResolutionTune")


def test_truth_and_a_plugins_own_columns_are_not_corrected():
    columns = {"histogram 'x'": ["GenMET.pt", "RawMET.pt", "MET.significance", "missing.pt", "MET"]}
    assert read(Variation("up", 1.1), columns=columns, missing=None) == ()


def test_functions_may_read_the_usual_ones():
    assert read(Variation("up", 1.1), functions=True, p="CaloMET") == ("CaloMET", "MET", "PFMET", "PuppiMET")


def test_a_variation_of_another_missing_momentum_than_is_read_is_refused():
    own = Variation("up", 1.1, missing_momentum="PuppiMET")
    assert read(own, p="PuppiMET") == ("PuppiMET",)
    with pytest.raises(ConfigError, match=r"'up' corrects .*'PuppiMET', but plugin 'p' reads 'MET'"):
        read(own, p="MET")
    with pytest.raises(ConfigError, match="but cut 'met' reads 'MET'"):
        read(own, columns={"cut 'met'": ["MET.pt"]})


def test_a_subclass_is_refused_since_weights_would_stay_nominal():
    class Heavier(Variation):
        def __call__(self, events, **_):
            return ak.with_field(events, 2 * events.genWeight, "genWeight")

    with pytest.raises(ConfigError, match="'up' is a Heavier, not a Variation"):
        read(Heavier("up"))


def test_names_that_do_not_print_and_thresholds_that_are_no_numbers_are_refused():
    with pytest.raises(ConfigError, match="a variation is named"):
        Variation("\n")
    with pytest.raises(ConfigError, match="propagate_above"):
        Variation("up", 1.1, propagate_above=float("nan"))
    nothing = Variation("up", 1.1, propagate_above=float("inf"))(EVENTS)
    np.testing.assert_allclose(nothing.PuppiMET.pt, 20.0)
