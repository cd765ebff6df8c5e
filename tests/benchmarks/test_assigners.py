"""Events per second of whole runs with each solver of ``me-assigner``, and with χ²: ``tox -e bench``."""

import awkward as ak
import numpy as np
import pytest
import uproot
from coffea import processor as coffea_processor

import hepreco
from hepreco.events import Dataset, to_fileset
from hepreco.generation import Sample, write_sample
from hepreco.plugin import discover
from hepreco.processing import Cut, ReconstructionProcessor

pytestmark = [pytest.mark.bench, pytest.mark.filterwarnings("ignore:No format checks:UserWarning")]

EVENTS = 4_000
SOLVERS = ("exact", "policy", "beam", "marginal")
JETS = ("pt > 30", "|eta| < 2.4")
OBJECTS = {"jets": {}, "partons": {"collection": "LHEPart", "where": ["status == 1"], "at_most": 6}}


@pytest.fixture(scope="module")
def sample(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    path = tmp_path_factory.mktemp("bench") / "ttbar.root"
    write_sample(Sample("ttbar-hadronic", EVENTS), path)
    return Dataset("ttbar", (str(path),))


@pytest.mark.parametrize("objects", OBJECTS)
def test_assigners_in_the_processor(objects, sample, best_of):
    """Reading, selecting and filling included; the same events, those with six jets, for all. χ² always reads jets."""
    plugins = {"χ²": discover()["chi2-assigner"].build({"at_most": 8})}
    plugins |= {solver: discover()["me-assigner"].build({"solver": solver, **OBJECTS[objects]}) for solver in SOLVERS}
    runner = coffea_processor.Runner(
        executor=coffea_processor.IterativeExecutor(status=False), schema=hepreco.NanoAODSchema, chunksize=5_000
    )
    answered, medians = {}, {}

    def go(name, reconstructors):
        processor = ReconstructionProcessor(reconstructors, selection=[Cut("six jets", "Jet", JETS, at_least=6)])
        output = runner(to_fileset([sample]), processor_instance=processor)
        selected = output["histograms"]["cutflow"][{"cut": "six jets", "variation": "nominal", "dataset": "ttbar"}]
        missing = output["report"].without_answer["ttbar"].get("plugin", {})
        answered[name] = round(selected.value) - sum(missing.values())
        if reconstructors:
            masses = output["histograms"]["plugin.top.mass"][{"variation": "nominal", "dataset": "ttbar"}]
            below = np.cumsum(masses.values()) / masses.values().sum()
            medians[name] = masses.axes[0].centers[np.searchsorted(below, 0.5)]

    for plugin in plugins.values():
        ReconstructionProcessor({"plugin": plugin}).setup()
    bare, *seconds = best_of(
        lambda: go("none", {}),
        *(lambda name=name, plugin=plugin: go(name, {"plugin": plugin}) for name, plugin in plugins.items()),
        rounds=2,
    )
    assert len(set(answered.values())) == 1
    with uproot.open(sample.files[0])["Events"] as tree:
        pt, eta = tree["Jet_pt"].array(), tree["Jet_eta"].array()
    assert answered["none"] == ak.sum(ak.sum((pt > 30) & (abs(eta) < 2.4), axis=1) >= 6)
    for name, median in medians.items():
        assert median == pytest.approx(172.5, abs=3.0 if objects == "partons" and name != "χ²" else 15.0), name
    events = answered["none"]
    print(f"\n{objects} of {events} events with six jets, per core; without a plugin {events / bare:,.0f} events/s")
    for name, taken in zip(plugins, seconds, strict=True):
        print(f"{name}: {events / taken:,.0f} events/s, time / that of χ² {taken / seconds[0]:.2f}")
