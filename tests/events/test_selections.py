"""Selected objects, compared with loops over a real file's branches."""

import math
from pathlib import Path

import awkward as ak
import numpy as np
import pytest
import uproot
from coffea.nanoevents import NanoEventsFactory

from hepreco.errors import ConfigError, DatasetError
from hepreco.events import InputSpec, NanoAODSchema, ObjectSelection, ObjectSpec, Tag, column, select_objects
from hepreco.events.bridge import Converter
from hepreco.events.selections import bind, check_selections, collections_of, fields_asked_for, stored_columns

FILE = Path(__file__).parents[1] / "data" / "nanoaod_v12.root"
SELECTIONS = {
    "jets": ObjectSelection(
        "Jet",
        where=("pt > 30", "|eta| < 2.4"),
        away_from={"leptons": 0.4},
        tags={"b": Tag("btagDeepFlavB", above={"2017": 0.3, "2018": 0.2})},
    ),
    "b_jets": ObjectSelection("jets", where=("b == 1",), order_by="btagDeepFlavB"),
    "leptons": ObjectSelection(("electrons", "Muon"), where=("pt > 10",)),
    "electrons": ObjectSelection("Electron", where=("|eta| < 2.1",)),
}


@pytest.fixture(scope="module")
def events():
    return NanoEventsFactory.from_root({str(FILE): "Events"}, schemaclass=NanoAODSchema, mode="virtual").events()


@pytest.fixture(scope="module")
def selected(events):
    return select_objects(events, SELECTIONS, fields={"leptons": ("dxy",)}, period="2018")


@pytest.fixture(scope="module")
def expected():
    """Positions of the selected objects, event by event, from the branches and in float64."""
    with uproot.open(FILE) as file:
        names = [f"{c}_{b}" for c in ("Jet", "Electron", "Muon") for b in ("pt", "eta", "phi")]
        table = file["Events"].arrays([*names, "Jet_btagDeepFlavB"])
    found = []
    for event in table:
        leptons = [
            (source, i, event[f"{name}_pt"][i], event[f"{name}_eta"][i], event[f"{name}_phi"][i])
            for source, name in enumerate(("Electron", "Muon"))
            for i in range(len(event[f"{name}_pt"]))
            if event[f"{name}_pt"][i] > 10 and (name == "Muon" or abs(event[f"{name}_eta"][i]) < 2.1)
        ]
        leptons.sort(key=lambda lepton: -lepton[2])
        jets = [
            i
            for i in range(len(event.Jet_pt))
            if event.Jet_pt[i] > 30
            and abs(event.Jet_eta[i]) < 2.4
            and all(
                math.hypot(event.Jet_eta[i] - eta, math.remainder(event.Jet_phi[i] - phi, math.tau)) >= 0.4
                for *_, eta, phi in leptons
            )
        ]
        jets.sort(key=lambda i: -event.Jet_pt[i])
        b_jets = [i for i in jets if event.Jet_btagDeepFlavB[i] > 0.2]
        b_jets.sort(key=lambda i: -event.Jet_btagDeepFlavB[i])
        found.append((jets, b_jets, [lepton[:2] for lepton in leptons]))
    return found


def test_objects_are_those_of_a_loop(selected, expected):
    assert selected.jets.index.tolist() == [jets for jets, _, _ in expected]
    assert selected.b_jets.index.tolist() == [b_jets for _, b_jets, _ in expected]
    found = ak.zip([selected.leptons.source, selected.leptons.index]).tolist()
    assert found == [leptons for _, _, leptons in expected]
    assert ak.sum(ak.num(selected.jets)) < ak.sum(ak.num(selected.Jet))
    assert ak.any(selected.leptons.source == 1)


def test_fields_follow_their_objects(selected):
    assert ak.all(selected.jets.pt == selected.Jet.pt[selected.jets.index])
    assert ak.all(selected.jets.b == (selected.jets.btagDeepFlavB > 0.2))
    muons = selected.leptons[selected.leptons.source == 1]
    assert ak.all(muons.dxy == selected.Muon.dxy[muons.index])
    assert ak.all(muons.charge == selected.Muon.charge[muons.index])
    assert ak.all(selected.jets.energy > selected.jets.pt)  # they are four-momenta


def test_columns_of_one_object_and_of_numbers(selected, expected):
    leading = column(selected, "jets[0].pt").tolist()
    second = column(selected, "jets[1].pt").tolist()
    for (jets, *_), first, next_, all_jets in zip(expected, leading, second, selected.Jet.pt.tolist(), strict=True):
        assert first == (all_jets[jets[0]] if jets else None)
        assert next_ == (all_jets[jets[1]] if len(jets) > 1 else None)
    assert column(selected, "len(jets)").tolist() == [len(jets) for jets, *_ in expected]


