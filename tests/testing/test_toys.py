import awkward as ak
import pytest
import torch

from hepreco.errors import ConfigError
from hepreco.events import InputSpec, ObjectSpec
from hepreco.events.arrays import compare
from hepreco.events.objects import Comparison
from hepreco.kinematics import eta, mass, phi, pt
from hepreco.testing import toy_batch

JETS = ObjectSpec("Jet", at_least=2, features=("btagDeepFlavB",))
MUONS = ObjectSpec("Muon", at_most=3)
INPUTS = InputSpec((JETS, MUONS), missing_momentum="PuppiMET")
EVENTS = 500
ROUNDING = 1e-9


def test_objects_are_plausible():
    batch = toy_batch(INPUTS, events=EVENTS)
    held = batch.momenta[batch.mask]
    assert batch.momenta.dtype == torch.float64
    assert pt(held).min() >= 30 - ROUNDING
    assert eta(held).abs().max() <= 2.4
    assert (mass(held) <= 0.15 * pt(held) + ROUNDING).all()
    assert (mass(held) >= 0).all()
    assert batch.missing_momentum.isfinite().all()
    assert len(batch.event_id.unique(dim=0)) == EVENTS


def test_numbers_of_objects_are_those_asked_for():
    batch = toy_batch(INPUTS, events=EVENTS)
    jets, muons = (batch.collection(name).mask.sum(dim=1) for name in ("Jet", "Muon"))
    assert sorted(set(jets.tolist())) == list(range(2, 9))
    assert sorted(set(muons.tolist())) == list(range(4))


def test_collections_are_ordered_by_pt_with_padding_last():
    batch = toy_batch(INPUTS, events=EVENTS)
    for name in batch.collections:
        part = batch.collection(name)
        assert (pt(part.momenta).diff(dim=1) <= 0).all()
        assert (part.mask.int().diff(dim=1) <= 0).all()


def test_padding_is_empty():
    batch = toy_batch(INPUTS, events=EVENTS)
    padding = ~batch.mask
    assert (batch.momenta[padding] == 0).all()
    assert (batch.index[padding] == -1).all()
    assert (batch.features["btagDeepFlavB"][padding] == 0).all()


def test_features_belong_to_their_collection():
    batch = toy_batch(INPUTS, events=EVENTS)
    jets, muons = batch.collection("Jet"), batch.collection("Muon")
    assert (jets.features["btagDeepFlavB"][jets.mask] > 0).all()
    assert (muons.features["btagDeepFlavB"] == 0).all()


def test_indices_are_distinct_positions_in_a_longer_collection():
    jets = toy_batch(INPUTS, events=EVENTS).collection("Jet")
    for index, mask in zip(jets.index, jets.mask, strict=True):
        assert len(index[mask].unique()) == mask.sum()
    assert jets.index.max() == 10


def test_seed_decides():
    first, again, other = (toy_batch(INPUTS, seed=seed).momenta for seed in (1, 1, 2))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


def test_missing_momentum_is_nan_unless_asked_for():
    assert toy_batch(InputSpec((JETS,))).missing_momentum.isnan().all()


def test_no_events():
    assert tuple(toy_batch(INPUTS, events=0).momenta.shape) == (0, 11, 4)


def test_fixture_hands_over_the_function(toy_batch_factory):
    assert toy_batch_factory is toy_batch


def drawn(*where, feature="charge", collection="Muon", at_least=2):
    spec = ObjectSpec(collection, where, at_least=at_least, features=(feature,))
    return toy_batch(InputSpec((spec,)), events=EVENTS)


@pytest.mark.parametrize(
    ("collection", "feature", "values"),
    [
        ("Muon", "charge", {-1, 1}),
        ("Electron", "pdgId", {-11, 11}),
        ("Muon", "tightId", {0, 1}),
        ("Jet", "jetId", {0, 2, 6}),
        ("Tau", "decayMode", {0, 1, 2, 10, 11}),
        ("Electron", "cutBased", {0, 1, 2, 3, 4}),
    ],
)
def test_features_of_few_values_have_those_of_nanoaod(collection, feature, values):
    batch = drawn(feature=feature, collection=collection)
    assert set(batch.features[feature][batch.mask].tolist()) == values


@pytest.mark.parametrize(
    ("feature", "low", "high"),
    [("btagPNetB", 0, 1), ("pfRelIso04_all", 0, torch.inf), ("mvaTTH", -1, 1), ("msoftdrop", 0, torch.inf)],
)
def test_features_of_many_values_are_in_range(feature, low, high):
    batch = drawn(feature=feature)
    values = batch.features[feature][batch.mask]
    assert (values >= low).all()
    assert (values <= high).all()
    assert len(values.unique()) > EVENTS


def test_impact_parameters_have_both_signs():
    values = drawn(feature="dxy").features["dxy"]
    assert values.min() < 0 < values.max()


@pytest.mark.parametrize(
    "cut", ["pt > 100", "pt < 20", "|eta| > 2.5", "eta < -1", "mass > 40", "charge == 1", "charge < 0", "phi > 3"]
)
def test_objects_pass_the_cuts(cut):
    batch = drawn(cut)
    held = batch.mask
    name, comparison = cut.partition(" ")[0], Comparison.parse(cut)
    values = {"pt": pt, "eta": eta, "mass": mass, "phi": phi}.get(comparison.field)
    found = batch.features[name][held] if values is None else values(batch.momenta[held])
    assert len(found) > EVENTS
    assert ak.all(compare(ak.Array(found.numpy()), comparison))


def test_cuts_that_nothing_passes_are_refused():
    with pytest.raises(ConfigError, match="Muon: no value of charge passes charge > 2 and charge < 1"):
        drawn("charge > 2", "charge < 1")
