"""Reinforcement learning by hand, in plain loops as single-file implementations have them: DQN and PPO on a small grid."""

from __future__ import annotations

from copy import deepcopy
from dataclasses import dataclass

import torch
from clinic.abroad import patient
from clinic.case import NO_CODE
from clinic.nets import mlp
from torch import Tensor, nn
from torch.distributions import Categorical
from torch.nn.functional import mse_loss, smooth_l1_loss
from torch.optim import Adam

from tb_lossdiag import SummaryWriter

MOVES = torch.tensor([[1.0, 0.0], [-1.0, 0.0], [0.0, 1.0], [0.0, -1.0]])


class Grid:
    """Many walkers on a field of seven by seven; the goal is in its middle, a walk lasts twenty steps at most."""

    def __init__(self, count: int) -> None:
        self.place = torch.randint(0, 7, (count, 2)).float()
        self.age = torch.zeros(count)

    def seen(self) -> Tensor:
        """Where the walkers are, from -1 to 1."""
        return self.place / 3 - 1

    def step(self, action: Tensor) -> tuple[Tensor, Tensor]:
        """Rewards and which walks are over; those begin anew."""
        self.place = (self.place + MOVES[action]).clamp(0, 6)
        self.age += 1
        there = (self.place == 3).all(1)
        over = there | (self.age >= 20)
        fresh = torch.randint(0, 7, self.place.shape).float()
        self.place = torch.where(over[:, None], fresh, self.place)
        self.age = torch.where(over, 0.0, self.age)
        return there.float() - 0.02, over


@dataclass
class Learner:
    """How values are learned.

    Attributes:
        rate: of Adam.
        copied: steps between copies into the target network; 0 for no target network.
        ends: whether nothing is expected after the end of a walk.
        reward: its unit.
        discount: of what comes later.
        wage: for each step, and no goal.
    """

    rate: float = 1e-3
    copied: int = 50
    ends: bool = True
    reward: float = 1.0
    discount: float = 0.95
    wage: float = 0.0


def deep_q(writer: SummaryWriter, how: Learner, steps: int = 400) -> None:
    """Values from a replay of transitions."""
    net = mlp(2, 64, 64, 4)
    aim = deepcopy(net) if how.copied else net
    optimizer = Adam(net.parameters(), lr=how.rate)
    writer.watch(net, optimizer)
    grid = Grid(16)
    kept: list[tuple[Tensor, ...]] = []
    for step in range(steps + 20):
        seen = grid.seen()
        action = net(seen).argmax(1)
        action = torch.where(torch.rand(16) < 0.3, torch.randint(0, 4, (16,)), action)
        reward, over = grid.step(action)
        paid = torch.full((16,), how.wage) if how.wage else how.reward * reward
        kept = [*kept[-200:], (seen, action, paid, grid.seen(), over)]
        if step < 20:
            continue
        picked = torch.randint(len(kept), (4,)).tolist()
        s, a, r, after, ended = (
            torch.cat(column) for column in zip(*(kept[i] for i in picked), strict=True)
        )
        with torch.no_grad():
            later = aim(after).amax(1)
            wanted = r + how.discount * (torch.where(ended, 0.0, later) if how.ends else later)
        loss = smooth_l1_loss(net(s).gather(1, a[:, None])[:, 0], wanted)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        writer.add_diagnostics(loss=loss, global_step=step - 20)
        writer.add_scalar("rollout/reward", reward.mean(), step - 20)
        if how.copied and step % how.copied == 0:
            aim.load_state_dict(net.state_dict())


@patient(family="reinforcement")
def values_of_a_grid(writer: SummaryWriter) -> None:
    """DQN by hand."""
    deep_q(writer, Learner())


@patient(family="reinforcement")
def values_of_a_walk_that_is_paid_by_the_step(writer: SummaryWriter) -> None:
    """As Lightning's reinforce_learn_Qnet.py: returns grow from one to a dozen, and the loss with them; the rate is high, and bears it."""
    deep_q(writer, Learner(rate=1e-2, copied=10, discount=0.99, wage=1.0))


@patient(
    "LD102",
    "LD601",
    "LD704",
    "LD111",
    family="reinforcement",
    source="facebookresearch/ReAgent issue 189, tychovdo/PacmanDQN issue 1",
)
def values_after_their_own_tail(writer: SummaryWriter) -> None:
    """No target network, a discount above 1 and a high rate: values run away."""
    deep_q(writer, Learner(rate=1e-2, copied=0, ends=False, discount=1.02))


