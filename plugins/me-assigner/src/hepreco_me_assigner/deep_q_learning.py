"""Deep Q-learning with replay buffers by reward (arXiv:2507.13447, sections 2 and 3, Table 1)."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from hepreco_me_assigner.environment import State, SwapEnvironment
from hepreco_me_assigner.q_network import QNetwork


@dataclass(frozen=True)
class Schedule:
    """How to learn; the defaults are the paper's where it states them.

    Parameters
    ----------
    rounds
        Each plays ``parallel`` episodes at once, and makes ``updates`` gradient steps per step of the episodes.
    parallel, updates
        One and one is the released code.
    discount
        γ; the paper has 0.5 for tt̄ and WWuu, 0.01 for tt̄W and tt̄tt̄.
    buffer
        States in each of the four buffers: rewards below −10, up to 0, up to 10, and above.
    batch_size
        Drawn in equal parts from the buffers that hold anything.
    learning_rate
        Of Adam.
    exploration, least_exploration, decay
        Probability of a random exchange in every second round: its start, its end, its factor per round.
    target_every
        Rounds after which the target network is renewed.
    reward_scale
        Rewards are learned in these units.
    """

    rounds: int
    parallel: int = 64
    updates: int = 1
    discount: float = 0.5
    buffer: int = 50_000
    batch_size: int = 256
    learning_rate: float = 5e-5
    exploration: float = 1.0
    least_exploration: float = 0.5
    decay: float = 0.999
    target_every: int = 100
    reward_scale: float = 0.1


class Replay:
    """Four rings of transitions, by reward."""

    EDGES = (-10.0, 0.0, 10.0)

    def __init__(self, size: int) -> None:
        self.size = size
        self.rings: list[dict[str, Tensor]] = [{} for _ in range(len(self.EDGES) + 1)]
        self.added = [0] * len(self.rings)

    def add(self, transitions: dict[str, Tensor]) -> None:
        """Keep transitions, in place of the oldest."""
        kind = torch.bucketize(transitions["reward"], torch.tensor(self.EDGES).to(transitions["reward"]))
        for number, ring in enumerate(self.rings):
            chosen = kind == number
            count = int(chosen.sum())
            where = (self.added[number] + torch.arange(count)) % self.size
            for name, values in transitions.items():
                if name not in ring:
                    ring[name] = values.new_zeros((self.size, *values.shape[1:]))
                ring[name][where] = values[chosen]
            self.added[number] += count

    def draw(self, number: int, generator: torch.Generator) -> dict[str, Tensor]:
        """Transitions in equal parts from the rings that hold any."""
        held = [(ring, min(added, self.size)) for ring, added in zip(self.rings, self.added, strict=True) if added]
        share = max(1, number // len(held))
        rows = [torch.randint(count, (share,), generator=generator) for _, count in held]
        return {
            name: torch.cat([ring[name][row] for (ring, _), row in zip(held, rows, strict=True)]) for name in held[0][0]
        }


def learn(
    network: QNetwork,
    environment: SwapEnvironment,
    schedule: Schedule,
    *,
    seed: int,
    report: Callable[[int, dict[str, float]], None] = lambda _round, _values: None,
) -> None:
    """Train a network in place.

    Acting and evaluating leave dropout out, random exchanges obey the mask, and so does the maximum over next
    actions: in these the released code of the paper differs.
    """
    generator = torch.Generator().manual_seed(seed)
    target = QNetwork(**network.options)  # type: ignore[arg-type]
    target.load_state_dict(network.state_dict())
    target.eval()
    optimizer = torch.optim.Adam(network.parameters(), lr=schedule.learning_rate)
    replay, exploration = Replay(schedule.buffer), schedule.exploration
    for number in range(schedule.rounds):
        events = torch.randint(len(environment), (schedule.parallel,), generator=generator)
        state, losses = environment.reset(events), []
        start = state.log_me2
        for step in range(environment.steps):
            epsilon = exploration if number % 2 else 0.0
            action = _act(network, environment, state, epsilon, generator)
            after, reward = environment.step(state, action)
            last = torch.full_like(reward, float(step + 1 == environment.steps))
            replay.add(_transition(state, action, reward, after, last))
            state = after
            for _ in range(schedule.updates):
                batch = replay.draw(schedule.batch_size, generator)
                losses.append(_update(network, target, environment, optimizer, batch, schedule))
        exploration = max(schedule.least_exploration, exploration * schedule.decay)
        if number % schedule.target_every == 0:
            target.load_state_dict(network.state_dict())
        gain = float((state.log_me2 - start).mean())
        report(number + 1, {"loss": sum(losses) / len(losses), "gain": gain})
    network.eval()


@torch.no_grad()
def rollout(network: QNetwork, environment: SwapEnvironment) -> State:
    """Greedy episodes of all events: final states."""
    state = environment.reset(torch.arange(len(environment)))
    for _ in range(environment.steps):
        state, _ = environment.step(state, _act(network, environment, state, 0.0, torch.Generator()))
    return state


@torch.no_grad()
def _act(
    network: QNetwork, environment: SwapEnvironment, state: State, epsilon: float, generator: torch.Generator
) -> Tensor:
    network.eval()
    dtype = network.momentum.weight.dtype
    best = network(environment.observation(state).to(dtype)).masked_fill(state.used, -torch.inf).argmax(dim=1)
    if epsilon == 0:
        return best
    random = torch.multinomial((~state.used).float(), 1, generator=generator)[:, 0]
    explore = torch.rand(len(best), generator=generator) < epsilon
    return torch.where(explore, random, best)


def _transition(state: State, action: Tensor, reward: Tensor, after: State, last: Tensor) -> dict[str, Tensor]:
    return {
        "events": state.events,
        "order": state.order,
        "action": action,
        "reward": reward,
        "after": after.order,
        "used": after.used,
        "last": last,
    }


def _update(
    network: QNetwork,
    target: QNetwork,
    environment: SwapEnvironment,
    optimizer: torch.optim.Optimizer,
    batch: dict[str, Tensor],
    schedule: Schedule,
) -> float:
    """One step down the squared difference of Q(s, a) and r + γ max Q'(s', a')."""
    unknown = torch.zeros_like(batch["reward"])
    before, after = (
        environment.observation(State(batch["events"], batch[name], batch["used"], unknown)).float()
        for name in ("order", "after")
    )
    with torch.no_grad():
        following = target(after).masked_fill(batch["used"], -torch.inf).amax(dim=1)
        goal = schedule.reward_scale * batch["reward"] + schedule.discount * (1 - batch["last"]) * following
    network.train()
    value = network(before).gather(1, batch["action"][:, None])[:, 0]
    loss = torch.nn.functional.mse_loss(value, goal.float())
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    return loss.item()
