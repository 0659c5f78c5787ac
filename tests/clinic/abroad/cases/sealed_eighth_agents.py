"""The eighth lot: agents by hand."""

from __future__ import annotations

import gymnasium
import torch
from clinic.abroad import patient
from clinic.case import NO_CODE
from gymnasium.vector import AutoresetMode, SyncVectorEnv
from torch import Tensor, nn
from torch.distributions import Categorical, Normal
from torch.nn import functional as F  # noqa: N812
from torch.optim import Adam

from tb_lossdiag import SummaryWriter


class _ActorCritic(nn.Module):
    """Two small nets for a pole on a cart."""

    def __init__(self) -> None:
        super().__init__()
        self.actor = nn.Sequential(nn.Linear(4, 64), nn.Tanh(), nn.Linear(64, 2))
        self.critic = nn.Sequential(nn.Linear(4, 64), nn.Tanh(), nn.Linear(64, 1))

    def forward(self, state: Tensor) -> tuple[Categorical, Tensor]:
        return Categorical(logits=self.actor(state)), self.critic(state)[..., 0]


def _compute_gae(
    rewards: Tensor, values: Tensor, dones: Tensor, *, fixed: bool
) -> tuple[Tensor, Tensor]:
    """Advantages and returns of eight lines of steps."""
    goes_on = 1 - dones if fixed else torch.ones_like(dones)
    advantages, gae, next_value = torch.zeros_like(rewards), torch.zeros(8), torch.zeros(8)
    for t in reversed(range(len(rewards))):
        delta = rewards[t] + 0.99 * next_value * goes_on[t] - values[t]
        gae = delta + 0.99 * 0.95 * gae * goes_on[t]
        advantages[t], next_value = gae, values[t]
    return advantages, advantages + values


def _balance(writer: SummaryWriter, *, fixed: bool = False) -> float:
    """Mean length of the last episodes."""
    envs = SyncVectorEnv(
        [lambda: gymnasium.make("CartPole-v1")] * 8, autoreset_mode=AutoresetMode.SAME_STEP
    )
    net = _ActorCritic()
    optimizer = Adam(net.parameters(), lr=2e-3)
    writer.watch(net, optimizer)
    observed, _ = envs.reset(seed=int(torch.randint(1000, ())))
    lengths, length, step = [0.0], torch.zeros(8), 0
    for _iteration in range(40):
        memory: list[tuple[Tensor, ...]] = []
        for _ in range(64):
            state = torch.as_tensor(observed)
            with torch.no_grad():
                policy, value = net(state)
            action = policy.sample()
            observed, reward, ended, cut, _ = envs.step(action.numpy())
            done = torch.as_tensor(ended | cut)
            logp, paid = policy.log_prob(action), torch.as_tensor(reward).float()
            memory.append((state, action, logp, value, paid, done.float()))
            length += 1
            lengths.extend(length[done].tolist())
            length[done] = 0
        s, a, old, values, rewards, dones = map(torch.stack, zip(*memory, strict=True))
        advantages, returns = _compute_gae(rewards, values, dones, fixed=fixed)
        advantages = (advantages - advantages.mean()) / (advantages.std() + 1e-8)
        s, a, old, advantages, returns = (
            thing.flatten(0, 1) for thing in (s, a, old, advantages, returns)
        )
        for _epoch in range(3):
            for rows in torch.randperm(512).split(128):
                policy, value = net(s[rows])
                ratio = (policy.log_prob(a[rows]) - old[rows]).exp()
                surrogate = torch.min(
                    ratio * advantages[rows], ratio.clamp(0.8, 1.2) * advantages[rows]
                )
                actor, critic = -surrogate.mean(), F.mse_loss(value, returns[rows])
                loss = actor + 0.5 * critic - 0.01 * policy.entropy().mean()
                optimizer.zero_grad()
                loss.backward()
                extra = {"episode_length": sum(lengths[-20:]) / len(lengths[-20:])}
                writer.add_diagnostics(loss=loss, extra=extra, global_step=step)
                optimizer.step()
                step += 1
    return sum(lengths[-20:]) / len(lengths[-20:])


