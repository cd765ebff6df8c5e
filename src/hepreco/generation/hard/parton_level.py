"""Events at parton level: accepted points with particles, history, colour and decay channels."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from hepreco.amplitudes import mothers
from hepreco.formats.records import PartonEvents, join
from hepreco.generation.hard.colour_flow import colour_tags
from hepreco.generation.hard.decay_channels import DecayChannels
from hepreco.generation.hard.hard_process import HardProcess, Points
from hepreco.generation.hard.sampler import BATCH, Sampler, Tally
from hepreco.generation.randomness import uniforms

_DECAYS = 1


@dataclass(frozen=True)
class Batch:
    """The events of a batch of trials, the sums of the trials' weights, and the sum of the excess of weights over 1."""

    events: PartonEvents
    tally: Tally
    excess: float


def make_batch(sampler: Sampler, first: int, *, decay_channels: Callable[[HardProcess], DecayChannels | None]) -> Batch:
    """The events of one batch of trials, numbered from ``first``."""
    accepted = sampler.trials(first)
    made = []
    for channel, points, order in zip(sampler.channels, accepted.points, accepted.order, strict=True):
        decays = decay_channels(channel.process)
        width = 1 + (decays.numbers if decays else 0)
        u = uniforms(seed=sampler.seed, stream=_DECAYS, first=first, count=BATCH, width=width)[order]
        made.append(_record(channel.process, points, u, decays))
    order = torch.argsort(torch.cat(accepted.order))
    return Batch(join(made)[order], accepted.tally, accepted.excess)


def _record(
    process: HardProcess, points: Points, u: Float[Tensor, "event number"], decays: DecayChannels | None
) -> PartonEvents:
    size = 2 + len(process.particles)
    numbers = torch.tensor([0, 0, *(node.particle.pdg_id for node in process.particles)])
    pdg_id = numbers.expand(len(u), -1).clone()
    colour = torch.zeros((len(u), size, 2), dtype=torch.int64)
    for number, pair in enumerate(process.pairs):
        rows = points.pair == number
        pdg_id[rows, :2] = torch.tensor(pair)
        colour[rows] = colour_tags(
            process.matrix_element.process,
            process.trees,
            points.momenta[rows],
            u[rows, 0],
            exchanged=process.is_exchanged[number],
        )
    if decays:
        pdg_id = decays(pdg_id, u[:, 1:])
        is_lepton = (pdg_id.abs() >= 11) & (pdg_id.abs() <= 16)
        colour = torch.where(is_lepton[..., None], 0, colour)
    status = torch.tensor([-1, -1, *(2 if particle.daughters else 1 for particle in process.particles)])
    mother = torch.tensor([-1, -1, *(row + 2 if row >= 0 else -1 for row in mothers(process.trees))])
    return PartonEvents(
        momenta=points.momenta,
        pdg_id=pdg_id,
        status=status.expand(len(u), -1),
        mother=mother.expand(len(u), -1),
        colour=colour,
        weight=points.weights,
    )
