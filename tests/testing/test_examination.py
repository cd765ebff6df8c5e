"""What cannot be asked is said once, and events of one's own are asked about instead of toys."""

from dataclasses import dataclass

import planted_dilepton as dilepton
import planted_jet_score as jets
import pytest
import torch

from hepreco.events import Dataset, EventBatch, InputSpec, ObjectSpec, read_batch
from hepreco.plugin import Column, Reconstructor
from hepreco.testing import CHECKS, ConformanceError, check_all, toy_batch
from hepreco.testing.answers import NotAskedError
from hepreco.testing.examination import EVENTS, FEW, Examination, has_answer

WITHOUT_WEIGHTS = jets.JetScore("nowhere")


@dataclass(frozen=True)
class Demanding(dilepton.Dilepton):
    """Answers only events of 10 TeV, which no toys are."""

    def pairs(self, batch):
        first, second, allowed = super().pairs(batch)
        return first, second, allowed & (batch.momenta[..., 0].sum(dim=1) > 1e4)[:, None]

    def columns(self, batch, pair, found):
        columns = super().columns(batch, pair, found)
        none = torch.full_like(columns["electron_index"], -1)
        return {**columns, "electron_index": torch.where(found, columns["electron_index"], none)}


@dataclass(frozen=True)
class OnlyWithOption(Reconstructor):
    """One of its columns is filled by an option that an example has."""

    threshold: float | None = None
    offered: bool = True

    @classmethod
    def examples(cls):
        return (cls(threshold=50.0),)

    @property
    def inputs(self):
        return InputSpec((ObjectSpec("Jet", at_least=1),))

    @property
    def outputs(self):
        return Column("energy", unit="GeV"), Column("above")

    def reconstruct(self, batch):
        energy = torch.where(batch.mask, batch.momenta[..., 0], 0.0).sum(dim=1)
        above = energy * torch.nan if self.threshold is None else (energy > 5 * self.threshold).double()
        return {"energy": energy, "above": above}


@dataclass(frozen=True)
class NoExamples(OnlyWithOption):
    @classmethod
    def examples(cls):
        return ()


@dataclass(frozen=True)
class Raises(dilepton.Dilepton):
    def reconstruct(self, batch):
        return {"mass": torch.full((len(batch),), 1 / 0)}


@dataclass(frozen=True)
class Slow(OnlyWithOption):
    def reconstruct(self, batch):
        for _ in range(len(batch)):
            sum(range(3_000_000))
        return super().reconstruct(batch)


@dataclass(frozen=True)
class SlowNoExamples(NoExamples, Slow):
    pass


def test_missing_weights_are_reported_once():
    failed = [result for result in check_all(WITHOUT_WEIGHTS) if not result.passed]
    assert [result.name for result in failed] == ["setup"]
    assert "nowhere" in failed[0].detail
    asked = {result.name for result in check_all(WITHOUT_WEIGHTS)}
    assert asked == {"options", "branches", "setup"}


@pytest.mark.parametrize("check", CHECKS[3:], ids=lambda check: check.__name__)
def test_no_check_passes_without_asking(check):
    with pytest.raises(NotAskedError, match=r"JetScore: cannot be set up\n.*see the check 'setup'"):
        check(WITHOUT_WEIGHTS)


@pytest.mark.parametrize("check", [check for check in CHECKS[3:] if check.__name__ != "answered"])
def test_no_check_passes_without_an_answer(check):
    with pytest.raises(NotAskedError, match=r"answers none of 64 events\n.*see the check 'answered'"):
        check(dilepton.ImpossibleCharge())


def test_the_objects_of_events_without_answer_are_told():
    (failed,) = (result for result in check_all(dilepton.ImpossibleCharge()) if not result.passed)
    assert failed.name == "answered"
    for words in ("0 to 6 of Electron, 0 to 6 of Muon", "Electron.charge -1 to 1", "--files", "events=batch"):
        assert words in failed.detail


def test_events_of_ones_own_are_asked_about():
    plugin = Demanding()
    assert [result.name for result in check_all(plugin) if not result.passed] == ["answered"]
    toys = toy_batch(plugin.inputs, events=200, seed=2)
    hard = EventBatch(**{**vars(toys), "momenta": 100 * toys.momenta})
    results = check_all(plugin, hard)
    assert {result.name: result.detail for result in results if not result.passed} == {}
    assert len(results) == len(CHECKS)


def test_half_of_the_events_are_answered_where_they_can_be_found():
    examined = Examination(dilepton.Dilepton())
    assert len(examined.events) == EVENTS
    assert has_answer(examined.found).double().mean() >= 0.5


def test_a_slow_plugin_is_asked_about_fewer_events():
    for plugin, events, alone in ((Slow(), FEW, FEW // 4), (OnlyWithOption(), EVENTS, FEW)):
        examined = Examination(plugin)
        assert (len(examined.events), examined.few) == (events, alone)


def test_a_column_that_an_example_fills_is_not_missing():
    (answered,) = (check for check in CHECKS if check.__name__ == "answered")
    answered(OnlyWithOption())
    answered(SlowNoExamples())  # is asked about too few events to blame it
    with pytest.raises(ConformanceError, match="above never has an answer"):
        answered(NoExamples())


def test_inputs_that_no_object_passes_are_reported_once():
    failed = [
        result for result in check_all(dilepton.Dilepton(where=("charge > 2", "charge < 1"))) if not result.passed
    ]
    assert [result.name for result in failed] == ["answered"]
    assert "no value of charge passes" in failed[0].detail


def test_a_plugin_that_raises_is_reported_once():
    failed = [result for result in check_all(Raises()) if not result.passed]
    assert [result.name for result in failed] == ["outputs"]
    assert "ZeroDivisionError on a batch of 2 events: division by zero" in failed[0].detail


@pytest.mark.parametrize("name", ["nano_tt_v12.root", "nano_tt_v15.root"])
def test_real_events_are_asked_about(samples, name):
    plugin = dilepton.Dilepton(where=("pt > 5",))
    batch = read_batch(Dataset("real", (str(samples / name),)), plugin.inputs)
    results = check_all(plugin, batch)
    assert {result.name: result.detail for result in results if not result.passed} == {}
    assert len(results) == len(CHECKS)
