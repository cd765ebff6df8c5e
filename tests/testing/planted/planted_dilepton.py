"""A plugin that needs charges, and subclasses of it with one bug each."""

import datetime
import os
import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor

from hepreco import Column, EventBatch, InputSpec, ObjectSpec, Reconstructor
from hepreco.conventions import Z_MASS
from hepreco.kinematics import delta_phi, eta, mass, mass_squared, phi, pt
from hepreco.plugin import Axis

Columns = Mapping[str, Tensor]


@dataclass(frozen=True)
class Dilepton(Reconstructor):
    """The two leptons of opposite charge and one flavour whose mass is nearest to the Z."""

    z_mass: float = Z_MASS
    where: tuple[str, ...] = ("pt > 20", "|eta| < 2.4")

    @property
    def inputs(self) -> InputSpec:
        """Electrons and muons with their charges, and missing momentum."""
        leptons = [ObjectSpec(name, self.where, features=("charge",)) for name in ("Electron", "Muon")]
        return InputSpec(tuple(leptons), missing_momentum="PuppiMET")

    @property
    def outputs(self) -> tuple[Column, ...]:
        """The pair, and what it looks like."""
        return (
            Column("z", "four-vector", axis=Axis(60, 60.0, 120.0)),
            Column("mass", unit="GeV"),
            Column("mass2", unit="GeV^2"),
            Column("angle", unit="rad"),
            Column("balance"),
            Column("missing_mt", unit="GeV"),
            Column("pair_index", "index", per=2, of="Muon"),
            Column("electron_index", "index", of="Electron"),
            Column("isolation", per="Muon"),
        )

    def reconstruct(self, batch: EventBatch) -> Columns:
        """One pair of every event that has one."""
        first, second, allowed = self.pairs(batch)
        momenta = batch.momenta[:, first] + batch.momenta[:, second]
        distance = torch.where(allowed, (mass(momenta) - self.z_mass).abs(), torch.inf)
        best = distance.argmin(dim=1)
        event = torch.arange(len(batch), device=batch.device)
        return self.columns(batch, (first[best], second[best]), allowed[event, best])

    def pairs(self, batch: EventBatch) -> tuple[Tensor, Tensor, Tensor]:
        """Slots of all pairs, and which of them are of opposite charge and one flavour."""
        slots = batch.mask.shape[1]
        first, second = torch.triu_indices(slots, slots, offset=1, device=batch.device)
        charge = batch.features["charge"]
        allowed = batch.mask[:, first] & batch.mask[:, second]
        allowed = allowed & (batch.species[:, first] == batch.species[:, second])
        return first, second, allowed & (charge[:, first] * charge[:, second] < 0)

    def columns(self, batch: EventBatch, pair: tuple[Tensor, Tensor], found: Tensor) -> Columns:
        """What is told of the chosen pair."""
        event = torch.arange(len(batch), device=batch.device)
        one, other = (batch.momenta[event, slot] for slot in pair)
        harder = torch.where((pt(one) >= pt(other))[:, None], one, other)
        softer = one + other - harder
        slots = torch.stack(pair, dim=1)
        muon = batch.species.gather(1, slots) == batch.collections.index("Muon")
        index = torch.where(muon, batch.index.gather(1, slots), -1).sort(dim=1).values
        total, missing = one + other, batch.missing_momentum
        turned = delta_phi(phi(total), torch.atan2(missing[:, 1], missing[:, 0]))
        electrons, muons = batch.collection("Electron"), batch.collection("Muon")
        near = torch.hypot(eta(muons.momenta) - eta(total)[:, None], delta_phi(phi(muons.momenta), phi(total)[:, None]))
        columns = {
            "z": total,
            "mass": mass(total),
            "mass2": mass_squared(total),
            "angle": delta_phi(phi(harder), phi(softer)),
            "balance": (pt(harder) - pt(softer)) / (pt(harder) + pt(softer)),
            "missing_mt": torch.sqrt((2 * pt(total) * missing.norm(dim=1) * (1 - torch.cos(turned))).clamp(min=0)),
        }
        told = {
            name: torch.where(found.reshape(-1, *(1 for _ in value.shape[1:])), value, torch.nan)
            for name, value in columns.items()
        }
        leading = electrons.objects_ordered_by(pt(electrons.momenta), at_most=1)
        return {
            **told,
            "pair_index": torch.where(found[:, None], index, -1),
            "electron_index": leading.index[:, 0],
            "isolation": torch.where(muons.mask & found[:, None], near, torch.nan),
        }


