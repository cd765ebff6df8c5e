"""The two ways to train a policy: on |M|² of likely assignments, or by deep Q-learning as in arXiv:2507.13447."""

from collections.abc import Callable
from typing import cast

import torch
from jaxtyping import Float
from torch import Tensor

from hepreco.plugin import Report, TrainingOptions
from hepreco.training import FitResult, fit, initialised
from hepreco_me_assigner.problems import EVENTS_AT_A_TIME, Problem
from hepreco_me_assigner.process.frames import partonic
from hepreco_me_assigner.search import ranked_assignments
from hepreco_me_assigner.training.deep_q_learning import Schedule, learn
from hepreco_me_assigner.training.environment import SwapEnvironment
from hepreco_me_assigner.training.potential import Potential
from hepreco_me_assigner.training.q_network import QNetwork

#: Momenta (GeV) of training events and of validation events.
Samples = tuple[Float[Tensor, "event leg 4"], Float[Tensor, "other leg 4"]]


def train_potential(
    build: Callable[[], Potential],
    samples: Samples,
    *,
    calls: int,
    options: TrainingOptions,
    report: Report,
) -> tuple[Potential, FitResult]:
    """Fit a potential to ln|M|² of the assignments from which the policy chooses.

    Errors have weight (|M|²/|M|²_best)^(1/4), at least 0.02.
    """
    network = initialised(build, seed=options.seed)
    tables = [_table(network, momenta, calls) for momenta in samples]
    network.standardise(*tables[0][:2])
    return network, fit(network, _loss, training=tables[0], validation=tables[1], options=options, report=report)


def train_q_network(
    build: Callable[[], QNetwork],
    samples: Samples,
    *,
    schedule: Schedule,
    options: TrainingOptions,
    report: Report,
) -> tuple[QNetwork, FitResult]:
    """Train a network by deep Q-learning."""
    network = initialised(build, seed=options.seed)
    playing, watching = (SwapEnvironment(network.hypothesis, momenta.to(options.device)) for momenta in samples)
    result = learn(network, training=playing, validation=watching, schedule=schedule, options=options, report=report)
    return network, result


def _table(network: Potential, momenta: Float[Tensor, "event leg 4"], calls: int) -> tuple[Tensor, Tensor, Tensor]:
    """Features, ln|M|² − score and weights of the candidates of every event."""
    rows: list[tuple[Tensor, Tensor, Tensor]] = []
    for some in momenta.split(EVENTS_AT_A_TIME):
        problem = Problem(network.hypothesis, some)
        found = ranked_assignments(problem, at_most=calls)
        value = problem.value(found.objects)
        weight = ((value - value.amax(dim=1, keepdim=True)) / 4).exp().clamp(min=0.02)
        features = network.features(partonic(some[torch.arange(len(some))[:, None, None], found.objects]))
        rows.append((features.float(), (value - found.score).float(), weight.float()))
    return cast("tuple[Tensor, Tensor, Tensor]", tuple(map(torch.cat, zip(*rows, strict=True))))


def _loss(network: Potential, features: Tensor, excess: Tensor, weight: Tensor) -> Tensor:
    loss: Tensor = (weight * (network(features) - excess) ** 2).mean()
    return loss
