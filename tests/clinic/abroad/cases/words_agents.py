"""Agents by hand, as one-file implementations have them: critics, targets, replay, distributions over returns."""

from __future__ import annotations

import numpy as np
import torch
from clinic.abroad import patient
from clinic.case import NO_CODE
from numpy.typing import NDArray
from torch import Tensor, nn, optim
from torch.nn import functional as F  # noqa: N812

from tb_lossdiag import SummaryWriter

Floats = NDArray[np.float32]


class Track:
    """A cart on a line that is pushed left or right; it earns 1 a step while it is near the middle, and a round ends far out or after 40 steps."""

    def __init__(self, seed: int) -> None:
        self.rng = np.random.default_rng(seed)
        self.state = np.zeros(3, np.float32)

    def reset(self) -> Floats:
        self.state[:] = *self.rng.uniform(-0.5, 0.5, 2), 0
        return self.state

    def step(self, action: int) -> tuple[Floats, float, bool]:
        """The state is moved in place: who keeps it must copy it."""
        x, v, t = self.state
        v = 0.95 * v + (0.2 if action else -0.2) + 0.03 * self.rng.standard_normal()
        x = x + 0.3 * v
        self.state[:] = x, v, t + 1 / 40
        done = bool(abs(x) > 2 or self.state[2] >= 1)
        return self.state, float(abs(x) < 0.5), done


def layer_init(layer: nn.Linear, std: float = 2**0.5) -> nn.Linear:
    nn.init.orthogonal_(layer.weight, std)
    nn.init.zeros_(layer.bias)
    return layer


class Agent(nn.Module):
    """A policy and its critic, each with layers of its own."""

    def __init__(self) -> None:
        super().__init__()
        self.critic = nn.Sequential(
            layer_init(nn.Linear(3, 64)), nn.Tanh(), layer_init(nn.Linear(64, 1), std=1.0)
        )
        self.actor = nn.Sequential(
            layer_init(nn.Linear(3, 64)), nn.Tanh(), layer_init(nn.Linear(64, 2), std=0.01)
        )


class Rollout:
    """Thirty-two steps of eight carts: what was seen, done and earned, and where a round had ended."""

    def __init__(self, carts: list[Track], seen: Tensor, agent: Agent) -> None:
        rows: list[tuple[Tensor, Tensor, Tensor, Tensor]] = []
        for _ in range(32):
            with torch.no_grad():
                action = torch.distributions.Categorical(logits=agent.actor(seen)).sample()
            earned, ended, following = [], [], []
            for cart, chosen in zip(carts, action.tolist(), strict=True):
                after, reward, done = cart.step(chosen)
                following.append((cart.reset() if done else after).copy())
                earned.append(reward)
                ended.append(float(done))
            rows.append((seen, action, torch.tensor(earned), torch.tensor(ended)))
            seen = torch.from_numpy(np.stack(following))
        self.seen, self.actions, self.rewards, self.ends = map(torch.stack, zip(*rows, strict=True))
        self.last = seen

    def returns(self, agent: Agent, gamma: float = 0.95) -> Tensor:
        with torch.no_grad():
            follow = agent.critic(self.last).squeeze(-1)
        found = []
        for reward, end in zip(self.rewards.flip(0), self.ends.flip(0), strict=True):
            follow = reward + gamma * follow * (1 - end)
            found.append(follow)
        return torch.stack(found[::-1])


def _carts(count: int = 8) -> tuple[list[Track], Tensor]:
    carts = [Track(torch.initial_seed() % 2**31 + place) for place in range(count)]
    return carts, torch.from_numpy(np.stack([cart.reset().copy() for cart in carts]))