@dataclass(frozen=True)
class Instead(Dilepton):
    """The plugin with some columns computed otherwise."""

    def instead(self, found: Columns, batch: EventBatch) -> Columns:
        raise NotImplementedError

    def reconstruct(self, batch: EventBatch) -> Columns:
        found = super().reconstruct(batch)
        return {**found, **self.instead(found, batch)}


@dataclass(frozen=True)
class WithColumns(Dilepton):
    """The plugin with some columns declared otherwise."""

    changed: ClassVar[Mapping[str, Mapping[str, Any]]] = {}

    @property
    def outputs(self) -> tuple[Column, ...]:
        return tuple(replace(column, **self.changed.get(column.name, {})) for column in super().outputs)


@dataclass(frozen=True)
class MutableOption(Dilepton):
    vetoed: list[str] = field(default_factory=list)


class Undecorated(Dilepton):
    window = 15.0


@dataclass(frozen=True)
class ListOfOutputs(Dilepton):
    @property
    def outputs(self) -> Any:
        return list(super().outputs)


@dataclass(frozen=True)
class MissingColumn(Dilepton):
    def reconstruct(self, batch: EventBatch) -> Columns:
        return {name: value for name, value in super().reconstruct(batch).items() if name != "balance"}


@dataclass(frozen=True)
class DividesByMissing(Instead):
    def instead(self, found: Columns, batch: EventBatch) -> Columns:
        return {"balance": found["mass"] / batch.missing_momentum.norm(dim=1)}


@dataclass(frozen=True)
class DividesByDistance(Instead):
    def instead(self, found: Columns, batch: EventBatch) -> Columns:
        return {"balance": found["balance"] + 1e-3 / found["angle"].abs()}


@dataclass(frozen=True)
class SlotsForPositions(Dilepton):
    def columns(self, batch: EventBatch, pair: tuple[Tensor, Tensor], found: Tensor) -> Columns:
        columns = super().columns(batch, pair, found)
        return {**columns, "pair_index": torch.where(found[:, None], torch.stack(pair, dim=1), -1)}


@dataclass(frozen=True)
class OtherCollection(Instead):
    def instead(self, found: Columns, batch: EventBatch) -> Columns:
        muons = batch.collection("Muon")
        return {"electron_index": muons.objects_ordered_by(pt(muons.momenta), at_most=1).index[:, 0]}


@dataclass(frozen=True)
class PairWithItself(Instead):
    def instead(self, found: Columns, batch: EventBatch) -> Columns:
        return {"pair_index": found["pair_index"][:, :1].expand(-1, 2)}


@dataclass(frozen=True)
class MeV(Instead):
    def instead(self, found: Columns, batch: EventBatch) -> Columns:
        return {"mass": 1000 * found["mass"]}


@dataclass(frozen=True)
class TeV(Instead):
    def instead(self, found: Columns, batch: EventBatch) -> Columns:
        return {"mass": found["mass"] / 1000}


@dataclass(frozen=True)
class Degrees(Instead):
    def instead(self, found: Columns, batch: EventBatch) -> Columns:
        return {"angle": torch.rad2deg(found["angle"])}


@dataclass(frozen=True)
class UnwrappedAngle(Dilepton):
    def columns(self, batch: EventBatch, pair: tuple[Tensor, Tensor], found: Tensor) -> Columns:
        event = torch.arange(len(batch))
        one, other = (batch.momenta[event, slot] for slot in pair)
        first = torch.where(pt(one) >= pt(other), phi(one), phi(other))
        difference = 2 * first - phi(one) - phi(other)
        return {**super().columns(batch, pair, found), "angle": torch.where(found, difference, torch.nan)}


