"""What corrections cost: variations of weights and of objects against the nominal run, and weights by hand."""

from dataclasses import dataclass

import awkward as ak
import numpy as np
import pytest
from coffea.nanoevents import NanoEventsFactory

import hepreco
from hepreco.events import Dataset
from hepreco.generation import Sample, write_sample
from hepreco.histograms import HistogramSpec
from hepreco.plugin import Axis, ObjectCorrection, WeightCorrection
from hepreco.processing import ReconstructionProcessor, make_executor, run
from hepreco_chi2_assigner import Chi2Assigner

pytestmark = pytest.mark.bench
EVENTS = 60_000
HISTOGRAMS = [
    HistogramSpec(f"{name}_{number}", (column,), Axis(50 + number, 0.0, 500.0))
    for name, column in (("pt", "Jet.pt"), ("mass", "Jet.mass"), ("met", "PuppiMET.pt"))
    for number in range(6)
]


@dataclass(frozen=True)
class Tilt(WeightCorrection):
    """A weight that depends on the jets and on missing momentum, with many variations."""

    number: int = 0
    slope: float = 0.1

    @property
    def reads(self):
        return ("Jet.pt", "PuppiMET.pt")

    @property
    def variations(self):
        return tuple(f"v{number}" for number in range(self.number))

    def weights(self, events, wanted):
        slopes = {"nominal": self.slope} | {f"v{number}": number / 1000 for number in range(self.number)}
        factor = tilted(events["Jet.pt"], events["PuppiMET.pt"])
        return {name: 1 + slopes[name] * factor for name in wanted}


@dataclass(frozen=True)
class Scale(ObjectCorrection):
    """Jets of another pt, with several variations."""

    number: int = 0

    @property
    def reads(self):
        return ("Jet.pt",)

    @property
    def changes(self):
        return ("Jet.pt",)

    @property
    def variations(self):
        return tuple(f"v{number}" for number in range(self.number))

    def corrected(self, events, variation):
        factor = 1.0 if variation == "nominal" else 1 + int(variation[1:]) / 100
        return {"Jet.pt": events["Jet.pt"] * np.float32(factor)}


def tilted(pt, met):
    """A number of order 1 for each event."""
    return ak.to_numpy(ak.sum(pt, axis=1)) / 1000 + ak.to_numpy(met) / 1000


@pytest.fixture(scope="module")
def sample(tmp_path_factory):
    path = tmp_path_factory.mktemp("bench") / "ttbar.root"
    write_sample(Sample("ttbar-hadronic", EVENTS), path)
    return Dataset("ttbar", (str(path),))


def seconds(sample, best_of, **options):
    processor = ReconstructionProcessor(histograms=HISTOGRAMS, **options)

    def work():
        with make_executor("iterative") as executor:
            outputs.append(run(processor, [sample], executor=executor))

    outputs: list[dict] = []
    (best,) = best_of(work, rounds=3)
    return best, outputs[-1]


@pytest.mark.parametrize("plugins", [{}, {"chi2": Chi2Assigner()}], ids=["no plugin", "chi2-assigner"])
def test_variations(sample, best_of, plugins):
    """Aim: 100 variations of weights cost at most half of the nominal run again.

    They take half a second for a thousand million sums of weights, of which the products of matrices are nearly all.
    Where no plugin runs this is more than reading the events, and little beside most plugins. Products of dense or of
    compressed rows are slower, in scipy and in torch; a kernel compiled by numba gains a third of it.
    """
    nominal, output = seconds(sample, best_of, reconstructors=plugins)
    weights, varied = seconds(sample, best_of, reconstructors=plugins, corrections={"w": Tilt(100)})
    objects, shifted = seconds(sample, best_of, reconstructors=plugins, corrections={"s": Scale(10)})
    print(
        f"\n{EVENTS} events, 18 histograms, {', '.join(plugins) or 'no plugin'}: nominal {nominal:.2f} s; "
        f"100 variations of weights {weights / nominal:.2f} times that, 10 of objects {objects / nominal:.1f} times"
    )
    for other in (varied, shifted):
        assert not other["report"].failures
    found = {name: each[{"variation": "nominal"}] for name, each in output["histograms"].items()}
    same = {name: each[{"variation": "nominal"}] for name, each in shifted["histograms"].items()}
    assert found == same
    assert len(varied["histograms"]["met_0"].axes["variation"]) == 101


def test_ten_weights_against_the_same_calls_by_hand(sample, best_of):
    """Asked: at most 1.2 times the calls by hand, beyond the run without corrections."""
    plain, _ = seconds(sample, best_of)
    ten, _ = seconds(sample, best_of, corrections={f"w{number}": Tilt(0, number / 100) for number in range(10)})
    events = NanoEventsFactory.from_root({sample.files[0]: "Events"}, schemaclass=hepreco.NanoAODSchema).events()
    pt, met = ak.materialize(events.Jet.pt), ak.materialize(events.PuppiMET.pt)

    def by_hand():
        return np.prod([1 + number / 100 * tilted(pt, met) for number in range(10)], axis=0)

    (hand,) = best_of(by_hand, rounds=3)
    print(f"\nten weight corrections: {ten:.2f} s, without {plain:.2f} s, the calls by hand {hand:.3f} s: "
          f"ratio {ten / (plain + hand):.2f}")  # fmt: skip
    assert by_hand().shape == (EVENTS,)
