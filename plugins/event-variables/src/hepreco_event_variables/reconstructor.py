"""The learned variable as a reconstructor: its options, inputs, output and training."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from math import log
from pathlib import Path
from typing import ClassVar, Final, final

import torch
from torch import Tensor

from hepreco import Column, EventBatch, InputSpec, Reconstructor
from hepreco.errors import ConfigError
from hepreco.generation import TOPOLOGIES, Topology, find_topology
from hepreco.plugin import Axis, Option, Report, Trainable, TrainedNetwork, TrainingOptions, TrainsOn
from hepreco.training import fit, initialised
from hepreco.weights import load_network
from hepreco_event_variables.calibration import calibrate
from hepreco_event_variables.network import EventVariable, Recipe, loss_of_labelled, loss_of_pairs
from hepreco_event_variables.objects import VisibleObjects
from hepreco_event_variables.sampling import labelled, pairs

PACKAGED: Final = Path(__file__).parent / "weights"
#: Number of Θ of other events that ``improved`` pairs every event with.
FAKES: Final = 8


@final
@dataclass(frozen=True)
class LearnedVariable(Reconstructor, Trainable):
    """The event variable V that carries most information on unknown masses, learned by a network.

    Parameters
    ----------
    topology
        ``visible-pair``, ``semi-visible``, ``pair-semi-visible``, ``top-pair-dilepton``, or ``package.module:NAME``
        of a :class:`~hepreco.generation.Topology` of your own.
    collections
        The NanoAOD collection of each visible particle of the topology; ``Electron|Muon`` takes either. The objects of
        largest pt are taken. By default leptons for particles whose names begin with l, and jets for others.
    where
        Cuts on the objects.
    missing_momentum
        The collection of the missing momentum, for topologies with invisible particles.
    recipe, dimensions
        Recipe of the network, ``improved`` or ``paper``, and number of components of V.
    events
        Number of events generated for training and validation together.
    weights_directory
        Directory of the trained weights; ``None`` takes those that come with the plugin.

    References
    ----------
    Kim, Kong, Matchev, Park, Shyamsundar, arXiv:2105.10126.
    """

    trains_on: ClassVar[TrainsOn] = "generated"

    topology: str = "pair-semi-visible"
    collections: tuple[str, ...] = ()
    where: tuple[str, ...] = ("pt > 30", "|eta| < 2.4")
    missing_momentum: str = "PuppiMET"
    recipe: Recipe = "improved"
    dimensions: int = 1
    events: int = 1_250_000
    weights_directory: str | None = None

    def __post_init__(self) -> None:
        _ = self._objects
        if self.dimensions < 1 or self.events < 100:
            raise ConfigError(
                f"event-variables: dimensions = {self.dimensions}, events = {self.events}",
                "give at least one dimension, and at least 100 events",
            )

    @classmethod
    def examples(cls) -> tuple["LearnedVariable", ...]:
        """The other topologies."""
        return tuple(cls(topology=name) for name in TOPOLOGIES if name != cls().topology)

    @property
    def inputs(self) -> InputSpec:
        """The collections of the visible particles, and the missing momentum if some particles are invisible."""
        return self._objects.inputs

    @property
    def outputs(self) -> tuple[Column, ...]:
        """V, in GeV if the topology has a mass scale and V one component."""
        if self.dimensions > 1:
            return (Column("v", per=self.dimensions, label="$V$"),)
        if self._topology.scale is None:
            return (Column("v", label="$V$"),)
        return (Column("v", unit="GeV", label="$V$", axis=Axis(100, 0.0, 1000.0)),)

    @property
    def weights(self) -> Path:
        """The directory of the trained weights."""
        return PACKAGED / self.topology if self.weights_directory is None else Path(self.weights_directory)

    @property
    def network(self) -> dict[str, Option]:
        """The keyword arguments that build the network with these options."""
        return {"topology": self.topology, "recipe": self.recipe, "dimensions": self.dimensions}

    def setup(self, device: str) -> None:
        """Load the weights and check that they were trained with these options."""
        self._loaded(torch.empty(0, device=device).device)

    def reconstruct(self, batch: EventBatch) -> Mapping[str, Tensor]:
        """V of every event; NaN where there are fewer objects than visible particles."""
        network = self._loaded(batch.device)
        visible, enough = self._objects.select(batch)
        found = batch.momenta.new_full((len(batch), self.dimensions), torch.nan)
        features = network.features(visible[enough], batch.missing_momentum[enough])
        value = network(features)
        if self.dimensions > 1:
            found[enough] = value
            return {"v": found}
        found[enough, 0] = network.in_gev(value)
        return {"v": found[:, 0]}

    def train(self, _samples: Mapping[str, EventBatch], options: TrainingOptions, *, report: Report) -> TrainedNetwork:
        """Train V and its classifier on events that are generated from the seed, then calibrate V.

        ``paper`` pairs every second event with the Θ of another, once and for all; ``improved`` pairs every event of a
        minibatch with its own and with those of eight others.
        """
        network = initialised(self.build_network, seed=options.seed)
        validating = max(1, round(self.events * options.validation_fraction))
        training = pairs(network, events=self.events - validating, seed=options.seed)
        validation = pairs(network, events=validating, seed=options.seed, first=self.events - validating)
        network.standardise(training[0])
        paper = self.recipe == "paper"
        result = fit(
            network,
            loss_of_labelled if paper else partial(loss_of_pairs, fakes=FAKES),
            training=labelled(*training) if paper else training,
            validation=labelled(*validation) if paper else validation,
            options=options,
            report=report,
        )
        network.cpu()
        spread = calibrate(network, seed=options.seed)
        metrics = result.metrics(training=range(self.events - validating), validation=range(validating))
        metrics |= {"information_nat": log(2) - result.best_loss, "peak_spread": spread}
        return TrainedNetwork(network.state_dict(), network=self.network, metrics=metrics, history=result.history)

    def build_network(self) -> EventVariable:
        """Build an untrained network with these options."""
        return EventVariable(topology=self.topology, recipe=self.recipe, dimensions=self.dimensions)

    @property
    def _topology(self) -> Topology:
        return find_topology(self.topology)

    @property
    def _objects(self) -> VisibleObjects:
        topology = self._topology
        named = tuple("Electron|Muon" if name.startswith("l") else "Jet" for name in topology.visible)
        if self.collections and len(self.collections) != len(named):
            raise ConfigError(
                f"event-variables: {len(self.collections)} collections for the visible particles of {self.topology!r}",
                f"name one for each of {', '.join(topology.visible)}",
            )
        missing = self.missing_momentum if topology.invisible else None
        return VisibleObjects(self.collections or named, self.where, missing)

    def _loaded(self, device: torch.device) -> EventVariable:
        return load_network(EventVariable, directory=self.weights, device=str(device), options=self.network)
