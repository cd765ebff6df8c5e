"""The classifier as a reconstructor: its options, its scores, and how it is trained."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Final, final

import torch
from torch import Tensor

from hepreco import Column, EventBatch, Reconstructor
from hepreco.errors import ConfigError, DatasetError
from hepreco.plugin import Axis, Option, Report, Trainable, TrainedNetwork, TrainingOptions, TrainsOn
from hepreco.training import split
from hepreco.weights import load_network
from hepreco_part_sm.classifier import ClassifierNetwork, likelihood_ratio
from hepreco_part_sm.labelled import Labelled
from hepreco_part_sm.models import Size, find_model
from hepreco_part_sm.particles import MOST, Particles, ParticleSelection
from hepreco_part_sm.training import balanced, calibrate, train_members

PACKAGED: Final = Path(__file__).parent / "weights" / "classifier"


@final
@dataclass(frozen=True)
class EventClassifier(ParticleSelection, Reconstructor, Trainable):
    """Probabilities of the processes that an event may come from.

    Parameters
    ----------
    model, size
        A name of :data:`~hepreco_part_sm.models.MODELS`, and ``full`` or ``small``.
    classes
        The processes; the first is the signal of the focal loss.
    signals
        Classes with a score against a mixture of all others.
    yields
        Expected numbers of events of the classes, up to a factor, which weight the classes in the mixtures. By default
        all equal.
    members
        Number of networks with different seeds, whose mean probability is given.
    weights_directory
        Directory of the trained weights; ``None`` takes those that come with the plugin.

    References
    ----------
    Attention to the strengths of physical interactions, arXiv:2211.05143.
    """

    trains_on: ClassVar[TrainsOn] = "classes"

    model: str = "pn-int-sm"
    size: Size = "small"
    classes: tuple[str, ...] = ("tttt", "tth", "ttw", "ttww", "ttz")
    signals: tuple[str, ...] = ("tttt", "tth")
    yields: tuple[float, ...] = ()
    members: int = 3
    weights_directory: str | None = None

    def __post_init__(self) -> None:
        find_model(self.model)
        if len(self.classes) < 2 or len(set(self.classes)) < len(self.classes) or self.members < 1:
            raise ConfigError(
                f"part-sm: {self.members} members for the classes {', '.join(self.classes)}",
                "give at least one member, and two or more classes of different names",
            )
        unknown = [name for name in self.signals if name not in self.classes]
        if unknown:
            raise ConfigError(f"part-sm: no class {unknown[0]!r}", f"choose signals among {', '.join(self.classes)}")
        if self.yields and (len(self.yields) != len(self.classes) or min(self.yields) <= 0):
            raise ConfigError(
                f"part-sm: yields {list(self.yields)} for the classes {', '.join(self.classes)}",
                "give one positive number for each, or none",
            )

    @property
    def outputs(self) -> tuple[Column, ...]:
        """Probabilities for equally frequent classes, their spread over the members, and a score for each signal."""
        return (
            Column("probability", per=len(self.classes), label="probability"),
            Column("spread", per=len(self.classes), label="spread of the probability"),
            *(Column(f"score_{name}", label=f"score of {name}", axis=Axis(1000, 0.0, 1.0)) for name in self.signals),
        )

    @property
    def weights(self) -> Path:
        """The directory of the trained weights."""
        return PACKAGED if self.weights_directory is None else Path(self.weights_directory)

    @property
    def network(self) -> dict[str, Option]:
        """The keyword arguments that build the network with these options."""
        return {"model": self.model, "size": self.size, "classes": list(self.classes), "members": self.members}

    def setup(self, device: str) -> None:
        """Load the weights and check that they were trained with these options."""
        self._loaded(torch.empty(0, device=device).device)

    def reconstruct(self, batch: EventBatch) -> Mapping[str, Tensor]:
        """Probabilities and scores of every event; NaN for events without objects or with non-finite momenta."""
        network = self._loaded(batch.device)
        particles = self.particles(batch)
        usable = particles.usable
        found = network(Particles(*(tensor[usable] for tensor in particles)))
        shape = (len(batch), len(self.classes))
        mean, spread = (batch.momenta.new_full(shape, torch.nan) for _ in range(2))
        mean[usable] = found.mean(dim=1)
        spread[usable] = (found - found.mean(dim=1, keepdim=True)).square().mean(dim=1).sqrt()
        yields = torch.tensor(self.yields or (1.0,) * len(self.classes), dtype=mean.dtype, device=batch.device)
        scores = {
            f"score_{name}": likelihood_ratio(mean, yields, signal=self.classes.index(name)) for name in self.signals
        }
        return {"probability": mean, "spread": spread, **scores}

    def train(self, samples: Mapping[str, EventBatch], options: TrainingOptions, *, report: Report) -> TrainedNetwork:
        """Train every member on the same events, all classes with the same weight, then calibrate their mean.

        Validation events determine the best epoch and the calibration.
        """
        if sorted(samples) != sorted(self.classes):
            raise DatasetError(
                f"part-sm: files of {', '.join(samples)}, expected {', '.join(self.classes)}",
                "give --files CLASS=FILE for every class, or name the classes with --option classes=[...]",
            )
        parts = [split(samples[name], fraction=options.validation_fraction, seed=options.seed) for name in self.classes]
        training, validation = (self._labelled([part[side] for part in parts]) for side in (0, 1))
        trained = train_members(
            self.model,
            size=self.size,
            classes=len(self.classes),
            members=self.members,
            training=training,
            validation=validation,
            options=options,
            report=report,
        )
        network = ClassifierNetwork(model=self.model, size=self.size, classes=self.classes, members=self.members)
        metrics = {"training_events": float(len(training.label)), "validation_events": float(len(validation.label))}
        history: dict[str, list[float]] = {}
        for number, (member, result) in enumerate(trained):
            network.members[number] = member
            metrics[f"validation_loss_{number}"] = result.best_loss
            metrics[f"best_epoch_{number}"] = float(result.best_epoch)
            history |= {f"{name}_{number}": values for name, values in result.history.items()}
        network.temperature, network.offset = calibrate([member for member, _ in trained], validation)
        metrics["temperature"] = float(network.temperature)
        return TrainedNetwork(network.state_dict(), network=self.network, metrics=metrics, history=history)

    def _labelled(self, batches: list[EventBatch]) -> Labelled:
        """Events of the classes, in order, in single precision and with balanced weights."""
        particles = [self.particles(batch.padded(MOST)) for batch in batches]
        label = torch.cat([torch.full((len(batch),), number) for number, batch in enumerate(batches)])
        momenta, kinds, missing = (torch.cat(tensors) for tensors in zip(*particles, strict=True))
        weight = balanced(label, torch.cat([batch.weight for batch in batches]))
        return Labelled(momenta.float(), kinds, missing.float(), label, weight.float())

    def _loaded(self, device: torch.device) -> ClassifierNetwork:
        return load_network(ClassifierNetwork, directory=self.weights, device=str(device), options=self.network)
