"""Unweighted events of hard processes: adapts grids, finds the largest weights, and accepts or rejects points."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Final

import torch
from jaxtyping import Float
from torch import Tensor

from hepreco.errors import ConfigError
from hepreco.formats.records import CrossSection
from hepreco.generation.hard.hard_process import HardProcess, Points
from hepreco.generation.hard.importance import Grid
from hepreco.generation.randomness import uniforms

#: Streams of random numbers: of trials, and of the adaptation of the first channel.
_TRIALS, _ADAPT = 0, 1000
#: Trials per batch; the events do not depend on it.
BATCH: Final = 2**14


@dataclass(frozen=True)
class IntegrationBudget:
    """Numbers of points to adapt with before events are made.

    Parameters
    ----------
    iterations
        Number of refinements of the grids.
    points
        Points per refinement, shared by the channels of a process.
    last
        Points to find the largest weights and the cross-section, shared likewise.
    """

    iterations: int = 7
    points: int = 20_000
    last: int = 60_000

    def __post_init__(self) -> None:
        if min(self.iterations, self.points - 1, self.last - 1) < 0:
            raise ConfigError(
                f"{self.iterations} refinements of {self.points} points, then {self.last} points",
                "adapt with one point or more, and no fewer than 0 refinements",
            )

    def shared_by(self, channels: int) -> "IntegrationBudget":
        """Of each of several channels; some are needed in any case."""
        points, last = min(self.points, 8_000), min(self.last, 15_000)
        return replace(self, points=max(points, self.points // channels), last=max(last, self.last // channels))


@dataclass(frozen=True)
class Channel:
    """A channel of a process, with its grid.

    ``max_weight`` (pb) is the weight of an accepted event: points are accepted with probability weight/max_weight.
    """

    process: HardProcess
    t_channel: int
    grid: Grid
    max_weight: float = math.inf

    def __call__(self, u: Float[Tensor, "event dimension"]) -> Points:
        """Weighted points of uniform numbers."""
        coordinates, jacobian = self.grid(u)
        points = self.process(coordinates, self.process.t_channels[self.t_channel])
        return replace(points, weights=points.weights * jacobian)


@dataclass(frozen=True)
class Tally:
    """Sums over the trials of each channel, (channel, 3): number, weights (pb) and squared weights (pb²)."""

    sums: Float[Tensor, "channel 3"]

    def __add__(self, other: "Tally") -> "Tally":
        return Tally(self.sums + other.sums)

    @property
    def cross_section(self) -> CrossSection:
        """The cross-section, summed over channels."""
        number, first, second = self.sums.unbind(1)
        mean = first / number
        variance = (second / number - mean**2).clamp(min=0) / (number - 1).clamp(min=1)
        return CrossSection(float(mean.sum()), math.sqrt(float(variance.sum())))


@dataclass(frozen=True)
class Accepted:
    """The result of a batch of trials: accepted points of each channel, with weights of about 1, and sums.

    ``order`` gives the position of each accepted point in the batch, by channel.
    """

    points: tuple[Points, ...]
    order: tuple[Tensor, ...]
    tally: Tally
    excess: float
    """The sum of the excess of weights over 1."""


@dataclass(frozen=True)
class Sampler:
    """Adapted channels that can make events; see :func:`adapt`."""

    channels: tuple[Channel, ...]
    tally: Tally
    seed: int

    @property
    def processes(self) -> tuple[HardProcess, ...]:
        """The processes of the channels."""
        return tuple(dict.fromkeys(channel.process for channel in self.channels))

    @property
    def efficiency(self) -> float:
        """The expected fraction of trials that are accepted."""
        return self.tally.cross_section.value / sum(channel.max_weight for channel in self.channels)

    def trials(self, first: int, count: int = BATCH) -> Accepted:
        """Make trials numbered from ``first``: each chooses a channel, makes a point, and accepts or rejects it."""
        width = 2 + max(channel.process.dimensions for channel in self.channels)
        u = uniforms(seed=self.seed, stream=_TRIALS, first=first, count=count, width=width)
        share = torch.tensor([channel.max_weight for channel in self.channels], dtype=torch.float64).cumsum(0)
        which = torch.searchsorted(share / share[-1], u[:, 0].contiguous()).clamp(max=len(self.channels) - 1)
        points, order, sums, excess = [], [], [], 0.0
        for number, channel in enumerate(self.channels):
            rows = (which == number).nonzero()[:, 0]
            made = channel(u[rows, 2 : 2 + channel.process.dimensions])
            sums.append(_sums(made.weights))
            relative = made.weights / channel.max_weight
            keep = relative > u[rows, 1]
            excess += float((relative - 1).clamp(min=0).sum())
            points.append(Points(relative[keep].clamp(min=1.0), made.momenta[keep], made.pair[keep]))
            order.append(rows[keep])
        return Accepted(tuple(points), tuple(order), Tally(torch.stack(sums)), excess)


def adapt(
    processes: Sequence[HardProcess],
    *,
    seed: int,
    budget: IntegrationBudget = IntegrationBudget(),
    overweight: float = 3e-3,
    progress: Callable[[float], None] = lambda _: None,
) -> Sampler:
    """Adapt the grids of processes, and find the largest weights.

    Parameters
    ----------
    processes
        The processes, whose events are mixed in proportion to their cross-sections.
    seed
        Seed of all random numbers of the sample.
    budget
        Numbers of points to use.
    overweight
        The allowed excess of weights over the largest expected weight, as a fraction of the cross-section; events with
        such weights keep a weight above 1.
    progress
        Called with the fraction that is done.

    Raises
    ------
    ConfigError
        The cross-section is zero.
    """
    t_channels = [(process, t_channel) for process in processes for t_channel in range(len(process.t_channels))]
    channels, weights = [], []
    for number, (process, t_channel) in enumerate(t_channels):
        flat = Channel(process, t_channel, Grid.flat(process.dimensions))
        share = budget.shared_by(len(process.t_channels))
        channel, found = _adapt(flat, share, seed=seed, stream=_ADAPT + number)
        progress((number + 1) / len(t_channels))
        if found.any():
            channels.append(channel)
            weights.append(found)
    if not channels:
        names = ", ".join(f"'{process.process}'" for process in processes)
        raise ConfigError(
            f"no point of {names} passes the cuts: the cross-section is 0", "loosen cuts or raise energies"
        )
    max_weights = _max_weights(weights, overweight)
    ready = tuple(
        replace(channel, max_weight=max_weight) for channel, max_weight in zip(channels, max_weights, strict=True)
    )
    return Sampler(ready, Tally(torch.stack([_sums(found) for found in weights])), seed)


def _adapt(channel: Channel, budget: IntegrationBudget, *, seed: int, stream: int) -> tuple[Channel, Tensor]:
    """A channel with a refined grid, and weights of independent points."""
    width, first = channel.process.dimensions, 0
    for _ in range(budget.iterations):
        u = uniforms(seed=seed, stream=stream, first=first, count=budget.points, width=width)
        channel = replace(channel, grid=channel.grid.refined(u, _in_batches(channel, u)))
        first += budget.points
    return channel, _in_batches(
        channel, uniforms(seed=seed, stream=stream, first=first, count=budget.last, width=width)
    )


def _in_batches(channel: Channel, u: Tensor) -> Tensor:
    return torch.cat([channel(some).weights for some in u.split(BATCH)])


def _max_weights(weights: Sequence[Tensor], overweight: float) -> list[float]:
    """The largest weight of each channel, with the smallest sum that the allowed excess over all channels permits.

    The derivative of the excess Σ ⟨max(w − c, 0)⟩ with respect to a channel's largest weight c is minus the probability
    to exceed c. The sum of largest weights is minimal for a given excess if this probability is equal in all channels.
    """
    total = sum(float(some.mean()) for some in weights)
    ordered = [some.sort(descending=True).values for some in weights]

    def at(probability: float) -> tuple[list[float], float]:
        max_weights = [float(some[min(int(probability * len(some)), int((some > 0).sum()) - 1)]) for some in ordered]
        excess = sum(
            float((some - max_weight).clamp(min=0).mean())
            for some, max_weight in zip(ordered, max_weights, strict=True)
        )
        return max_weights, excess

    low, high = 0.0, 1.0
    for _ in range(40):
        middle = (low + high) / 2
        low, high = (middle, high) if at(middle)[1] <= overweight * total else (low, middle)
    return at(low)[0]


def _sums(weights: Tensor) -> Tensor:
    return torch.stack((weights.new_tensor(len(weights)), weights.sum(), (weights**2).sum()))
