"""Policies of processes: their weights, bounds and training."""

from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import Final, Literal, cast

import torch

from hepreco.errors import ConfigError
from hepreco.plugin import Report, TrainedNetwork, TrainingOptions
from hepreco.training import FitResult
from hepreco.weights import load_network, read_card
from hepreco_me_assigner.problems import Problem
from hepreco_me_assigner.process import PROCESSES, Hypothesis
from hepreco_me_assigner.search import Bounds, measured_bounds
from hepreco_me_assigner.training import Potential, QNetwork, Samples, Schedule, train_potential, train_q_network

PACKAGED: Final = Path(__file__).parent / "weights"
#: Bounds with which no assignment is certified.
NO_BOUNDS: Final = Bounds(float("inf"), float("inf"))
#: Processes with the bounds of another, since their |M|² differ by a constant factor below 1: W → ℓν has no colours.
SAME_BOUNDS: Final = MappingProxyType({"ttbar-lepton-jets": "ttbar"})
#: Discounts γ of the paper that are not 0.5.
PAPER_DISCOUNTS: Final = MappingProxyType({"ttw": 0.01, "tttt": 0.01})
#: Ways to train a policy, by name.
Recipe = Literal["efficient", "paper"]


@dataclass(frozen=True)
class Policy:
    """A policy and its training; the fields are the reconstructor's options of the same names."""

    process: str
    weights_directory: str | None
    recipe: Recipe
    hidden: tuple[int, ...]
    discount: float | None

    def __post_init__(self) -> None:
        if self.discount is not None and not 0 <= self.discount < 1:
            raise ConfigError(f"me-assigner: discount = {self.discount}", "give a number from 0 to below 1")

    @property
    def directory(self) -> Path:
        """The directory of the weights."""
        return PACKAGED / self.process if self.weights_directory is None else Path(self.weights_directory)

    @property
    def bounds(self) -> Bounds:
        """The bounds measured in training; infinite if there are no weights."""
        is_packaged = self.weights_directory is None
        directory = PACKAGED / SAME_BOUNDS.get(self.process, self.process) if is_packaged else self.directory
        if is_packaged and (self.process not in PROCESSES or not directory.exists()):
            return NO_BOUNDS
        metrics = read_card(directory).metrics
        return Bounds(metrics["bound_overall"], metrics["bound_within"])

    def network(self, device: torch.device, *, proposes: bool) -> Potential | QNetwork:
        """The trained network; with ``proposes``, one that can propose assignments, which a transformer cannot."""
        kind = QNetwork if "heads" in read_card(self.directory).network else Potential
        network = cast("Potential | QNetwork", load_network(kind, directory=self.directory, device=str(device)))
        if network.process != self.process:
            raise ConfigError(
                f"me-assigner: the weights in {self.directory} are of {network.process!r}, not of {self.process!r}",
                "choose weights of this process, or train them",
            )
        if proposes and isinstance(network, QNetwork):
            raise ConfigError(
                f"me-assigner: the weights in {self.directory} value exchanges, which beam cannot use",
                'choose solver = "policy", or weights of the efficient recipe',
            )
        return network

    def train(
        self, hypothesis: Hypothesis, samples: Samples, *, calls: int, options: TrainingOptions, report: Report
    ) -> TrainedNetwork:
        """Train by the recipe, then measure the bounds of ``exact``."""
        training, validation = samples
        trained: tuple[Potential | QNetwork, FitResult]
        if self.recipe == "efficient":
            potential = partial(Potential, process=self.process, hidden=self.hidden)
            trained = train_potential(potential, samples, calls=calls, options=options, report=report)
        else:
            discount = PAPER_DISCOUNTS.get(self.process, 0.5) if self.discount is None else self.discount
            schedule, playing = Schedule(discount=discount), partial(QNetwork, process=self.process)
            trained = train_q_network(playing, samples, schedule=schedule, options=options, report=report)
        network, result = trained
        bounds = measured_bounds(Problem(hypothesis, training[:2000]), candidates_per_event=calls)
        metrics = result.metrics(training=training, validation=validation)
        metrics |= {"bound_overall": bounds.overall, "bound_within": bounds.within}
        return TrainedNetwork(tensors=result.best, network=network.options, metrics=metrics, history=result.history)
