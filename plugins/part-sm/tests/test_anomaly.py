import pickle
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import nn

import hepreco.testing
from hepreco.errors import ConfigError, DatasetError, WeightsError
from hepreco.plugin import TrainedNetwork, TrainingOptions, discover
from hepreco.training import initialised
from hepreco.weights import Card, save_weights
from hepreco_part_sm import AnomalyDetector, Particles
from hepreco_part_sm.one_class import OneClassNetwork, remove_constants

from .conftest import shuffled, toy_batch, toy_particles

OPTIONS = TrainingOptions(epochs=2, batch_size=50, learning_rate=3e-3, seed=2)
METHODS = ("deep-svdd", "ddd")


def trained(detector: AnomalyDetector, options: TrainingOptions = OPTIONS) -> TrainedNetwork:
    return detector.train({"events": toy_batch(events=400, seed=1)}, options, report=lambda _epoch, _losses: None)


def with_weights(detector: AnomalyDetector, directory: Path, options: TrainingOptions = OPTIONS) -> AnomalyDetector:
    checkpoint = trained(detector, options)
    save_weights(directory, checkpoint.tensors, Card("", dict(checkpoint.network), "toys", 2, "", "", {}))
    return replace(detector, weights_directory=str(directory))


@pytest.fixture(scope="module", params=METHODS)
def detector(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> AnomalyDetector:
    """Two epochs on toys."""
    return with_weights(AnomalyDetector(method=request.param), tmp_path_factory.mktemp("weights"))


@pytest.mark.parametrize("check", hepreco.testing.CHECKS, ids=lambda check: check.__name__)
def test_conformance(check, detector):
    check(detector)


def test_slots_in_another_order_or_more_of_them_give_the_same_score(detector):
    batch = toy_batch(events=20, seed=4)
    score = detector.reconstruct(batch)["score"]
    assert score.isfinite().all()
    for other in (shuffled(batch), batch.padded(13)):
        torch.testing.assert_close(detector.reconstruct(other)["score"], score, rtol=1e-9, atol=1e-12)


def test_what_is_not_finite_has_no_score(detector):
    batch = toy_batch(events=3, seed=4)
    missing = batch.missing_momentum.clone()
    missing[1] = torch.nan
    found = detector.reconstruct(replace(batch, missing_momentum=missing))
    assert found["score"].isnan().tolist() == [False, True, False]


def test_scores_of_the_background_differ(detector):
    """None of these was trained on: nothing has collapsed."""
    score = detector.reconstruct(toy_batch(events=500, seed=5))["score"]
    assert score.std() > 0.05 * score.abs().mean()


@pytest.mark.parametrize(
    ("method", "model"),
    # With Deep SVDD a transformer does not find harder events with every seed.
    [("ddd", "part-int-sm"), ("deep-svdd", "pn-int-sm")],
)
@pytest.mark.parametrize("seed", [pytest.param(2, marks=pytest.mark.slow), pytest.param(3, marks=pytest.mark.slow)])
def test_harder_events_are_more_anomalous(method, model, seed, tmp_path, record_property):
    assert_harder_events_are_more_anomalous(method, model, seed, tmp_path, record_property)


@pytest.mark.parametrize(("method", "model"), [("ddd", "pn"), ("deep-svdd", "pn")])
def test_harder_events_are_more_anomalous_to_small_networks(method, model, tmp_path, record_property):
    assert_harder_events_are_more_anomalous(method, model, 2, tmp_path, record_property)


def assert_harder_events_are_more_anomalous(method, model, seed, tmp_path, record_property):
    options = replace(OPTIONS, epochs=15, seed=seed)
    detector = with_weights(AnomalyDetector(method=method, model=model), tmp_path, options)
    usual, hard = (
        detector.reconstruct(toy_batch(events=500, seed=number, scale=scale))["score"]
        for number, scale in ((5, 1.0), (6, 6.0))
    )
    area = (hard[:, None] > usual).double().mean()
    record_property("area", f"{area:.3f}; at least 0.7")
    assert hard.mean() > usual.mean()
    assert area > 0.7


@pytest.mark.parametrize("method", METHODS)
def test_one_seed_gives_one_network(method):
    detector = AnomalyDetector(method=method, model="part-int")
    first, again, other = (trained(detector, replace(OPTIONS, epochs=1, seed=seed)) for seed in (2, 2, 3))
    assert all(torch.equal(again.tensors[name], tensor) for name, tensor in first.tensors.items())
    assert any(not torch.equal(other.tensors[name], tensor) for name, tensor in first.tensors.items())
    assert first.history == again.history


def test_an_interrupted_training_goes_on(tmp_path):
    detector = AnomalyDetector(method="deep-svdd", model="pn")
    whole = trained(detector)
    trained(detector, replace(OPTIONS, epochs=1, resume_from=tmp_path))
    resumed = trained(detector, replace(OPTIONS, resume_from=tmp_path))
    assert all(torch.equal(resumed.tensors[name], tensor) for name, tensor in whole.tensors.items())


@pytest.mark.parametrize("model", ["fcn", "cnn", "pn-int-sm", "part", "sett-int-sm", "part-int-table"])
def test_a_centre_suits_every_network(model, tmp_path):
    detector = with_weights(AnomalyDetector(method="deep-svdd", model=model), tmp_path, replace(OPTIONS, epochs=1))
    score = detector.reconstruct(toy_batch(events=50, seed=4))["score"]
    assert (score > 0).all()
    assert score.std() > 0


def test_trees_tell_copies_apart(tmp_path):
    detector = with_weights(AnomalyDetector(method="ddd", model="bdt"), tmp_path, replace(OPTIONS, epochs=5))
    assert detector.reconstruct(toy_batch(events=50, seed=4))["score"].std() > 0


@pytest.mark.parametrize("model", ["part-int-sm", "pn-int-sm", "fcn", "sett-int-sm"])
def test_without_constants_weights_of_zero_are_all_that_collapses(model, particles):
    """The last layer has no bias: the origin is where its weights vanish, and no other point."""
    network = initialised(lambda: OneClassNetwork(method="deep-svdd", model=model, size="small"), seed=1).double()
    network.eval()
    assert not any("bias" in name for name, _ in network.named_parameters())
    assert network.backbone(particles).std(dim=0).min() > 0
    with torch.no_grad():
        for part in network.modules():
            if isinstance(part, nn.Linear):
                part.weight.zero_()
    assert (network.backbone(particles) == 0).all()


def test_the_class_token_stays_zero():
    network = OneClassNetwork(method="deep-svdd", model="part-int-sm", size="small")
    checkpoint = trained(AnomalyDetector(method="deep-svdd"))
    assert network.state_dict().keys() == checkpoint.tensors.keys()
    assert (checkpoint.tensors["backbone.token"] == 0).all()
    assert (checkpoint.tensors["center"].abs() >= 0.1 - 1e-7).all()


def test_the_score_is_the_squared_distance_to_the_centre(particles):
    network = initialised(lambda: OneClassNetwork(method="deep-svdd", model="pn", size="small"), seed=1).double()
    network.settle(particles, seed=1)
    numbers = network.backbone(particles).detach()
    assert network.center.shape == (10,)
    expected = [sum((float(x) - float(c)) ** 2 for x, c in zip(row, network.center, strict=True)) for row in numbers]
    torch.testing.assert_close(network(particles).tolist(), expected)
    far = numbers.mean(dim=0).abs() > 0.1
    torch.testing.assert_close(network.center[far], numbers.mean(dim=0)[far])


def test_biases_alone_are_removed():
    network = nn.Sequential(nn.Linear(2, 3), nn.BatchNorm1d(3), nn.LayerNorm(3))
    remove_constants(network)
    assert sorted(dict(network.named_parameters())) == ["0.weight", "1.weight", "2.weight"]
    assert (network.eval()(torch.zeros(4, 2)) == 0).all()


def test_the_odds_are_those_of_copies():
    particles = Particles(*(tensor.float() for tensor in toy_particles(events=5, seed=1)))
    particles = particles._replace(kinds=particles.kinds.long())
    network = initialised(lambda: OneClassNetwork(method="ddd", model="pn", size="small"), seed=1).eval()
    probability = torch.softmax(network.backbone(particles), dim=1)[:, 1]
    torch.testing.assert_close(torch.sigmoid(network(particles)), probability)


def test_too_few_events():
    for method in METHODS:
        with pytest.raises(DatasetError, match="sample has no events"):
            AnomalyDetector(method=method).train(
                {"events": toy_batch(events=1, seed=1)}, OPTIONS, report=lambda *_: None
            )


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"method": "drocc"}, "drocc"),
        ({"model": "gnn"}, "no model 'gnn'"),
        ({"method": "deep-svdd", "model": "bdt"}, "no gradient"),
        ({"swap": 2.0}, "no copies of events"),
    ],
)
def test_options_that_are_refused(options, message):
    with pytest.raises(ConfigError, match=message):
        discover()["part-sm-anomaly"].build(options)


def test_weights_of_other_options_are_refused(detector):
    with pytest.raises(WeightsError, match="the options say"):
        replace(detector, model="part").setup("cpu")


def test_it_is_built_from_a_configuration():
    built = discover()["part-sm-anomaly"].build({"method": "ddd", "model": "pn", "pt_spread": 1, "jet_where": []})
    assert built == AnomalyDetector(method="ddd", model="pn", pt_spread=1.0, jet_where=())
    assert pickle.loads(pickle.dumps(built)) == built