def _actor_critic(writer: SummaryWriter, *, stopped: bool) -> None:
    """A2C with one optimizer for both; `stopped` keeps the policy's loss from the critic."""
    agent, (carts, seen) = Agent(), _carts()
    optimizer = optim.RMSprop(agent.parameters(), lr=7e-4, alpha=0.99, eps=1e-5)
    writer.watch(agent, optimizer)
    for update in range(160):
        walk = Rollout(carts, seen, agent)
        seen = walk.last
        returns = walk.returns(agent)
        policy = torch.distributions.Categorical(logits=agent.actor(walk.seen))
        values = agent.critic(walk.seen).squeeze(-1)
        advantages = returns - (values.detach() if stopped else values)
        policy_loss = -(policy.log_prob(walk.actions) * advantages).mean()
        value_loss = (returns - values).pow(2).mean()
        loss = policy_loss + 0.5 * value_loss - 0.01 * policy.entropy().mean()
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(agent.parameters(), 0.5)
        writer.add_diagnostics(
            loss=loss, extra={"reward": float(walk.rewards.mean())}, global_step=update
        )
        optimizer.step()


@patient(
    "LD527",
    family="actor-critic",
    source="https://github.com/astariul/encode-attend-navigate-pytorch/issues/2, https://github.com/keras-team/keras-io/issues/194, https://github.com/coreylynch/async-rl/issues/8",
)
def a_critic_that_the_policy_moves(writer: SummaryWriter) -> None:
    """`returns - values` is not detached in the policy's loss: the critic is moved to make what was done look good."""
    _actor_critic(writer, stopped=False)


@patient(family="actor-critic")
def a_critic_of_its_own_loss(writer: SummaryWriter) -> None:
    """The same with `detach()`."""
    _actor_critic(writer, stopped=True)


def _bootstrapped(writer: SummaryWriter, *, stopped: bool) -> None:
    """A2C with generalised advantages, whose square is the critic's loss; `stopped` makes a target of them."""
    agent, (carts, seen) = Agent(), _carts()
    critic_opt = optim.RMSprop(agent.critic.parameters(), lr=5e-3)
    actor_opt = optim.RMSprop(agent.actor.parameters(), lr=1e-3)
    writer.watch(agent.critic, critic_opt, name="critic")
    writer.watch(agent.actor, actor_opt, name="actor")
    for update in range(160):
        walk = Rollout(carts, seen, agent)
        seen = walk.last
        value_preds = agent.critic(walk.seen).squeeze(-1)
        policy = torch.distributions.Categorical(logits=agent.actor(walk.seen))
        steps = len(walk.rewards) - 1
        gae = torch.zeros(8)
        found = []
        for t in reversed(range(steps)):
            mask = 1 - walk.ends[t]
            td_error = walk.rewards[t] + 0.95 * mask * value_preds[t + 1] - value_preds[t]
            gae = td_error + 0.95 * 0.95 * mask * gae
            gae = gae.detach() if stopped else gae
            found.append(gae)
        advantages = torch.stack(found[::-1])
        wanted = advantages + value_preds[:-1].detach()
        errors = wanted - value_preds[:-1] if stopped else advantages
        critic_loss = errors.pow(2).mean()
        log_probs = policy.log_prob(walk.actions)[:-1]
        actor_loss = -(advantages.detach() * log_probs).mean() - 0.01 * policy.entropy().mean()
        critic_opt.zero_grad()
        critic_loss.backward()
        critic_opt.step()
        actor_opt.zero_grad()
        actor_loss.backward()
        actor_opt.step()
        writer.add_diagnostics(
            loss_terms={"critic": critic_loss, "actor": actor_loss},
            extra={"reward": float(walk.rewards.mean())},
            global_step=update,
        )


@patient(
    "LD535",
    NO_CODE,
    family="actor-critic",
    source="https://github.com/Farama-Foundation/Gymnasium/issues/1494",
)
def a_critic_through_its_own_forecasts(writer: SummaryWriter) -> None:
    """The critic's loss is the square of the generalised advantages themselves, gradients through all later values included."""
    _bootstrapped(writer, stopped=False)


@patient(family="actor-critic")
def a_critic_after_fixed_forecasts(writer: SummaryWriter) -> None:
    """The same, with advantages that are given numbers."""
    _bootstrapped(writer, stopped=True)


