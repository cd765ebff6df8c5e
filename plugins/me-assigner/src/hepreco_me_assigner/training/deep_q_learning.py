"""Deep Q-learning with replay buffers separated by reward (arXiv:2507.13447, sections 2 and 3, Table 1)."""

from copy import deepcopy
from dataclasses import dataclass
from typing import Final

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from hepreco.plugin import Report, TrainingOptions
from hepreco.training import FitResult, seeded, train_by_epochs
from hepreco_me_assigner.training.environment import State, SwapEnvironment
from hepreco_me_assigner.training.q_network import QNetwork

#: Rewards that separate the buffers.
EDGES: Final = (-10.0, 0.0, 10.0)


@dataclass(frozen=True)
class Schedule:
    """Hyperparameters. Defaults are those of the paper, unless it states none or they need millions of episodes.

    Parameters
    ----------
    discount
        γ; in the paper 0.5 for tt̄ and WWuu, 0.01 for tt̄W and tt̄tt̄.
    parallel, updates
        A round plays ``parallel`` episodes at once, and makes ``updates`` gradient steps per step of the episodes. Both
        are 1 in the released code.
    buffer
        Number of transitions in each of the four buffers: rewards up to −10, up to 0, up to 10, and above.
    exploration, least_exploration, decay
        Probability of a random exchange in every second round: its first and its smallest value, and its factor per
        round.
    target_every
        Number of rounds between updates of the target network.
    reward_scale
        Rewards are multiplied by this number.
    """

    discount: float = 0.5
    parallel: int = 64
    updates: int = 1
    buffer: int = 50_000
    exploration: float = 1.0
    least_exploration: float = 0.5
    decay: float = 0.999
    target_every: int = 100
    reward_scale: float = 0.1


@dataclass(frozen=True)
class Transitions:
    """Steps of episodes: states, actions, rewards, next states, and the actions that these exclude."""

    events: Int[Tensor, " step"]
    order: Int[Tensor, "step leg"]
    action: Int[Tensor, " step"]
    reward: Float[Tensor, " step"]
    after: Int[Tensor, "step leg"]
    used: Bool[Tensor, "step action"]
    last: Bool[Tensor, " step"]


