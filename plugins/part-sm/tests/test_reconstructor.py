import math
from dataclasses import replace
from pathlib import Path

import awkward as ak
import pytest
import torch

import hepreco.testing
from hepreco.errors import ConfigError, DatasetError, WeightsError
from hepreco.plugin import TrainingOptions
from hepreco.weights import Card, save_weights
from hepreco_part_sm import EventClassifier, Kind
from hepreco_part_sm.region import (
    enough_b_jets,
    enough_jets,
    enough_scalar_sum,
    same_sign_or_three_leptons,
)

from .conftest import shuffled, toy_batch

OPTIONS = TrainingOptions(epochs=3, batch_size=50, learning_rate=3e-3, seed=2)


@pytest.mark.parametrize("check", hepreco.testing.CHECKS, ids=lambda check: check.__name__)
def test_conformance(check) -> None:
    check(EventClassifier())


def test_manifest() -> None:
    hepreco.testing.assert_manifest("hepreco_part_sm")


def test_kinds_follow_from_tags_and_charges():
    batch = toy_batch(events=40, seed=1)
    particles = EventClassifier(cone=0.0).particles(batch)
    assert set(particles.kinds.flatten().tolist()) == {0, 1, 2, 3, 6, 7}
    pt = particles.momenta[..., 1:3].norm(dim=-1)
    assert (pt.diff(dim=1) <= 0).all()
    assert (particles.mask.sum(dim=1) == batch.mask.sum(dim=1)).all()


def test_jets_that_are_leptons_are_dropped():
    batch = toy_batch(events=40, seed=1)
    momenta = batch.momenta.clone()
    lepton = batch.mask[:, 9]  # the leading electron is also the leading jet
    momenta[:, 0] = torch.where(lepton[:, None] & batch.mask[:, :1], momenta[:, 9], momenta[:, 0])
    with_twins = replace(batch, momenta=momenta)
    kept = EventClassifier(cone=0.01).particles(with_twins).mask.sum(dim=1)
    both = lepton & batch.mask[:, 0]
    assert both.any()
    assert torch.equal(kept, batch.mask.sum(dim=1) - both.long())


def test_only_the_leading_objects_count():
    particles = EventClassifier(cone=0.0).particles(toy_batch(events=5, seed=1), at_most=3)
    assert particles.kinds.shape == (5, 3)


def test_slots_in_another_order_give_the_same_answer():
    batch = toy_batch(events=20, seed=4)
    one, other = (EventClassifier().reconstruct(some) for some in (batch, shuffled(batch)))
    for name, values in one.items():
        torch.testing.assert_close(other[name], values, rtol=1e-9, atol=1e-12)


def test_what_is_not_finite_has_no_answer():
    batch = toy_batch(events=3, seed=4)
    missing = batch.missing_momentum.clone()
    missing[1] = torch.nan
    found = EventClassifier().reconstruct(replace(batch, missing_momentum=missing))
    assert found["score_tttt"].isnan().tolist() == [False, True, False]


def test_yields_change_scores_and_not_probabilities():
    batch = toy_batch(events=20, seed=4)
    one, other = (EventClassifier(yields=yields).reconstruct(batch) for yields in ((), (1.0, 1.0, 9.0, 1.0, 1.0)))
    assert torch.equal(one["probability"], other["probability"])
    assert not torch.allclose(one["score_tttt"], other["score_tttt"])


@pytest.mark.parametrize("model", [pytest.param("part-int-table", marks=pytest.mark.slow), "pn-int-sm", "bdt-int"])
def test_training_tells_classes_apart(model, tmp_path: Path, record_property):
    reconstructor = EventClassifier(
        model=model, classes=("hard", "soft"), signals=("hard",), members=2, weights_directory=str(tmp_path)
    )
    samples = {"soft": toy_batch(events=400, seed=1), "hard": toy_batch(events=400, seed=2, scale=2.5)}
    options = replace(OPTIONS, epochs=20) if model == "bdt-int" else OPTIONS
    reported = []
    checkpoint = reconstructor.train(samples, options, report=lambda epoch, _: reported.append(epoch))
    again = reconstructor.train(samples, options, report=lambda _epoch, _losses: None)
    for name, tensor in checkpoint.tensors.items():
        assert torch.equal(again.tensors[name], tensor)
    assert reported == sorted(reported)
    save_weights(tmp_path, checkpoint.tensors, Card("", dict(checkpoint.network), "toys", 2, "", "", {}))
    soft, hard = (
        reconstructor.reconstruct(toy_batch(events=300, seed=seed, scale=scale)) for seed, scale in ((5, 1.0), (6, 2.5))
    )
    auc = (hard["score_hard"][:, None] > soft["score_hard"]).double().mean()
    record_property("area", f"{auc:.3f}; at least 0.8")
    assert auc > 0.8
    assert (hard["spread"] > 0).any() == (model != "bdt-int")  # nothing of the trees is random


