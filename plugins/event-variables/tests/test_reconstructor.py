from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.stats import spearmanr

from hepreco.errors import ConfigError, WeightsError
from hepreco.events import EventBatch
from hepreco.generation import TopologySample, sample_topology
from hepreco.plugin import TrainingOptions
from hepreco.weights import Card, read_card, save_weights
from hepreco_event_variables import KinematicVariables, LearnedVariable
from hepreco_event_variables.calibration import LARGEST_SPREAD, mode
from hepreco_event_variables.reconstructor import PACKAGED

from .conftest import batch_of

OPTIONS = {
    "paper": TrainingOptions(epochs=4, batch_size=50),
    "improved": TrainingOptions(epochs=2, batch_size=500, learning_rate=2e-3),
}


def events_of(sample: TopologySample) -> EventBatch:
    """A sample as a plugin is given it: jets by decreasing pt."""
    size = len(sample.parameters)
    order = sample.visible[..., 1:3].norm(dim=-1).argsort(dim=1, descending=True)
    momenta = sample.visible.gather(1, order[..., None].expand(-1, -1, 4))
    return batch_of(
        [[tuple(p) for p in event] for event in momenta.tolist()],
        missing=[tuple(p) for p in sample.missing_momentum.tolist()] or [(0.0, 0.0)] * size,
    )


def test_packaged_v_reads_the_mass_of_a_visible_pair():
    sample = sample_topology("visible-pair", events=2000, seed=77)
    found = LearnedVariable(topology="visible-pair").reconstruct(events_of(sample))["v"]
    m_a = sample.parameters[:, 0]
    assert spearmanr(found, m_a).statistic > 0.9999
    assert ((found / m_a - 1).abs() < 0.02).float().mean() > 0.95


@pytest.mark.parametrize(("mass", "other"), [(250.0, 100.0), (400.0, 100.0), (400.0, 0.0)])
def test_packaged_v_peaks_at_the_end_of_a_semi_visible_spectrum(mass, other):
    sample = sample_topology("semi-visible", events=5000, seed=77, parameters=(mass, other))
    found = LearnedVariable(topology="semi-visible").reconstruct(events_of(sample))["v"]
    scale = (mass**2 - other**2) / mass
    assert mode(found.numpy()) == pytest.approx(scale, rel=LARGEST_SPREAD)


def test_packaged_v_follows_the_scale_of_pairs_more_closely_than_mt2():
    sample = sample_topology("pair-semi-visible", events=5000, seed=77)
    batch = events_of(sample)
    scale = sample.topology.scale(sample.parameters)
    learned = spearmanr(LearnedVariable().reconstruct(batch)["v"], scale).statistic
    human = spearmanr(KinematicVariables().reconstruct(batch)["mt2"], scale).statistic
    assert learned > human + 0.05


def test_the_order_of_identical_particles_does_not_matter():
    sample = sample_topology("pair-semi-visible", events=50, seed=3)
    batch = events_of(sample)
    swapped = batch_of(
        [[tuple(p) for p in event[::-1]] for event in batch.momenta.tolist()],
        missing=[tuple(p) for p in batch.missing_momentum.tolist()],
    )
    found = [LearnedVariable().reconstruct(some)["v"] for some in (batch, swapped)]
    torch.testing.assert_close(found[0], found[1], rtol=1e-9, atol=1e-9)


def test_fewer_objects_than_particles_have_no_answer(two_jets: EventBatch):
    assert LearnedVariable().reconstruct(two_jets)["v"].isnan().tolist() == [False, True]