def _proximal(writer: SummaryWriter, *, column: bool) -> None:
    """PPO over shuffled minibatches, the advantages perhaps as a column."""
    agent, (carts, seen) = Agent(), _carts()
    optimizer = optim.Adam(agent.parameters(), lr=1e-3, eps=1e-5)
    writer.watch(agent, optimizer)
    step = 0
    for _ in range(40):
        walk = Rollout(carts, seen, agent)
        seen, flat = walk.last, walk.seen.flatten(0, 1)
        with torch.no_grad():
            old = torch.distributions.Categorical(logits=agent.actor(flat))
            logs = old.log_prob(walk.actions.flatten())
            returns = walk.returns(agent).flatten()
            advantages = (returns - agent.critic(flat).squeeze(-1)).unsqueeze(-1)
        advantages = (advantages - advantages.mean()) / (advantages.std() + 1e-8)
        advantages = advantages if column else advantages.reshape(-1)
        for _ in range(4):
            for rows in torch.randperm(len(flat)).chunk(4):
                policy = torch.distributions.Categorical(logits=agent.actor(flat[rows]))
                ratio = (policy.log_prob(walk.actions.flatten()[rows]) - logs[rows]).exp()
                surr1 = ratio * advantages[rows]
                surr2 = torch.clamp(ratio, 0.8, 1.2) * advantages[rows]
                policy_loss = -torch.min(surr1, surr2).mean()
                value_loss = F.mse_loss(agent.critic(flat[rows]).squeeze(-1), returns[rows])
                loss = policy_loss + 0.5 * value_loss - 0.01 * policy.entropy().mean()
                optimizer.zero_grad()
                loss.backward()
                writer.add_diagnostics(
                    loss=loss, extra={"reward": float(walk.rewards.mean())}, global_step=step
                )
                optimizer.step()
                step += 1


@patient(
    "LD504",
    family="actor-critic",
    source="https://github.com/RITCHIEHuang/DeepRL_Algorithms/issues/13",
)
def advantages_in_a_column(writer: SummaryWriter) -> None:
    """A ratio of (n,) times advantages of (n, 1): each action is weighed with the advantages of all others."""
    _proximal(writer, column=True)


@patient(family="actor-critic")
def advantages_in_a_row(writer: SummaryWriter) -> None:
    """The same with `reshape(-1)`."""
    _proximal(writer, column=False)


def _reinforce(writer: SummaryWriter, *, sign: int) -> None:
    """REINFORCE with normed returns."""
    agent, (carts, seen) = Agent(), _carts(16)
    policy_net = agent.actor
    optimizer = optim.Adam(policy_net.parameters(), lr=3e-3)
    writer.watch(policy_net, optimizer)
    for episode in range(120):
        walk = Rollout(carts, seen, agent)
        seen = walk.last
        returns = walk.returns(agent)
        returns = (returns - returns.mean()) / (returns.std() + 1e-9)
        log_probs = F.log_softmax(policy_net(walk.seen), -1).gather(-1, walk.actions[..., None])
        policy_loss = sign * (log_probs.squeeze(-1) * returns).mean()
        optimizer.zero_grad()
        policy_loss.backward()
        optimizer.step()
        writer.add_diagnostics(
            loss=policy_loss, extra={"reward": float(walk.rewards.mean())}, global_step=episode
        )


@patient(
    "LDR25",
    family="policy gradient",
    source="https://github.com/KanishJebaMathewM/Truxify/pull/11885, https://github.com/jvmncs/safe-grid-agents/pull/28",
)
def rewards_that_are_fled(writer: SummaryWriter) -> None:
    """The policy's loss lacks its minus: what paid is made less likely."""
    _reinforce(writer, sign=1)


@patient(family="policy gradient")
def rewards_that_are_sought(writer: SummaryWriter) -> None:
    """The same with it."""
    _reinforce(writer, sign=-1)
