"""The kit passes a good plugin, and each check fails on a plugin that breaks just what it checks."""

import os
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from itertools import count
from pathlib import Path

import pytest
import torch
from torch import Tensor

import hepreco.testing
from hepreco.events import EventBatch, InputSpec, ObjectSpec
from hepreco.kinematics import delta_phi, mass_squared, phi, pt
from hepreco.plugin import Column, Reconstructor
from hepreco.testing import CHECKS, CheckResult, ConformanceError, check_all
from hepreco.weights import load_network


@dataclass(frozen=True)
class Good(Reconstructor):
    """A column of every kind."""

    b_tag: str = "btagDeepFlavB"
    collections: tuple[str, ...] = ("Jet", "Muon")

    @property
    def inputs(self) -> InputSpec:
        jets, muons = self.collections
        return InputSpec(
            (
                ObjectSpec(jets, at_least=2, features=(self.b_tag,)),
                ObjectSpec(muons, at_most=3, features=("pfRelIso04_all",)),
            ),
            missing_momentum="PuppiMET",
        )

    @property
    def outputs(self) -> tuple[Column, ...]:
        return (
            Column("ht", unit="GeV"),
            Column("pair", "four-vector"),
            Column("pair_mass2", unit="GeV^2"),
            Column("pair_angle", unit="rad"),
            Column("b_score"),
            Column("b_index", "index", of=self.collections[0]),
            Column("pair_members", "four-vector", per=2),
            Column("pair_index", "index", per=2, of=self.collections[0]),
            Column("share", per=self.collections[0]),
            Column("transverse_mass", per=self.collections[1], unit="GeV"),
        )

    def reconstruct(self, batch: EventBatch) -> Mapping[str, Tensor]:
        jets, muons = (batch.collection(name) for name in self.collections)
        jet_pt = torch.where(jets.mask, pt(jets.momenta), 0.0)
        leading = jets.objects_ordered_by(jet_pt, at_most=2)
        tagged = jets.objects_ordered_by(jets.features[self.b_tag], at_most=1)
        pair = leading.momenta.sum(dim=1)
        missing = batch.missing_momentum[:, None]
        angle = delta_phi(phi(muons.momenta), torch.atan2(missing[..., 1], missing[..., 0]))
        squared = 2 * pt(muons.momenta) * missing.norm(dim=-1) * (1 - torch.cos(angle))
        return {
            "ht": jet_pt.sum(dim=1),
            "pair": pair,
            "pair_mass2": mass_squared(pair),
            "pair_angle": delta_phi(phi(leading.momenta[:, 0]), phi(leading.momenta[:, 1])),
            "b_score": tagged.features[self.b_tag][:, 0],
            "b_index": tagged.index[:, 0],
            "pair_members": leading.momenta,
            "pair_index": leading.index,
            "share": jet_pt / jet_pt.sum(dim=1, keepdim=True),
            "transverse_mass": torch.where(muons.mask, torch.sqrt(squared), torch.nan),
        }


@dataclass(frozen=True)
class Broken(Good):
    """The good plugin with some columns computed otherwise, by a function of (good columns, batch)."""

    instead: Callable[[Mapping[str, Tensor], EventBatch], Mapping[str, Tensor]] = field(
        default=lambda _, __: {},
        compare=False,  # a pickled copy of a function is another function
    )

    def reconstruct(self, batch: EventBatch) -> Mapping[str, Tensor]:
        found = super().reconstruct(batch)
        return {**found, **self.instead(found, batch)}


@dataclass(frozen=True)
class Unpicklable(Good):
    lines: object = field(default_factory=lambda: (line for line in ()))


@dataclass(frozen=True)
class ComparedByIdentity(Good):
    function: Callable[[], None] = field(default_factory=lambda: lambda: None)


class Undecorated(Good):
    threshold: float = 1.0


@dataclass(frozen=True)
class ListOption(Good):
    where: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class TensorOption(Good):
    direction: Tensor = field(default_factory=lambda: torch.ones(1))


