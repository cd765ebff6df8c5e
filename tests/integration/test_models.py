"""A model that another plugin exports, run from TOML alone, gives the answers of that plugin."""

import re
import tomllib
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace

import awkward as ak
import numpy as np
import pytest
from coffea.nanoevents import NanoEventsFactory
from ready import CONTEXT

import hepreco
from hepreco.events import ObjectSelection
from hepreco.plugin import discover
from hepreco.weights import load_network, read_weights, save_weights
from hepreco_part_sm import ClassifierNetwork, EventClassifier
from hepreco_part_sm.export import export_onnx

#: Probabilities: a graph in single precision against a network in double precision, of which 8e-6 was measured.
PARITY = 2e-5
#: The selection of part-sm: the cuts of its options, its overlap removal, and the kinds of its particles.
TOML = """
collections = [
    { collection = "Jet", where = ["pt > 25", "|eta| < 2.5"] },
    { collection = "Electron", where = ["pt > 15", "|eta| < 2.5"] },
    { collection = "Muon", where = ["pt > 15", "|eta| < 2.5"] },
    { collection = "Photon", where = ["pt > 20", "|eta| < 2.5"] },
]

[[tensors]]
name = "momenta"
collection = ["Jet", "Electron", "Muon", "Photon"]
objects = 18
features = ["energy", "px", "py", "pz"]

[[tensors]]
name = "kinds"
collection = ["Jet", "Electron", "Muon", "Photon"]
objects = 18
axes = "flat"
dtype = "int64"

[[tensors.features]]
cases = [
    { collection = "Jet", value = 1 },
    { collection = "Jet", value = 2, where = ["btagDeepFlavB > 0.2783"] },
    { collection = "Electron", value = 4 },
    { collection = "Electron", value = 3, where = ["charge < 0"] },
    { collection = "Muon", value = 6 },
    { collection = "Muon", value = 5, where = ["charge < 0"] },
    { collection = "Photon", value = 7 },
]

[[tensors]]
name = "missing_momentum"
features = ["PuppiMET.px", "PuppiMET.py"]
"""
OBJECTS = {
    "clean_jets": ObjectSelection(
        "Jet", where=("pt > 25", "|eta| < 2.5"), away_from={"electrons": 0.4, "muons": 0.4, "photons": 0.4}
    ),
    "electrons": ObjectSelection("Electron", where=("pt > 15", "|eta| < 2.5")),
    "muons": ObjectSelection("Muon", where=("pt > 15", "|eta| < 2.5")),
    "photons": ObjectSelection("Photon", where=("pt > 20", "|eta| < 2.5")),
}


@pytest.fixture(scope="module")
def plugin(tmp_path_factory):
    """One member of the packaged classifier, which is enough, and exported in a third of the time."""
    packaged, folder = EventClassifier(), tmp_path_factory.mktemp("weights")
    tensors, manifest = read_weights(packaged.weights)
    plugin = EventClassifier(members=1, weights_directory=str(folder))
    one = {name: value for name, value in tensors.items() if not re.match(r"members\.[1-9]", name)}
    save_weights(folder, one, replace(manifest, network=plugin.network))
    return plugin


@pytest.fixture(scope="module")
def exported(plugin, tmp_path_factory):
    """It as ONNX, written in a process in which no shapes are checked, since torch traces it."""
    path = tmp_path_factory.mktemp("exported") / "part_sm.onnx"
    network = load_network(ClassifierNetwork, directory=plugin.weights, device="cpu", options=plugin.network)
    with ProcessPoolExecutor(max_workers=1, mp_context=CONTEXT) as executor:
        executor.submit(export_onnx, network, path).result()
    return path


def test_part_sm_by_its_export(plugin, exported, lepton_jets):
    columns = [{"column": name, "component": [0, number]} for number, name in enumerate(plugin.classes)]
    model = discover()["models"].build({**tomllib.loads(TOML), "file": str(exported), "columns": columns})
    events = NanoEventsFactory.from_root(
        {lepton_jets.files[0]: "Events"}, schemaclass=hepreco.NanoAODSchema, mode="virtual"
    ).events()
    found = hepreco.attach(
        events, {"part": plugin, "model": model}, objects=OBJECTS, bindings={"model": {"jets": "clean_jets"}}
    )
    answered = found.part.reason == 0
    assert ak.sum(answered) > 200
    expected = ak.to_numpy(found.part.probability[answered])
    given = np.stack([ak.to_numpy(found.model[name][answered]) for name in plugin.classes], axis=1)
    difference = np.abs(given - expected).max()
    print(f"largest difference of probabilities: {difference:.1e}")
    assert difference < PARITY
    assert expected.std(axis=0).min() > 1e3 * PARITY