@patient(
    NO_CODE,
    family="reinforcement",
    hard=True,
    source="navneet-nmk/pytorch-rl issue 2, cyoon1729/deep-Q-networks PR 5",
)
def walks_that_never_end(writer: SummaryWriter) -> None:
    """The end of a walk is not masked: the next walk's value is added to it."""
    deep_q(writer, Learner(ends=False))


@patient(
    "LD510",
    family="reinforcement",
    source="google-deepmind/open_spiel issue 742, DLR-RM/stable-baselines3 issue 737",
)
def rewards_of_ten_thousand(writer: SummaryWriter) -> None:
    """Rewards in cents, and nobody has scaled them."""
    deep_q(writer, Learner(reward=1e4))


class Actor(nn.Module):
    """A policy and a value with a common trunk."""

    def __init__(self) -> None:
        super().__init__()
        self.trunk = nn.Sequential(nn.Linear(2, 64), nn.Tanh(), nn.Linear(64, 64), nn.Tanh())
        self.policy, self.value = nn.Linear(64, 4), nn.Linear(64, 1)

    def forward(self, seen: Tensor) -> tuple[Categorical, Tensor]:
        features = self.trunk(seen)
        return Categorical(logits=self.policy(features)), self.value(features)[:, 0]


@dataclass
class Rollout:
    """T steps of N walkers, flattened."""

    seen: Tensor
    action: Tensor
    log_prob: Tensor
    gain: Tensor
    returns: Tensor
    reward: float


def roll(actor: Actor, grid: Grid, length: int = 32) -> Rollout:
    """Walk, and say what each step was worth."""
    rows = []
    with torch.no_grad():
        for _ in range(length):
            seen = grid.seen()
            chances, value = actor(seen)
            action = chances.sample()
            reward, over = grid.step(action)
            rows.append((seen, action, chances.log_prob(action), value, reward, over))
        later = actor(grid.seen())[1]
        returns: list[Tensor] = []
        for *_, reward, over in reversed(rows):
            later = reward + 0.95 * torch.where(over, 0.0, later)
            returns.insert(0, later)
    seen, action, log_prob, value, reward, _ = (
        torch.cat(column) for column in zip(*rows, strict=True)
    )
    back = torch.cat(returns)
    return Rollout(seen, action, log_prob, back - value, back, float(reward.mean()))


@dataclass
class Weights:
    """Of the terms; `summed` leaves the value loss undivided, `entropy` with a wrong sign rewards certainty."""

    value: float = 0.5
    entropy: float = 0.01
    summed: bool = False
    ratio: bool = True


def proximal(writer: SummaryWriter, weights: Weights, rounds: int = 60) -> None:
    """PPO with four passes over each rollout."""
    actor = Actor()
    optimizer = Adam(actor.parameters(), lr=1e-3)
    writer.watch(actor, optimizer)
    grid, step = Grid(16), 0
    for _ in range(rounds):
        walked = roll(actor, grid)
        gain = (walked.gain - walked.gain.mean()) / (walked.gain.std() + 1e-8)
        for _ in range(4):
            chances, value = actor(walked.seen)
            likely = chances.log_prob(walked.action)
            ratio = (likely - walked.log_prob).exp() if weights.ratio else likely.exp()
            policy = -torch.min(ratio * gain, ratio.clamp(0.8, 1.2) * gain).mean()
            worth = mse_loss(value, walked.returns, reduction="sum" if weights.summed else "mean")
            doubt = -chances.entropy().mean()
            loss = policy + weights.value * worth + weights.entropy * doubt
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            terms = {
                "policy_loss": policy,
                "value_loss": (worth, weights.value),
                "entropy_loss": (doubt, weights.entropy),
            }
            writer.add_diagnostics(loss=loss, loss_terms=terms, global_step=step)
            writer.add_scalar("rollout/reward", walked.reward, step)
            step += 1


@patient(family="reinforcement")
def a_policy_of_a_grid(writer: SummaryWriter) -> None:
    """PPO by hand."""
    proximal(writer, Weights())


@patient(
    "LD401",
    "LD507",
    "LD510",
    family="reinforcement",
    source="bentrevett/pytorch-rl issue 2",
)
def values_summed_over_the_rollout(writer: SummaryWriter) -> None:
    """The value loss is a sum over 512 steps, beside means."""
    proximal(writer, Weights(summed=True))


@patient(
    "LD401",
    "LDR16",
    "LDR02",
    "LD413",
    family="reinforcement",
    hard=True,
    source="LuEE-C/PPO-Keras issue 4, pukkapies/dl-imperial-maths PR 8",
)
def certainty_is_rewarded(writer: SummaryWriter) -> None:
    """The bonus for entropy has the wrong sign, and a weight of one half."""
    proximal(writer, Weights(entropy=-0.5))