@dataclass(frozen=True)
class ChangingInputs(Good):
    @property
    def inputs(self) -> InputSpec:
        return InputSpec((*super().inputs.objects, ObjectSpec("Electron", where=(f"pt > {next(CALLS)}",))))


@dataclass(frozen=True)
class ChangingOutputs(Good):
    @property
    def outputs(self) -> tuple[Column, ...]:
        first, *others = super().outputs
        return (replace(first, label=str(next(CALLS))), *others)


CALLS = count()
MORE = Column("more")


@dataclass(frozen=True)
class Columns(Good):
    """Promises one more column than the good plugin, and keeps the promise."""

    column: Column = MORE

    @property
    def outputs(self) -> tuple[Column, ...]:
        return (*super().outputs, self.column)

    def reconstruct(self, batch: EventBatch) -> Mapping[str, Tensor]:
        found = super().reconstruct(batch)
        return {self.column.name: found["b_score"], **found}


class Elsewhere(torch.Tensor):
    """A tensor that says it is on another device."""

    @property
    def device(self) -> torch.device:
        return torch.device("meta")


def changed_in_place(_: Mapping[str, Tensor], batch: EventBatch) -> Mapping[str, Tensor]:
    batch.momenta.mul_(2)
    return {}


@dataclass(frozen=True)
class WithoutWeights(Good):
    def setup(self, device: str) -> None:
        load_network(torch.nn.Linear, directory=Path("nowhere"), device=device)


def drawn_by_the_process(found: Mapping[str, Tensor], _: EventBatch) -> Mapping[str, Tensor]:
    return {"b_score": found["b_score"] + os.getpid() % 1000}


def silent(found: Mapping[str, Tensor], _: EventBatch) -> Mapping[str, Tensor]:
    return {
        name: value * torch.nan if value.is_floating_point() else torch.full_like(value, -1)
        for name, value in found.items()
    }


def writes_by_descriptor(_: Mapping[str, Tensor], __: EventBatch) -> Mapping[str, Tensor]:
    with suppress(FileNotFoundError):
        os.open("nowhere/file", os.O_WRONLY | os.O_CREAT)
    return {}


def writes_into_nothing(_: Mapping[str, Tensor], __: EventBatch) -> Mapping[str, Tensor]:
    Path(os.devnull).write_text("lost")
    return {}


def sets_dtype(_: Mapping[str, Tensor], __: EventBatch) -> Mapping[str, Tensor]:
    torch.set_default_dtype(torch.float64)
    return {}


def slow(found: Mapping[str, Tensor], batch: EventBatch) -> Mapping[str, Tensor]:
    for _ in range(len(batch)):
        for _ in range(10):
            time.sleep(1e-3)
    return {}


def divided_by_missing_momentum(found: Mapping[str, Tensor], batch: EventBatch) -> Mapping[str, Tensor]:
    return {"b_score": found["b_score"] + 1 / batch.missing_momentum.norm(dim=1)}