class Replay(nn.Module):
    """Four ring buffers of transitions, by reward; a module, so that checkpoints contain them.

    Parameters
    ----------
    size
        Number of transitions in each ring.
    legs, actions
        Numbers of final legs and of actions of the environment.
    """

    added: Tensor

    def __init__(self, size: int, *, legs: int, actions: int) -> None:
        super().__init__()
        self.size = size
        rings = len(EDGES) + 1
        self.register_buffer("added", torch.zeros(rings, dtype=torch.int64))
        self.held = nn.ParameterDict()
        for name, per_step, dtype in (
            ("events", (), torch.int64),
            ("order", (legs,), torch.int64),
            ("action", (), torch.int64),
            ("reward", (), torch.float64),
            ("after", (legs,), torch.int64),
            ("used", (actions,), torch.bool),
            ("last", (), torch.bool),
        ):
            values = torch.zeros(rings, size, *per_step, dtype=dtype)
            self.held[name] = nn.Parameter(values, requires_grad=False)

    def add(self, transitions: Transitions) -> None:
        """Add transitions, which replace the oldest."""
        kind = torch.bucketize(transitions.reward, transitions.reward.new_tensor(EDGES))
        for ring in range(len(self.added)):
            chosen = torch.nonzero(kind == ring)[:, 0]
            where = (self.added[ring] + torch.arange(len(chosen), device=chosen.device)) % self.size
            for name, values in vars(transitions).items():
                self.held[name][ring, where] = values[chosen]
            self.added[ring] += len(chosen)

    def draw(self, number: int, generator: torch.Generator) -> Transitions:
        """Draw transitions in equal parts from all rings that are not empty."""
        counts = [(ring, min(added, self.size)) for ring, added in enumerate(self.added.tolist()) if added]
        share = max(1, number // len(counts))
        rows = [torch.randint(count, (share,), generator=generator).to(self.added.device) for _, count in counts]
        rings = torch.tensor([ring for ring, _ in counts], device=self.added.device).repeat_interleave(share)
        return Transitions(**{name: values[rings, torch.cat(rows)] for name, values in self.held.items()})


class Memory(nn.Module):
    """The state of the training beside the network: target network, replay buffers, and number of rounds."""

    rounds: Tensor

    def __init__(self, network: QNetwork, environment: SwapEnvironment, schedule: Schedule) -> None:
        super().__init__()
        self.schedule = schedule
        self.target = deepcopy(network).requires_grad_(requires_grad=False)
        self.replay = Replay(schedule.buffer, legs=environment.hypothesis.legs, actions=len(environment.actions))
        self.register_buffer("rounds", torch.zeros((), dtype=torch.int64))

    def extra_repr(self) -> str:
        """The schedule, so that a checkpoint with another schedule is refused."""
        return repr(self.schedule)


def learn(
    network: QNetwork,
    *,
    training: SwapEnvironment,
    validation: SwapEnvironment,
    schedule: Schedule,
    options: TrainingOptions,
    report: Report = lambda _epoch, _losses: None,
) -> FitResult:
    """Train a network in place.

    In an epoch every training event is played once. The training loss is that of Q-learning; the validation loss is
    minus the mean gain of ln|M|² in greedy episodes.
    Unlike in the released code of the paper, there is no dropout in acting and evaluation, and the mask applies to
    random exchanges and to the maximum over next actions.
    """
    memory = Memory(network, training, schedule)
    start = validation.log_me2(validation.reset(_all(validation)))

    def epoch(optimizer: torch.optim.Optimizer, generator: torch.Generator) -> float:
        losses: list[float] = []
        for events in torch.randperm(len(training), generator=generator).split(schedule.parallel):
            with seeded(int(torch.randint(2**62, (), generator=generator)), device=options.device):
                losses += _round(network, memory, training, events, optimizer, generator, options.batch_size)
        return sum(losses) / len(losses)

    def loss() -> float:
        return float((start - validation.log_me2(rollout(network, validation))).mean())

    sample = (training.momenta, validation.momenta)
    return train_by_epochs(
        network, train=epoch, validate=loss, sample=sample, options=options, report=report, memory=memory
    )


@torch.no_grad()
def rollout(network: QNetwork, environment: SwapEnvironment) -> State:
    """The final states of greedy episodes of all events. No |M|² is computed."""
    state = environment.reset(_all(environment))
    for _ in range(environment.steps):
        state = environment.exchange(state, _best(network, environment, state))
    return state


def _all(environment: SwapEnvironment) -> Tensor:
    return torch.arange(len(environment), device=environment.momenta.device)


def _round(
    network: QNetwork,
    memory: Memory,
    environment: SwapEnvironment,
    events: Tensor,
    optimizer: torch.optim.Optimizer,
    generator: torch.Generator,
    batch_size: int,
) -> list[float]:
    """Play episodes, store their transitions, and train after every step; returns the losses."""
    schedule, number = memory.schedule, int(memory.rounds)
    epsilon = max(schedule.least_exploration, schedule.exploration * schedule.decay**number) if number % 2 else 0.0
    state, losses = environment.reset(events.to(environment.momenta.device)), []
    for step in range(environment.steps):
        action = _best(network, environment, state)
        if epsilon:
            action = _explored(action, state, epsilon, generator)
        after, reward = environment.step(state, action)
        last = torch.full_like(action, step + 1 == environment.steps, dtype=torch.bool)
        memory.replay.add(Transitions(state.events, state.order, action, reward, after.order, after.used, last))
        state = after
        for _ in range(schedule.updates):
            batch = memory.replay.draw(batch_size, generator)
            losses.append(_update(network, memory.target, environment, optimizer, batch, schedule))
    memory.rounds += 1
    if number % schedule.target_every == 0:
        memory.target.load_state_dict(network.state_dict())
    return losses


@torch.no_grad()
def _best(network: QNetwork, environment: SwapEnvironment, state: State) -> Tensor:
    values = network.eval()(environment.observation(state).to(network.momentum.weight.dtype))
    return values.masked_fill(state.used, -torch.inf).argmax(dim=1)


def _explored(action: Tensor, state: State, epsilon: float, generator: torch.Generator) -> Tensor:
    """Replace actions, with probability ε, by random ones that the mask allows."""
    device = action.device
    random = torch.rand(state.used.shape, generator=generator).to(device).masked_fill(state.used, -1.0).argmax(dim=1)
    return torch.where(torch.rand(len(action), generator=generator).to(device) < epsilon, random, action)


def _update(
    network: QNetwork,
    target: QNetwork,
    environment: SwapEnvironment,
    optimizer: torch.optim.Optimizer,
    batch: Transitions,
    schedule: Schedule,
) -> float:
    """One step down the squared difference of Q(s, a) and r + γ max Q'(s', a')."""
    before, after = (
        environment.observation(State(batch.events, order, batch.used)).float() for order in (batch.order, batch.after)
    )
    with torch.no_grad():
        following = target.eval()(after).masked_fill(batch.used, -torch.inf).amax(dim=1)
        goal = schedule.reward_scale * batch.reward + schedule.discount * ~batch.last * following
    value = network.train()(before).gather(1, batch.action[:, None])[:, 0]
    loss = torch.nn.functional.mse_loss(value, goal.float())
    optimizer.zero_grad()
    torch.autograd.backward(loss)
    optimizer.step()
    return loss.item()