def test_files_of_other_classes_are_refused():
    with pytest.raises(DatasetError, match="files of ttw, expected tttt, tth, ttw, ttww, ttz"):
        EventClassifier().train({"ttw": toy_batch(events=5, seed=1)}, OPTIONS, report=lambda _epoch, _losses: None)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"model": "gnn"}, "no model 'gnn'"),
        ({"members": 0}, "0 members"),
        ({"classes": ("a", "a")}, "two or more classes of different names"),
        ({"signals": ("ttt",)}, "no class 'ttt'"),
        ({"yields": (1.0,)}, "one positive number for each"),
    ],
)
def test_options_that_are_refused(options, message):
    with pytest.raises(ConfigError, match=message):
        EventClassifier(**options)


def test_weights_of_other_options_are_refused():
    with pytest.raises(WeightsError, match="the options say"):
        EventClassifier(members=2).setup("cpu")


def event(*, jets: int, tagged: int, leptons: tuple[int, ...], pt: float = 100.0) -> dict[str, list[dict[str, float]]]:
    """Well separated objects."""
    return {
        "Jet": [
            {"pt": pt, "eta": 0.0, "phi": -3.0 + 0.7 * n, "mass": 5.0, "btagDeepFlavB": float(n < tagged)}
            for n in range(jets)
        ],
        "Electron": [
            {"pt": 30.0, "eta": 2.0, "phi": -3.0 + n, "mass": 0.0, "charge": q} for n, q in enumerate(leptons)
        ],
    }


def without_muons(events: ak.Array) -> ak.Array:
    return ak.with_field(events, events.Electron[:, :0], "Muon")


def test_the_region_is_what_it_says():
    events = ak.Array(
        [
            event(jets=6, tagged=2, leptons=(1, 1)),
            event(jets=6, tagged=1, leptons=(1, -1)),
            event(jets=5, tagged=2, leptons=(1, -1, 1)),
            event(jets=6, tagged=2, leptons=(-1, -1), pt=50.0),
        ]
    )
    events = without_muons(events)
    assert same_sign_or_three_leptons(events).tolist() == [True, False, True, True]
    assert enough_jets(events).tolist() == [True, True, False, True]
    assert enough_b_jets(events).tolist() == [True, False, True, True]
    assert enough_scalar_sum(events).tolist() == [True, True, True, False]


def test_a_jet_that_is_a_lepton_is_none_for_the_region():
    one = event(jets=6, tagged=2, leptons=(1, 1))
    one["Jet"][0] |= {"eta": 2.0, "phi": -3.0}
    events = without_muons(ak.Array([one]))
    assert enough_jets(events, at_least=6).tolist() == [False]
    assert enough_jets(events, at_least=5).tolist() == [True]


@pytest.mark.parametrize("muon", [False, True])
@pytest.mark.parametrize(("distance", "is_lepton"), [(0.39, True), (0.41, False), (0.79, False)])
def test_the_cone_is_0_4_and_a_jet_at_its_edge_is_a_jet(distance: float, is_lepton: bool, muon: bool):
    """The cone that the particles of the plugin have too, for each of the region's functions."""
    one = event(jets=6, tagged=2, leptons=(1, 1), pt=90.0)  # 540 GeV with six jets, 450 GeV with five
    one["Jet"][0] |= {"eta": 2.0 - distance, "phi": -3.0}
    events = ak.Array([one])
    if muon:
        events = ak.with_field(events, events.Electron, "Muon")
        events = ak.with_field(events, events.Electron[:, :0], "Electron")
    else:
        events = without_muons(events)
    for cut in (enough_jets, enough_b_jets, enough_scalar_sum):
        assert cut(events).tolist() == [not is_lepton]
    assert EventClassifier().cone == 0.4


def test_distances_go_around_the_detector():
    one = event(jets=6, tagged=2, leptons=(1, 1))
    one["Jet"][0] |= {"eta": 2.0, "phi": 3.1}  # 0.18 from the lepton at φ = −3
    events = without_muons(ak.Array([one]))
    assert enough_jets(events).tolist() == [False]
    assert enough_jets(events, cone=0.1).tolist() == [True]
    assert enough_jets(events, cone=2 * math.pi - 6.1).tolist() == [True]  # at the edge


def test_kind_numbers_are_those_of_the_matrices():
    assert [kind.name for kind in Kind][:3] == ["NOTHING", "JET", "B_JET"]