BROKEN = [
    ("branches", Good(collections=("Jet", "Muons")), "reads the collection 'Muons', .* for example Muon"),
    ("setup", WithoutWeights(), "cannot be set up: .*nowhere"),
    ("answered", Broken(instead=silent), r"answers none of 64 events, which have 2 to 8 of Jet, 0 to 3 of Muon"),
    ("answered", Broken(instead=lambda found, _: {"b_score": 0 * found["b_score"] + 0.5}), "b_score is 0.5 in every"),
    ("edge_events", Broken(instead=divided_by_missing_momentum), "with no missing momentum, b_score is infinite"),
    ("another_process", Broken(instead=drawn_by_the_process), "in another process .*, b_score of event 0 changes"),
    ("side_effects", Broken(instead=sets_dtype), "changes torch's default dtype .* in reconstruct"),
    ("side_effects", Broken(instead=writes_by_descriptor), "writes nowhere/file"),
    ("speed", Broken(instead=slow), "ms per event, .* times a χ² assignment .* calls of functions per event"),
    ("options", Undecorated(), "not a frozen dataclass of its own"),
    ("options", ChangingOutputs(), "outputs changes between two calls"),
    ("outputs", Broken(instead=lambda found, _: {"b_score": found["b_score"] / 0}), "b_score is infinite"),
    ("outputs", Broken(instead=lambda found, _: {"b_score": found["b_score"].half()}), "b_score is torch.float16"),
    ("index_range", Broken(instead=lambda _, batch: {"b_index": batch.index.amax(dim=1) + 1}), "b_index of event"),
    ("index_range", Broken(instead=lambda found, _: {"pair_index": found["pair_index"] * 0 - 2}), "is -2"),
    ("units", Broken(instead=lambda found, _: {"ht": found["ht"] * 1000}), "ht of event .* GeV"),
    ("units", Broken(instead=lambda found, _: {"pair": found["pair"] * 1000}), "pair of event .* GeV"),
    ("units", Broken(instead=lambda found, _: {"pair_mass2": found["pair_mass2"] * 1e6}), "pair_mass2 .* GeV"),
    ("units", Broken(instead=lambda found, _: {"pair_angle": found["pair_angle"] * 57.3}), "pair_angle .* rad"),
    ("no_label_leakage", Good(b_tag="hadronFlavour"), "reads hadronFlavour"),
    ("no_label_leakage", Good(b_tag="partonFlavour"), "reads partonFlavour"),
    ("no_label_leakage", Good(b_tag="genJetIdx"), "reads genJetIdx"),
    ("no_label_leakage", Good(b_tag="isTruthMatched"), "reads isTruthMatched"),
    ("no_label_leakage", Good(collections=("GenJetAK8", "Muon")), "reads GenJetAK8"),
    ("no_label_leakage", Good(collections=("Jet", "LHEPart")), "reads LHEPart"),
    (
        "no_label_leakage",
        Broken(instead=lambda found, batch: {"ht": found["ht"] * batch.weight}),
        "when event weights change, ht of event 0",
    ),
    ("purity", Broken(instead=changed_in_place), "after the plugin has read the batch, momenta of event 0"),
    (
        "masks_and_padding",
        Broken(instead=lambda found, batch: {"ht": found["ht"] + batch.mask.shape[1]}),
        "when padded slots are added, ht",
    ),
    (
        "masks_and_padding",
        Broken(instead=lambda _, batch: {"ht": pt(batch.momenta).sum(dim=1)}),
        "when padded slots hold other numbers than zero, ht",
    ),
    (
        "masks_and_padding",
        Broken(instead=lambda _, batch: {"b_score": batch.features["btagDeepFlavB"].sum(dim=1)}),
        "when padded slots hold other numbers than zero, b_score",
    ),
    ("permutation", Broken(instead=lambda _, batch: {"pair": batch.momenta[:, 0]}), "shuffled, pair of event"),
    ("permutation", Broken(instead=lambda _, batch: {"b_index": batch.index[:, 0]}), "shuffled, b_index of event"),
    (
        "permutation",
        Broken(instead=lambda found, _: {"share": found["share"].cumsum(dim=1)}),
        "shuffled, share of event",
    ),
    (
        "empty_chunk",
        Broken(
            instead=lambda found, batch: {"ht": found["share"].mul(found["ht"][:, None]).reshape(len(batch), -1).sum(1)}
        ),
        "on a batch of 0 events",
    ),
    (
        "empty_chunk",
        Broken(instead=lambda _, batch: {} if len(batch) else {"pair": torch.zeros(0, 3)}),
        "on a batch without events: .* pair has shape",
    ),
    (
        "chunk_determinism",
        Broken(instead=lambda found, _: {"b_score": found["b_score"] / found["b_score"].mean()}),
        "in pieces of 1, b_score of event 0",
    ),
    (
        "chunk_determinism",
        Broken(instead=lambda found, batch: {"b_index": found["b_index"].where(torch.tensor(len(batch) != 7), -1)}),
        "in pieces of 7, b_index of event 0",
    ),
    ("picklable", Unpicklable(), "pickling raises TypeError"),
    ("picklable", ComparedByIdentity(), "a pickled copy is another value"),
    ("device", Broken(instead=lambda found, _: {"ht": found["ht"].as_subclass(Elsewhere)}), "ht is on meta"),
]