def test_a_plugin_reads_the_objects_that_are_bound(selected, expected):
    inputs = InputSpec((ObjectSpec("Jet", where=("pt > 1000",), at_least=1, features=("b",)), ObjectSpec("Muon")))
    bound = bind(inputs, {"jets": "b_jets"}, SELECTIONS, plugin="mine")
    assert bound == {"Jet": "b_jets"}
    batch, enough = Converter(selected, np.ones(len(selected)))(inputs, bound=bound)
    assert enough.tolist() == [bool(b_jets) for _, b_jets, _ in expected]
    jets = batch.collection("Jet")
    found = [set(row[row >= 0].tolist()) for row in jets.index]
    assert found == [set(b_jets) for _, b_jets, _ in expected if b_jets]
    assert (jets.features["b"] == jets.mask).all()
    assert (jets.momenta[..., 1].hypot(jets.momenta[..., 2]).diff(dim=1) <= 0).all()  # by pt, whatever the order was


def test_a_column_is_converted_once_for_all_plugins(selected, monkeypatch):
    made = []
    original = Converter._momenta
    monkeypatch.setattr(Converter, "_momenta", lambda self, *key: made.append(key) or original(self, *key))
    convert = Converter(selected, np.ones(len(selected)))
    where = ("pt > 30",)
    batches = [convert(InputSpec((ObjectSpec("Jet", where, at_most=most),)))[0] for most in (3, 5, None)]
    assert made == [("Jet", where)]
    assert [batch.mask.shape[1] for batch in batches[:2]] == [3, 5]
    assert (batches[0].momenta == batches[2].momenta[:, :3]).all()


def test_columns_of_the_file_behind_those_of_selected_objects():
    assert stored_columns(["jets[0].pt", "b_jets.b", "len(leptons)", "run"], SELECTIONS) == (
        "Jet.pt",
        "Jet.btagDeepFlavB",
        "Electron",
        "Muon",
        "run",
    )
    assert collections_of("leptons", SELECTIONS) == ("Electron", "Muon")
    asked = fields_asked_for(["leptons.dxy"], SELECTIONS)
    assert "dxy" in asked["leptons"]
    assert "dxy" in asked["electrons"]
    assert "dxy" not in asked["jets"]


@pytest.mark.parametrize(
    ("selections", "message"),
    [
        ({"jets": ObjectSelection("Jet", away_from={"leptons": 0.4})}, r"away_from names 'leptons'.*not defined"),
        (
            {
                "jets": ObjectSelection("Jet", away_from={"muons": 0.4}),
                "muons": ObjectSelection("Muon", away_from={"jets": 0.4}),
            },
            "in a circle: (jets needs muons needs jets|muons needs jets needs muons)",
        ),
        ({"je.ts": ObjectSelection("Jet")}, r"je\.ts"),
    ],
)
def test_definitions_that_cannot_be_are_refused(selections, message):
    with pytest.raises(ConfigError, match=message):
        check_selections(selections)


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: ObjectSelection(()), "names no collection"),
        (lambda: ObjectSelection("Jet", where=("pt >",)), "cannot read the cut"),
        (lambda: ObjectSelection("Jet", away_from={"muons": 0.0}), "ΔR < 0.0"),
        (lambda: Tag("btagDeepFlavB", above={"2017": 0.3}).threshold("2018"), "no working point for the period '2018'"),
    ],
)
def test_values_that_cannot_be_are_refused(build, message):
    with pytest.raises(ConfigError, match=message):
        build()


@pytest.mark.parametrize(
    ("selections", "error", "message"),
    [
        ({"Jet": ObjectSelection("Muon")}, ConfigError, "has a collection of that name"),
        ({"jets": ObjectSelection("Jett")}, DatasetError, "(?s)events have no 'Jett'.*closest are Jet"),
        ({"jets": ObjectSelection("Jet", where=("ptt > 3",))}, DatasetError, "ptt"),
        ({"met": ObjectSelection("PuppiMET")}, DatasetError, "one record per event"),
    ],
)
def test_what_a_file_does_not_have_is_refused(events, selections, error, message):
    with pytest.raises(error, match=message):
        select_objects(events, selections, fields={})


@pytest.mark.parametrize(
    ("binding", "message"),
    [
        ({"taus": "jets"}, "no role 'taus'"),
        ({"jets": "bottoms"}, "which are not defined"),
        ({"muons": "leptons"}, "merged from several collections"),
    ],
)
def test_bindings_that_cannot_be_are_refused(binding, message):
    with pytest.raises(ConfigError, match=message):
        bind(InputSpec((ObjectSpec("Jet"), ObjectSpec("Muon"))), binding, SELECTIONS, plugin="mine")


def test_an_event_without_objects(events):
    empty = select_objects(events[:0], SELECTIONS, fields={}, period="2017")
    assert len(empty.jets) == 0
    assert column(empty, "jets[0].pt").tolist() == []