def test_leptons_of_either_flavour_are_taken():
    jets = [(50.0, 30.0, 40.0, 0.0), (50.0, -40.0, 30.0, 0.0)]
    leptons = [(25.0, 15.0, -20.0, 0.0), (35.0, 21.0, 28.0, 0.0)]
    reconstructor = LearnedVariable(topology="top-pair-dilepton")
    assert [spec.collection for spec in reconstructor.inputs.objects] == ["Jet", "Electron", "Muon"]
    mixed = batch_of([[*jets, *leptons]], missing=[(-26.0, -78.0)], species=[[0, 0, 1, 2]])
    same = batch_of([[*jets, *leptons[::-1]]], missing=[(-26.0, -78.0)], species=[[0, 0, 2, 2]])
    one = batch_of([[*jets, leptons[0], ()]], missing=[(-26.0, -78.0)], species=[[0, 0, 1, 2]])
    found = [reconstructor.reconstruct(batch)["v"] for batch in (mixed, same, one)]
    assert found[0].isfinite().all()
    torch.testing.assert_close(found[0], found[1])
    assert found[2].isnan().all()


@pytest.mark.parametrize("recipe", ["paper", "improved"])
def test_one_seed_gives_one_network(recipe):
    """Of two components, which need no calibration: its knots are NaN. It takes seconds."""
    reconstructor = LearnedVariable(topology="semi-visible", recipe=recipe, events=1000, dimensions=2)
    options = replace(OPTIONS[recipe], epochs=1)
    one, again = (reconstructor.train({}, options, report=lambda _epoch, _losses: None).tensors for _ in range(2))
    for name, tensor in one.items():
        torch.testing.assert_close(tensor, again[name], rtol=0, atol=0, equal_nan=True)


@pytest.mark.parametrize(
    ("recipe", "trainings"),
    [
        ("improved", 1),
        pytest.param("improved", 2, marks=pytest.mark.slow),
        pytest.param("paper", 2, marks=pytest.mark.slow),
    ],
)
def test_training_learns_and_stores_what_it_needs(recipe, trainings, tmp_path: Path, record_property):
    reconstructor = LearnedVariable(
        topology="semi-visible", recipe=recipe, events=8000, weights_directory=str(tmp_path)
    )
    checkpoint, *others = (
        reconstructor.train({}, OPTIONS[recipe], report=lambda _epoch, _losses: None) for _ in range(trainings)
    )
    for again in others:
        assert all(torch.equal(tensor, again.tensors[name]) for name, tensor in checkpoint.tensors.items())
    record_property("validation loss", f"{checkpoint.metrics['validation_loss']:.4f}; knowing nothing {np.log(2):.4f}")
    assert checkpoint.metrics["validation_loss"] < np.log(2) - 0.002
    save_weights(tmp_path, checkpoint.tensors, Card("", dict(checkpoint.network), "", 1, "", ""))
    found = reconstructor.reconstruct(events_of(sample_topology("semi-visible", events=10, seed=5)))["v"]
    assert found.isfinite().all()


def test_several_components(tmp_path: Path):
    reconstructor = LearnedVariable(dimensions=2, events=2000, weights_directory=str(tmp_path))
    checkpoint = reconstructor.train({}, TrainingOptions(epochs=1), report=lambda _epoch, _losses: None)
    save_weights(tmp_path, checkpoint.tensors, Card("", dict(checkpoint.network), "", 1, "", ""))
    found = reconstructor.reconstruct(events_of(sample_topology("pair-semi-visible", events=10, seed=5)))["v"]
    assert found.shape == (10, 2)
    assert found.isfinite().all()


@pytest.mark.parametrize("directory", sorted(PACKAGED.iterdir()), ids=lambda path: path.name)
def test_cards_of_the_packaged_weights(directory: Path):
    manifest = read_card(directory)
    assert manifest.network["topology"] == directory.name
    assert manifest.command.startswith(f"hepreco train event-variables --topology {directory.name} ")
    LearnedVariable(topology=directory.name).setup("cpu")


def test_bad_options():
    with pytest.raises(ConfigError, match="no topology 'nothing'"):
        LearnedVariable(topology="nothing")
    with pytest.raises(ConfigError, match="1 collections for the visible particles"):
        LearnedVariable(collections=("Jet",))
    with pytest.raises(ConfigError, match="at least one dimension"):
        LearnedVariable(dimensions=0)
    with pytest.raises(WeightsError, match="the options say"):
        LearnedVariable(recipe="paper").setup("cpu")