#: Faults that more than one check notices.
BADLY_BROKEN = [
    ("options", ListOption(), "option where is a list"),
    ("options", TensorOption(), "option direction is a Tensor"),
    ("options", ChangingInputs(), "inputs changes between two calls"),
    ("outputs", Broken(instead=lambda found, _: {"b_index": found["b_index"].int()}), "b_index is torch.int32"),
    ("options", Columns(column=Column("b_score")), "2 columns are named 'b_score'"),
    ("options", Columns(column=Column("more", per="Tau")), "column 'more' is per 'Tau'"),
    ("options", Columns(column=Column("more", "index", of="Tau")), "the index 'more' is of Tau.* Jet, Muon"),
    ("options", Columns(column=Column("more", "index")), r"index 'more' is of a collection .*\n.* of='Jet'"),
    ("outputs", Broken(instead=lambda found, _: {"more": found["ht"]}), "returned columns"),
    ("outputs", Broken(instead=lambda found, _: {"ht": found["ht"][:, None]}), "ht has shape"),
    ("outputs", Broken(instead=lambda found, _: {"ht": found["ht"].sum()}), "ht is shape"),
    ("outputs", Broken(instead=lambda found, _: {"ht": found["ht"].numpy()}), "ht is a ndarray"),
    ("outputs", Broken(instead=lambda found, _: {"ht": found["nothing"]}), "KeyError"),
    ("purity", Broken(instead=lambda _, batch: {"ht": torch.rand(len(batch))}), "when asked twice, ht"),
]


def _check(name: str) -> Callable[[Reconstructor], None]:
    return next(check for check in CHECKS if check.__name__ == name)


@pytest.mark.parametrize("check", hepreco.testing.CHECKS, ids=lambda check: check.__name__)
def test_conformance(check):
    check(Good())


def test_good_plugin_passes_all():
    results = check_all(Good())
    assert results[0] == CheckResult("options", passed=True)
    assert [result.name for result in results] == [check.__name__ for check in CHECKS]
    assert all(result.passed and result.detail == "" for result in results)


@pytest.mark.parametrize(("check", "plugin", "message"), BROKEN)
def test_fault_fails_its_check_only(check, plugin, message):
    with pytest.raises(ConformanceError, match=message):
        _check(check)(plugin)
    assert [result.name for result in check_all(plugin) if not result.passed] == [check]


@pytest.mark.parametrize(("check", "plugin", "message"), BADLY_BROKEN)
def test_fault_fails_its_check(check, plugin, message):
    with pytest.raises(ConformanceError, match=message):
        _check(check)(plugin)
    failed = {result.name: result.detail for result in check_all(plugin) if not result.passed}
    assert failed[check]


def test_what_is_written_into_nothing_is_no_side_effect():
    _check("side_effects")(Broken(instead=writes_into_nothing))


def test_every_check_can_fail():
    assert {name for name, _, _ in BROKEN} == {check.__name__ for check in CHECKS}


@pytest.mark.parametrize("name", ["btagDeepFlavB", "hadronicTop", "generalisedAngularity", "puId", "Muon", "PuppiMET"])
def test_reconstructed_names_are_not_truth(name):
    _check("no_label_leakage")(Good(b_tag=name))


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_cpu_tensor_for_a_gpu_batch_is_found():
    plugin = Broken(instead=lambda found, _: {"ht": found["ht"].cpu()})
    with pytest.raises(ConformanceError, match="ht is on cpu when the batch is on cuda"):
        _check("device")(plugin)