@dataclass(frozen=True)
class UnitForgotten(WithColumns):
    changed = {"mass": {"unit": ""}}  # noqa: RUF012


@dataclass(frozen=True)
class SquareInGeV(WithColumns):
    changed = {"mass2": {"unit": "GeV"}}  # noqa: RUF012


@dataclass(frozen=True)
class RatioInGeV(WithColumns):
    changed = {"balance": {"unit": "GeV"}}  # noqa: RUF012


@dataclass(frozen=True)
class EnergyLast(Instead):
    def instead(self, found: Columns, batch: EventBatch) -> Columns:
        return {"z": found["z"].roll(-1, dims=-1)}


@dataclass(frozen=True)
class PtEtaPhiMass(Instead):
    def instead(self, found: Columns, batch: EventBatch) -> Columns:
        z = found["z"]
        return {"z": torch.stack((pt(z), eta(z), phi(z), mass(z)), dim=-1)}


@dataclass(frozen=True)
class TruthInCuts(Dilepton):
    where: tuple[str, ...] = ("pt > 20", "genPartFlav == 1")


@dataclass(frozen=True)
class UsesWeights(Instead):
    def instead(self, found: Columns, batch: EventBatch) -> Columns:
        return {"balance": found["balance"] * batch.weight.sign()}


@dataclass(frozen=True)
class InventedCollection(Dilepton):
    @property
    def inputs(self) -> InputSpec:
        electrons, muons = super().inputs.objects
        return InputSpec((electrons, muons, replace(muons, collection="Leptons")), missing_momentum="PuppiMET")


@dataclass(frozen=True)
class InventedMissingMomentum(Dilepton):
    @property
    def inputs(self) -> InputSpec:
        return replace(super().inputs, missing_momentum="PuppiMet")


@dataclass(frozen=True)
class ChangesTheBatch(Dilepton):
    def reconstruct(self, batch: EventBatch) -> Columns:
        batch.momenta[..., 0].clamp_(min=100.0)
        return super().reconstruct(batch)


CALLS: list[int] = []


@dataclass(frozen=True)
class CountsCalls(Instead):
    def instead(self, found: Columns, batch: EventBatch) -> Columns:
        CALLS.append(len(batch))
        return {"balance": found["balance"] + len(CALLS)}


REMEMBERED: dict[int, float] = {}


@dataclass(frozen=True)
class RemembersByNumber(Instead):
    def instead(self, found: Columns, batch: EventBatch) -> Columns:
        numbers = batch.event_id[:, 2].tolist()
        for number, value in zip(numbers, found["balance"].tolist(), strict=True):
            REMEMBERED.setdefault(number, value)
        return {"balance": torch.tensor([REMEMBERED[number] for number in numbers], dtype=torch.float64)}


SMEARING = random.gauss(1.0, 0.01)


@dataclass(frozen=True)
class RandomPerProcess(Instead):
    def instead(self, found: Columns, batch: EventBatch) -> Columns:
        return {"mass": SMEARING * found["mass"]}


@dataclass(frozen=True)
class HashOfName(Instead):
    def instead(self, found: Columns, batch: EventBatch) -> Columns:
        return {"balance": found["balance"] + hash("dilepton") % 1000}


SCALE = float(os.environ.get("LEPTON_SCALE", "1.0"))


@dataclass(frozen=True)
class EnvironmentVariable(Instead):
    def instead(self, found: Columns, batch: EventBatch) -> Columns:
        return {"mass": SCALE * found["mass"]}


@dataclass(frozen=True)
class Clock(Instead):
    def instead(self, found: Columns, batch: EventBatch) -> Columns:
        age = datetime.datetime.now(tz=datetime.UTC).toordinal() - 730_000
        return {"mass": found["mass"] * (1 + 1e-5 * age)}


@dataclass(frozen=True)
class PaddingCounts(Dilepton):
    def pairs(self, batch: EventBatch) -> tuple[Tensor, Tensor, Tensor]:
        first, second, _ = super().pairs(batch)
        charge = batch.features["charge"]
        return first, second, charge[:, first] * charge[:, second] <= 0