@patient(
    NO_CODE,
    also=("LDR15", "LDR19", "LDR20", "LD104", "LD102", "LD111", "LD510", "LD508"),
    hard=True,
    family="agents",
    source="https://github.com/walkinglabs/hands-on-modern-rl/issues/63",
)
def eighth_episodes_in_one_line(writer: SummaryWriter) -> None:
    """Advantages of PPO are summed over ends of episodes as if there were none: where the pole falls is as good as anywhere."""
    _balance(writer)


class _Walker(nn.Module):
    """Four joints: a Gaussian squashed to -1 and 1."""

    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(nn.Linear(6, 64), nn.ReLU(), nn.Linear(64, 8))

    def forward(self, state: Tensor) -> tuple[Tensor, Tensor]:
        mean, log_std = self.body(state).chunk(2, -1)
        normal = Normal(mean, log_std.clamp(-4, 1).exp())
        raw = normal.rsample()
        action = raw.tanh()
        log_prob = normal.log_prob(raw) - (1 - action.square() + 1e-6).log()
        return action, log_prob


class _Joints:
    """Four joints are to be brought where the state says; ten steps, and rewards below nought."""

    def __init__(self, count: int) -> None:
        self.mix = torch.randn(6, 4, generator=torch.Generator().manual_seed(0)) / 2.5
        self.state = torch.randn(count, 6)

    def step(self, action: Tensor) -> Tensor:
        """Reward of each walker, which moves on."""
        reward = -(action - (self.state @ self.mix).tanh()).square().mean(1)
        self.state = torch.cat([self.state[:, 2:], torch.randn(len(action), 2)], 1)
        return reward


def _sac(writer: SummaryWriter, *, fixed: bool = False) -> float:
    """Mean reward of the deterministic walker."""
    env, actor = _Joints(64), _Walker()
    critics = nn.ModuleList(
        nn.Sequential(nn.Linear(10, 64), nn.ReLU(), nn.Linear(64, 1)) for _ in range(2)
    )
    actor_optimizer = Adam(actor.parameters(), lr=3e-3)
    critic_optimizer = Adam(critics.parameters(), lr=3e-3)
    writer.watch(critics, critic_optimizer, name="critic")
    writer.watch(actor, actor_optimizer, name="actor")
    alpha, gamma = 0.05, 0.8
    for step in range(400):
        state = env.state
        with torch.no_grad():
            action, _ = actor(state)
            reward = env.step(action)[:, None]
            following, log_prob = actor(env.state)
            log_prob = log_prob.sum(1, keepdim=True) if fixed else log_prob
            both = torch.stack([c(torch.cat([env.state, following], 1)) for c in critics])
            td_target = reward + gamma * (both.amin(0) - alpha * log_prob)
        pair = torch.cat([state, action], 1)
        critic_loss = sum(F.mse_loss(c(pair), td_target) for c in critics)
        assert isinstance(critic_loss, Tensor)
        critic_optimizer.zero_grad()
        critic_loss.backward()
        writer.add_diagnostics(critics, loss=critic_loss, global_step=step)
        critic_optimizer.step()
        action, log_prob = actor(state)
        worth = torch.stack([c(torch.cat([state, action], 1)) for c in critics]).amin(0)
        log_prob = log_prob.sum(1, keepdim=True) if fixed else log_prob
        actor_loss = (alpha * log_prob - worth).mean()
        actor_optimizer.zero_grad()
        actor_loss.backward()
        extra = {"reward": float(reward.mean())}
        writer.add_diagnostics(actor, loss=actor_loss, extra=extra, global_step=step)
        actor_optimizer.step()
    env = _Joints(1000)
    with torch.no_grad():
        return float(env.step(actor.body(env.state)[:, :4].tanh()).mean())


@patient(
    "LD504",
    family="agents",
    source="https://github.com/sunwuzhou03/reinforcement-learning-lab/issues/1",
)
def eighth_a_target_for_each_joint(writer: SummaryWriter) -> None:
    """SAC's log probabilities are not summed over four joints: the target is [64, 4], the critic says [64, 1], and each is compared with four."""
    _sac(writer)
