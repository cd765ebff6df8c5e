"""Classifiers turned into anomaly detectors, as a reconstructor: options, score, and training."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final, final

import torch
from torch import Tensor

from hepreco import Column, EventBatch, Reconstructor
from hepreco.errors import ConfigError
from hepreco.plugin import Axis, Option, Report, Trainable, TrainedNetwork, TrainingOptions
from hepreco.training import FitResult, fit, initialised, split
from hepreco.weights import load_network
from hepreco_part_sm.distortion import Distortion
from hepreco_part_sm.labelled import Labelled
from hepreco_part_sm.models import Size, find_model
from hepreco_part_sm.one_class import OUTPUTS, Method, OneClassNetwork
from hepreco_part_sm.particles import MOST, Particles, ParticleSelection
from hepreco_part_sm.training import train_member

PACKAGED: Final = Path(__file__).parent / "weights" / "anomaly"


@final
@dataclass(frozen=True)
class AnomalyDetector(ParticleSelection, Reconstructor, Trainable):
    """An anomaly score that is large for events unlike those of the training.

    It is trained on background events alone; their weights are ignored.

    Parameters
    ----------
    method
        ``deep-svdd``: the squared distance of ten outputs to a fixed centre, minimised in training; or ``ddd``,
        discriminatory detection of distortions: the log-odds that the event is a distorted copy of another.
    model, size
        The backbone: a name of :data:`~hepreco_part_sm.models.MODELS`, and ``full`` or ``small``. Trees need ``ddd``.
    pt_spread, angle_spread, swap
        How much copies are distorted: see :class:`~hepreco_part_sm.distortion.Distortion`.
    weights_directory
        Directory of the trained weights; ``None`` takes those that come with the plugin, of ``ddd`` trained on
        backgrounds of tt̄tt̄.

    References
    ----------
    Caron et al., arXiv:2406.18469, with other distortions; Ruff et al., arXiv:1801.06365, here without weight decay.

    Example
    -------
    >>> AnomalyDetector(method="ddd").outputs[0].label
    'log-odds of a distorted copy'
    """

    method: Method = "ddd"
    model: str = "part-int-sm"
    size: Size = "small"
    pt_spread: float = 0.3
    angle_spread: float = 0.3
    swap: float = 0.1
    weights_directory: str | None = None

    def __post_init__(self) -> None:
        if find_model(self.model).backbone == "trees" and self.method == "deep-svdd":
            raise ConfigError(
                f"part-sm-anomaly: {self.model} has no gradient, which deep-svdd needs",
                "choose another model, or method = 'ddd'",
            )
        _ = self._distortion  # is checked now

    @property
    def outputs(self) -> tuple[Column, ...]:
        """The score, on an axis fine enough for ROC curves; higher is more anomalous."""
        if self.method == "ddd":
            return (Column("score", label="log-odds of a distorted copy", axis=Axis(1000, -15.0, 15.0)),)
        return (Column("score", label="squared distance to the centre", axis=Axis(1000, 1e-10, 1e2, "log")),)

    @property
    def weights(self) -> Path:
        """The directory of the trained weights."""
        return PACKAGED if self.weights_directory is None else Path(self.weights_directory)

    @property
    def network(self) -> dict[str, Option]:
        """The keyword arguments that build the network with these options."""
        return {"method": self.method, "model": self.model, "size": self.size}

    def setup(self, device: str) -> None:
        """Load the weights and check that they were trained with these options."""
        self._loaded(torch.empty(0, device=device).device)

    def reconstruct(self, batch: EventBatch) -> Mapping[str, Tensor]:
        """The score of every event; NaN for events without objects or with non-finite momenta."""
        network = self._loaded(batch.device)
        particles = self.particles(batch)
        usable = particles.usable
        score = batch.momenta.new_full((len(batch),), torch.nan)
        score[usable] = network(Particles(*(tensor[usable] for tensor in particles)))
        return {"score": score}

    def train(self, samples: Mapping[str, EventBatch], options: TrainingOptions, *, report: Report) -> TrainedNetwork:
        """Minimise the distance to the centre, or separate events from distorted copies, in single precision.

        There is one copy per event, the same in all epochs. All randomness comes from ``options.seed``.
        """
        parts = split(samples["events"], fraction=options.validation_fraction, seed=options.seed)
        training, validation = (self.particles(part.padded(MOST)) for part in parts)
        train = self._train_on_copies if self.method == "ddd" else self._train_to_center
        network, result = train(training, validation, options, report)
        metrics = result.metrics(training=training.kinds, validation=validation.kinds)
        return TrainedNetwork(network.state_dict(), network=self.network, metrics=metrics, history=result.history)

    def build_network(self) -> OneClassNetwork:
        """Build an untrained network with these options."""
        return OneClassNetwork(method=self.method, model=self.model, size=self.size)

    def _train_to_center(
        self, training: Particles, validation: Particles, options: TrainingOptions, report: Report
    ) -> tuple[OneClassNetwork, FitResult]:
        network = initialised(self.build_network, seed=options.seed)
        training, validation = _single(training), _single(validation)
        network.settle(training, seed=options.seed)
        result = fit(
            network,
            lambda network, *tensors: network(Particles(*tensors)).mean(),
            training=training,
            validation=validation,
            options=options,
            report=report,
            fixed_shapes=False,
        )
        return network.cpu(), result

    def _train_on_copies(
        self, training: Particles, validation: Particles, options: TrainingOptions, report: Report
    ) -> tuple[OneClassNetwork, FitResult]:
        both = Particles(*(torch.cat(tensors) for tensors in zip(training, validation, strict=True)))
        copies = self._distortion.distorted(both, torch.Generator().manual_seed(options.seed))
        sizes = [len(training.kinds), len(validation.kinds)]
        own, other = (Particles(*(tensor.split(sizes)[side] for tensor in copies)) for side in (0, 1))
        network = self.build_network()
        network.backbone, result = train_member(
            self.model,
            size=self.size,
            classes=OUTPUTS["ddd"],
            training=_labelled(training, own),
            validation=_labelled(validation, other),
            options=options,
            report=report,
        )
        return network, result

    @property
    def _distortion(self) -> Distortion:
        return Distortion(pt_spread=self.pt_spread, angle_spread=self.angle_spread, swap=self.swap)

    def _loaded(self, device: torch.device) -> OneClassNetwork:
        return load_network(OneClassNetwork, directory=self.weights, device=str(device), options=self.network)


def _single(particles: Particles) -> Particles:
    return Particles(particles.momenta.float(), particles.kinds, particles.missing_momentum.float())


def _labelled(originals: Particles, copies: Particles) -> Labelled:
    """Originals are of class 0 and copies of class 1."""
    momenta, kinds, missing = (torch.cat(tensors) for tensors in zip(originals, copies, strict=True))
    label = torch.arange(2).repeat_interleave(len(originals.kinds))
    return Labelled(momenta.float(), kinds, missing.float(), label, torch.ones(len(label)))
