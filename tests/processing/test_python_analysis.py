"""An analysis in Python alone: corrections, regions and observables as values."""

from dataclasses import dataclass

import awkward as ak
import numpy as np
import pytest

from hepreco.errors import ConfigError
from hepreco.events import Variation
from hepreco.histograms import HistogramSpec
from hepreco.plugin import Axis, Correction, CorrectionInput, ObjectCorrection, WeightCorrection
from hepreco.processing import (
    AppliedCorrection,
    Cut,
    Observable,
    ReconstructionProcessor,
    Region,
    make_executor,
    run,
)
from hepreco.processing.selection import check_regions


@dataclass(frozen=True)
class Flat(WeightCorrection):
    """The same factor for every event."""

    factor: float = 2.0

    @property
    def reads(self):
        return ("PuppiMET.pt",)

    @property
    def variations(self):
        return ("up",)

    def weights(self, events, wanted):
        return {name: np.full(len(events), self.factor + (name == "up")) for name in wanted}


@dataclass(frozen=True)
class Dropping(ObjectCorrection):
    """Wrong: it loses objects."""

    @property
    def reads(self):
        return ("Jet.pt",)

    @property
    def changes(self):
        return ("Jet.pt",)

    def corrected(self, events, _):
        return {"Jet.pt": events["Jet.pt"][:, 1:]}


def count(events):
    """The number of jets."""
    return ak.num(events.Jet)


def outputs(processor, dataset):
    with make_executor("iterative", file_retries=0) as executor:
        return run(processor, [dataset], executor=executor, chunksize=150)


def test_values_of_every_kind(multijet):
    processor = ReconstructionProcessor(
        histograms=[HistogramSpec("n", ("observables.jets",), Axis(20, 0.0, 20.0))],
        observables=[Observable("jets", f"{__name__}:count")],
        corrections={"flat": AppliedCorrection(Flat(3.0), datasets=(multijet.name,)), "other": Flat()},
        cuts=[Cut("five", "Jet", at_least=5)],
        regions={"many": Region(all=("five",)), "few": Region(none=("five",))},
        luminosity=1.0,
    )
    output = outputs(processor, multijet)
    assert not output["report"].failures
    found, flow = output["histograms"]["n"], output["histograms"]["cutflow.many"]
    sums = {
        (variation, region): found[{"variation": variation, "region": region, "dataset": 0}].sum(flow=True).value
        for variation in found.axes["variation"]
        for region in found.axes["region"]
    }
    assert set(found.axes["variation"]) == {"nominal", "flat_up", "other_up"}
    for region in ("many", "few"):
        assert sums["flat_up", region] == pytest.approx(sums["nominal", region] * 4 / 3)
        assert sums["other_up", region] == pytest.approx(sums["nominal", region] * 3 / 2)
    assert sums["nominal", "many"] == pytest.approx(6 * flow[{"dataset": 0, "variation": 0}].values()[-1])
    assert found[{"variation": "nominal", "region": "few", "dataset": 0}].values()[5:].sum() == 0


def test_a_correction_that_loses_objects_is_named(multijet):
    output = outputs(ReconstructionProcessor(corrections={"dropping": Dropping()}), multijet)
    assert {failure.reason for failure in output["report"].failures} == {
        "correction 'dropping' gave Jet.pt another number of objects"
    }


def test_data_are_not_corrected_unless_asked():
    plain, both = AppliedCorrection(Flat()), AppliedCorrection(Flat(), data=True, datasets=("a",))
    assert plain.applies("a", is_data=False)
    assert not plain.applies("a", is_data=True)
    assert both.applies("a", is_data=True)
    assert not both.applies("b", is_data=False)


def test_what_is_no_correction_is_refused():
    assert issubclass(Flat, Correction)
    with pytest.raises(ConfigError, match="is no correction"):
        AppliedCorrection("pileup")
    given = CorrectionInput({"Jet.pt": ak.Array([[1.0]])}, event_id=np.ones((1, 3), np.int64))
    with pytest.raises(ConfigError, match=r"'Jet.eta' was not declared[\s\S]*reads"):
        given["Jet.eta"]


def test_names_that_are_there_twice_are_refused():
    with pytest.raises(ConfigError, match="two variations are named 'flat_up'"):
        ReconstructionProcessor(corrections={"flat": Flat()}, variations=[Variation("flat_up", 1.1)])
    with pytest.raises(ConfigError, match="names a cut twice"):
        Region(all=("a",), none=("a",))
    with pytest.raises(ConfigError, match="names the cut 'b'"):
        check_regions({"r": Region(all=("b",))}, [Cut("a", "Jet")])


def test_an_observable_gives_a_number_per_event(multijet):
    processor = ReconstructionProcessor(observables=[Observable("jets", "awkward:any")])
    failures = outputs(processor, multijet)["report"].failures
    assert all("observable 'jets': awkward:any" in failure.reason for failure in failures)
    assert failures
    with pytest.raises(ConfigError, match="observable 'x': no function"):
        Observable("x", "nothing:f")
