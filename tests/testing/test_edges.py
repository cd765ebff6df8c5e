import pytest
import torch

from hepreco.events import InputSpec, ObjectSpec
from hepreco.kinematics import eta, mass, pt
from hepreco.testing import toy_batch
from hepreco.testing.edges import edge_cases, with_undefined

JETS = ObjectSpec("Jet", ("pt > 30", "|eta| < 2.4"), at_least=2, features=("btagDeepFlavB",))
MUONS = ObjectSpec("Muon", ("pt > 25",), at_most=3, features=("charge",))
INPUTS = InputSpec((JETS, MUONS), missing_momentum="PuppiMET")
BATCH = toy_batch(INPUTS)
CASES = edge_cases(BATCH, INPUTS)
ROUNDING = 1e-9


def leading(name):
    """The first two jets of the case, in events that have a pair to speak of: all do."""
    return CASES[name].collection("Jet").momenta[:, :2].unbind(dim=1)


def test_the_cases():
    assert list(CASES) == [
        "two objects of equal pt",
        "two objects with the same momentum",
        "two objects back to back",
        "massless objects",
        "no more objects than it asks for",
        "objects at the edge of the cuts",
        "an object of 3 TeV",
        "objects of all collections with the same momentum",
        "no missing momentum",
        "features of -1",
        "features of 0",
        "features of 1",
    ]


@pytest.mark.parametrize("name", CASES)
def test_collections_stay_ordered_with_padding_last(name):
    for collection in BATCH.collections:
        part = CASES[name].collection(collection)
        assert (pt(part.momenta).diff(dim=1) <= ROUNDING).all()
        assert (part.mask.int().diff(dim=1) <= 0).all()
        assert (part.momenta[~part.mask] == 0).all()


def test_equal_pt_is_exactly_equal_in_other_directions():
    first, second = leading("two objects of equal pt")
    assert torch.equal(pt(first), pt(second))
    assert not torch.isclose(first[:, 1], second[:, 1]).any()


def test_coincident_objects_are_equal():
    assert torch.equal(*leading("two objects with the same momentum"))


def test_back_to_back_objects_cancel():
    first, second = leading("two objects back to back")
    assert torch.equal(first[:, 1:], -second[:, 1:])


def test_massless_objects_have_no_mass():
    assert mass(CASES["massless objects"].momenta).abs().max() < 1e-3


def test_fewest_objects():
    case = CASES["no more objects than it asks for"]
    assert (case.collection("Jet").mask.sum(dim=1) == 2).all()
    assert not case.collection("Muon").mask.any()
    assert (case.features["charge"] == 0).all()


def test_objects_stand_just_inside_the_cuts():
    jets = CASES["objects at the edge of the cuts"].collection("Jet")
    held = jets.momenta[jets.mask]
    torch.testing.assert_close(pt(held), torch.full_like(pt(held), 30.0), rtol=2e-6, atol=0)
    assert (pt(held) > 30).all()
    assert (eta(held).abs() < 2.4).all()
    assert (eta(held).abs() > 2.3999).all()


def test_one_object_is_hard():
    torch.testing.assert_close(pt(CASES["an object of 3 TeV"].momenta[:, 0]), torch.full((64,), 3000.0).double())


def test_collections_coincide():
    case = CASES["objects of all collections with the same momentum"]
    jets, muons = case.collection("Jet"), case.collection("Muon")
    both = muons.mask[:, 0]
    assert both.any()
    assert (muons.momenta[both][:, :, None] == jets.momenta[both][:, None]).all(dim=3).any(dim=(1, 2)).all()


def test_nothing_is_missing():
    assert (CASES["no missing momentum"].missing_momentum == 0).all()


@pytest.mark.parametrize("value", [-1.0, 0.0, 1.0])
def test_features_have_the_value_of_their_range(value):
    case = CASES[f"features of {value:g}"]
    jets, muons = case.collection("Jet"), case.collection("Muon")
    assert (jets.features["btagDeepFlavB"][jets.mask] == value).all()
    assert set(muons.features["charge"][muons.mask].tolist()) == {-1.0, 1.0}


def test_some_events_have_one_undefined_feature():
    jets = with_undefined(BATCH, INPUTS).collection("Jet")
    undefined = (jets.features["btagDeepFlavB"] == -1) & jets.mask
    assert undefined.sum() == len(BATCH) / 4
    assert undefined.sum(dim=1).max() == 1


def test_a_cut_keeps_undefined_features_out():
    tagged = InputSpec((ObjectSpec("Jet", ("btagDeepFlavB > 0.2",), at_least=2, features=("btagDeepFlavB",)),))
    jets = with_undefined(toy_batch(tagged), tagged)
    assert (jets.features["btagDeepFlavB"][jets.mask] > 0.2).all()
    assert "features of -1" not in edge_cases(jets, tagged)
