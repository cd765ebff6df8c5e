"""A plugin of jets alone with a small network, and subclasses of it with one bug each."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from hepreco import Column, EventBatch, InputSpec, ObjectSpec, Reconstructor
from hepreco.kinematics import eta, mass, pt
from hepreco.plugin import Axis
from hepreco.weights import load_network

Columns = Mapping[str, Tensor]


class Scorer(nn.Module):
    """Each jet by itself, their mean, and a score."""

    def __init__(self, hidden: int = 12) -> None:
        super().__init__()
        self.each = nn.Sequential(nn.Linear(4, hidden), nn.Tanh(), nn.Linear(hidden, hidden), nn.Tanh())
        self.all = nn.Sequential(nn.Linear(hidden, hidden), nn.Tanh(), nn.Linear(hidden, 1))

    def forward(self, features: Tensor, mask: Tensor) -> Tensor:
        """A score between 0 and 1."""
        jets = torch.where(mask[..., None], self.each(features), 0.0)
        return torch.sigmoid(self.all(jets.sum(dim=1) / mask.sum(dim=1, keepdim=True).clamp(min=1)))[:, 0]


@dataclass(frozen=True)
class JetScore(Reconstructor):
    """Whether an event looks like signal, by its jets."""

    weights_directory: str = "weights"
    b_tag: str = "btagDeepFlavB"

    @property
    def inputs(self) -> InputSpec:
        """Jets with their b tags."""
        return InputSpec((ObjectSpec("Jet", ("pt > 30", "|eta| < 2.4"), at_least=2, features=(self.b_tag,)),))

    @property
    def outputs(self) -> tuple[Column, ...]:
        """The score, and what the jets are."""
        return (
            Column("score", axis=Axis(1000, 0.0, 1.0)),
            Column("ht", unit="GeV"),
            Column("mass", unit="GeV"),
            Column("tagged_index", "index"),
            Column("share", per="Jet"),
        )

    @property
    def weights(self) -> Path:
        """Of the network."""
        return Path(self.weights_directory)

    def setup(self, device: str) -> None:
        """Load the network."""
        self.network(device)

    def network(self, device: str) -> Any:
        """The trained network."""
        return load_network(Scorer, directory=self.weights, device=device)

    def features(self, batch: EventBatch) -> Tensor:
        """What the network is given of each jet, in no order."""
        safe = torch.where(batch.mask[..., None], batch.momenta, batch.momenta.new_tensor([2.0, 1.0, 1.0, 1.0]))
        return torch.stack((pt(safe).log() - 4, eta(safe), mass(safe) / 100, batch.features[self.b_tag]), dim=-1)

    def reconstruct(self, batch: EventBatch) -> Columns:
        """One score per event."""
        transverse = torch.where(batch.mask, pt(batch.momenta), 0.0)
        tagged = batch.objects_ordered_by(batch.features[self.b_tag], at_most=1)
        return {
            "score": self.network(str(batch.device))(self.features(batch), batch.mask),
            "ht": transverse.sum(dim=1),
            "mass": mass(torch.where(batch.mask[..., None], batch.momenta, 0.0).sum(dim=1)),
            "tagged_index": tagged.index[:, 0],
            "share": transverse / transverse.sum(dim=1, keepdim=True),
        }


@dataclass(frozen=True)
class Instead(JetScore):
    """The plugin with some columns computed otherwise."""

    def instead(self, found: Columns, batch: EventBatch) -> Columns:
        raise NotImplementedError

    def reconstruct(self, batch: EventBatch) -> Columns:
        found = super().reconstruct(batch)
        return {**found, **self.instead(found, batch)}


@dataclass(frozen=True)
class NetworkAsOption(JetScore):
    held: Any = field(default_factory=Scorer)


@dataclass(frozen=True)
class FlavourAsFeature(JetScore):
    b_tag: str = "hadronFlavour"


@cache
def _training(directory: str) -> Any:
    network = load_network(Scorer, directory=Path(directory), device="cpu")
    return nn.Sequential(network.each, nn.Dropout(0.1).train()), network.all


@dataclass(frozen=True)
class DropoutLeftOn(JetScore):
    def network(self, device: str) -> Any:
        each, every = _training(self.weights_directory)
        return lambda features, mask: torch.sigmoid(
            every((each(features) * mask[..., None]).sum(dim=1) / mask.sum(dim=1, keepdim=True))
        )[:, 0]


@dataclass(frozen=True)
class BatchNormalised(JetScore):
    def features(self, batch: EventBatch) -> Tensor:
        features = super().features(batch)
        held = features[batch.mask] if batch.mask.any() else features.reshape(-1, 4)
        return (features - held.mean(dim=0)) / (held.std(dim=0) + 1e-3)


FROZEN: dict[str, Tensor] = {}


@dataclass(frozen=True)
class FrozenByFirstBatch(JetScore):
    def features(self, batch: EventBatch) -> Tensor:
        features = super().features(batch)
        if "mean" not in FROZEN and batch.mask.any():
            FROZEN["mean"] = features[batch.mask].mean(dim=0)
        return features - FROZEN.get("mean", torch.zeros(4))


RUNNING = torch.zeros(4, dtype=torch.float64)


@dataclass(frozen=True)
class RunningMean(JetScore):
    def features(self, batch: EventBatch) -> Tensor:
        features = super().features(batch)
        if batch.mask.any():
            RUNNING.mul_(0.9).add_(0.1 * features[batch.mask].mean(dim=0))
        return features - RUNNING


@dataclass(frozen=True)
class MeanOverSlots(Instead):
    def instead(self, found: Columns, batch: EventBatch) -> Columns:
        return {"ht": torch.where(batch.mask, pt(batch.momenta), 0.0).mean(dim=1) * 8}


@dataclass(frozen=True)
class NeedsAThirdSlot(Instead):
    def instead(self, found: Columns, batch: EventBatch) -> Columns:
        leading = batch.objects_ordered_by(pt(batch.momenta), at_most=3)
        return {"score": found["score"] + 0.01 * leading.mask[:, 2]}


@dataclass(frozen=True)
class DefaultDtype(Instead):
    def instead(self, found: Columns, batch: EventBatch) -> Columns:
        torch.set_default_dtype(torch.float64)
        return {}


@dataclass(frozen=True)
class Threads(JetScore):
    def setup(self, device: str) -> None:
        torch.set_num_threads(torch.get_num_threads() + 3)
        super().setup(device)


@dataclass(frozen=True)
class GradMode(Instead):
    def instead(self, found: Columns, batch: EventBatch) -> Columns:
        torch.set_grad_enabled(True)
        return {}


@dataclass(frozen=True)
class WritesAFile(Instead):
    def instead(self, found: Columns, batch: EventBatch) -> Columns:
        with (self.weights / "debug.txt").open("a") as file:
            file.write(f"{len(batch)}\n")
        return {}


@dataclass(frozen=True)
class ChangesFeatures(JetScore):
    def features(self, batch: EventBatch) -> Tensor:
        batch.features[self.b_tag].clamp_(min=0.05)
        return super().features(batch)


@dataclass(frozen=True)
class Saturated(Instead):
    def instead(self, found: Columns, batch: EventBatch) -> Columns:
        return {"score": torch.sigmoid(50 + found["score"])}


@dataclass(frozen=True)
class NeverAScore(Instead):
    def instead(self, found: Columns, batch: EventBatch) -> Columns:
        return {"score": (found["score"] - 2).log()}


@dataclass(frozen=True)
class UndefinedTags(Instead):
    def instead(self, found: Columns, batch: EventBatch) -> Columns:
        ratio = batch.features[self.b_tag] / (1 + batch.features[self.b_tag])
        return {"score": found["score"] + torch.where(batch.mask, ratio, 0.0).amax(dim=1)}


@dataclass(frozen=True)
class SinglePrecision(Instead):
    def instead(self, found: Columns, batch: EventBatch) -> Columns:
        jets = torch.where(batch.mask[..., None], batch.momenta, 0.0).float()
        return {"mass": mass(jets.sum(dim=1)).double()}


@dataclass(frozen=True)
class OnTheCpu(Instead):
    def instead(self, found: Columns, batch: EventBatch) -> Columns:
        return {"score": found["score"] + torch.zeros(len(batch))}


@dataclass(frozen=True)
class IgnoresAnOption(JetScore):
    threshold: float = 0.5


@dataclass(frozen=True)
class Inverted(Instead):
    def instead(self, found: Columns, batch: EventBatch) -> Columns:
        return {"score": 1 - found["score"]}
