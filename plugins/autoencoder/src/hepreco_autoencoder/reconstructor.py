"""The reconstructor: its options, its inputs, its score, and how it is trained."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final, final

import torch
from jaxtyping import Float
from torch import Tensor

from hepreco.errors import ConfigError
from hepreco.events import EventBatch, InputSpec, ObjectSpec
from hepreco.plugin import Axis, Column, Option, Reconstructor, Report, Trainable, TrainedNetwork, TrainingOptions
from hepreco.training import fit, initialised, split
from hepreco.weights import load_network
from hepreco_autoencoder.network import Autoencoder, reconstruction_error

PACKAGED: Final = Path(__file__).parent / "weights"


@final
@dataclass(frozen=True)
class AutoencoderReconstructor(Reconstructor, Trainable):
    """The error with which an autoencoder reconstructs the objects of largest energy: an anomaly score.

    Parameters
    ----------
    collection
        The NanoAOD collection.
    where
        Cuts that an object must pass.
    objects
        Number of objects, those of largest energy, that the network reads; events with fewer have no score.
    hidden
        Sizes of the encoder's hidden layers.
    latent
        Size of the bottleneck.
    scale
        Unit of the network's inputs, in GeV.
    weights_directory
        Directory of the trained weights; ``None`` takes those that come with the plugin.

    References
    ----------
    arXiv:2507.13447, section 5.

    Example
    -------
    >>> AutoencoderReconstructor(latent=4).network["latent"]
    4
    """

    collection: str = "Jet"
    where: tuple[str, ...] = ("pt > 30", "|eta| < 2.4")
    objects: int = 6
    hidden: tuple[int, ...] = (64, 64)
    latent: int = 6
    scale: float = 100.0
    weights_directory: str | None = None

    def __post_init__(self) -> None:
        for name, sizes in (("objects", (self.objects,)), ("hidden", self.hidden), ("latent", (self.latent,))):
            if any(size < 1 for size in sizes):
                raise ConfigError(f"autoencoder: {name} = {getattr(self, name)}", "give sizes of at least 1")
        if not 0 < self.scale < float("inf"):
            raise ConfigError(f"autoencoder: scale = {self.scale}", "give a positive number of GeV, for example 100.0")

    @property
    def inputs(self) -> InputSpec:
        """All objects that pass, because the objects of largest energy may not be those of largest pt."""
        return InputSpec((ObjectSpec(self.collection, where=self.where, at_least=self.objects),))

    @property
    def outputs(self) -> tuple[Column, ...]:
        """The score, on an axis fine enough for ROC curves."""
        return (Column("error", label="reconstruction error", axis=Axis(1000, 1e-5, 1e3, "log")),)

    @property
    def weights(self) -> Path:
        """The directory of the trained weights."""
        return PACKAGED if self.weights_directory is None else Path(self.weights_directory)

    @property
    def network(self) -> dict[str, Option]:
        """The keyword arguments that build the network with these options."""
        return {"objects": self.objects, "hidden": list(self.hidden), "latent": self.latent, "scale": self.scale}

    def setup(self, device: str) -> None:
        """Load the weights and check that they were trained with these options."""
        self._loaded(torch.empty(0, device=device).device)

    def reconstruct(self, batch: EventBatch) -> Mapping[str, Tensor]:
        """The reconstruction error of every event, dimensionless."""
        network = self._loaded(batch.device)
        return {"error": reconstruction_error(network, network_inputs(batch, objects=self.objects))}

    def train(self, samples: Mapping[str, EventBatch], options: TrainingOptions, *, report: Report) -> TrainedNetwork:
        """Minimise the mean reconstruction error, in single precision."""
        training, validation = split(samples["events"], fraction=options.validation_fraction, seed=options.seed)
        network = initialised(self.build_network, seed=options.seed)
        result = fit(
            network,
            lambda network, momenta: reconstruction_error(network, momenta).mean(),
            training=(network_inputs(training, objects=self.objects).float(),),
            validation=(network_inputs(validation, objects=self.objects).float(),),
            options=options,
            report=report,
        )
        metrics = result.metrics(training=training, validation=validation)
        return TrainedNetwork(tensors=result.best, network=self.network, metrics=metrics, history=result.history)

    def build_network(self) -> Autoencoder:
        """Build an untrained network with these options."""
        return Autoencoder(objects=self.objects, hidden=self.hidden, latent=self.latent, scale=self.scale)

    def _loaded(self, device: torch.device) -> Autoencoder:
        return load_network(Autoencoder, directory=self.weights, device=str(device), options=self.network)


def network_inputs(batch: EventBatch, *, objects: int) -> Float[Tensor, "event object 4"]:
    """Four-momenta (GeV) of the objects of largest energy, in decreasing order.

    Training and analysis both use this function.
    """
    return batch.objects_ordered_by(batch.momenta[..., 0], at_most=objects).momenta