@dataclass(frozen=True)
class FirstSlots(Dilepton):
    def reconstruct(self, batch: EventBatch) -> Columns:
        slot = torch.zeros(len(batch), dtype=torch.int64)
        return self.columns(batch, (slot, slot + 1), batch.mask[:, :2].all(dim=1))


@dataclass(frozen=True)
class LargestOfAll(Instead):
    def instead(self, found: Columns, batch: EventBatch) -> Columns:
        return {"balance": found["balance"] / pt(batch.momenta).max().clamp(min=1e6)}


@dataclass(frozen=True)
class LambdaOption(Dilepton):
    key: Callable[[Tensor], Tensor] = field(default_factory=lambda: lambda momenta: momenta)


@dataclass(frozen=True)
class StateOfSetup(Instead):
    def setup(self, device: str) -> None:
        object.__setattr__(self, "_scale", 1.01)

    def instead(self, found: Columns, batch: EventBatch) -> Columns:
        return {"mass": found["mass"] * self._scale}  # type: ignore[attr-defined]

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in self.__dict__.items() if name != "_scale"}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)


@dataclass(frozen=True)
class SeedsGenerators(Instead):
    def instead(self, found: Columns, batch: EventBatch) -> Columns:
        torch.manual_seed(int(batch.event_id[:1].sum()))
        np.random.seed(1)  # noqa: NPY002  the bug
        return {}


@dataclass(frozen=True)
class SilencesWarnings(Instead):
    def instead(self, found: Columns, batch: EventBatch) -> Columns:
        np.seterr(all="ignore")
        return {}


@dataclass(frozen=True)
class OneByOne(Dilepton):
    def reconstruct(self, batch: EventBatch) -> Columns:
        pieces = [self._of_one(batch[i : i + 1]) for i in range(len(batch))] or [super().reconstruct(batch)]
        return {name: torch.cat([piece[name] for piece in pieces]) for name in pieces[0]}

    def _of_one(self, event: EventBatch) -> Columns:
        slots = event.mask.shape[1]
        for first in range(slots):
            for second in range(slots):
                for _ in range(4):
                    mass(event.momenta[:, first] + event.momenta[:, second])
        return super().reconstruct(event)


@dataclass(frozen=True)
class ImpossibleCharge(Dilepton):
    def pairs(self, batch: EventBatch) -> tuple[Tensor, Tensor, Tensor]:
        first, second, allowed = super().pairs(batch)
        return first, second, allowed & (batch.features["charge"][:, first] > 1)

    def reconstruct(self, batch: EventBatch) -> Columns:
        found = super().reconstruct(batch)
        return {
            **found,
            "electron_index": torch.full_like(found["electron_index"], -1),
            "isolation": found["isolation"] * torch.nan,
        }


@dataclass(frozen=True)
class SameSign(Dilepton):
    def pairs(self, batch: EventBatch) -> tuple[Tensor, Tensor, Tensor]:
        first, second, _ = super().pairs(batch)
        charge = batch.features["charge"]
        same = batch.mask[:, first] & batch.mask[:, second] & (batch.species[:, first] == batch.species[:, second])
        return first, second, same & (charge[:, first] * charge[:, second] > 0)


@dataclass(frozen=True)
class MissingAsPolar(Instead):
    def instead(self, found: Columns, batch: EventBatch) -> Columns:
        size, direction = batch.missing_momentum.unbind(dim=1)
        turned = delta_phi(phi(found["z"]), torch.remainder(direction, torch.pi))
        return {"missing_mt": torch.sqrt((2 * pt(found["z"]) * size.abs() * (1 - torch.cos(turned))).clamp(min=0))}


@dataclass(frozen=True)
class ZeroForNoAnswer(Instead):
    def instead(self, found: Columns, batch: EventBatch) -> Columns:
        return {name: found[name].nan_to_num(0.0) for name in ("mass", "mass2", "balance")}
