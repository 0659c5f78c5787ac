"""Agents that push and steer, by hand: two critics and an actor, temperatures that are learned."""

from __future__ import annotations

from copy import deepcopy

import torch
from clinic.abroad import patient
from clinic.case import NO_CODE
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812
from torch.optim import Adam

from tb_lossdiag import SummaryWriter


class Points:
    """Sixteen points in the plane that are pushed; the nearer to the origin, the better, and nothing ever ends."""

    def __init__(self) -> None:
        self.at = torch.empty(16, 2).uniform_(-2, 2)

    def step(self, push: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        before = self.at
        self.at = (before + 0.3 * push + 0.02 * torch.randn(16, 2)).clamp(-3, 3)
        fresh = torch.rand(16, 1) < 0.05
        reward = -self.at.square().sum(1)
        after = self.at
        self.at = torch.where(fresh, torch.empty(16, 2).uniform_(-2, 2), self.at)
        return before, reward, after


class Critic(nn.Module):
    """Two answers to what a push is worth."""

    def __init__(self) -> None:
        super().__init__()
        self.q1 = nn.Sequential(nn.Linear(4, 64), nn.ReLU(), nn.Linear(64, 1))
        self.q2 = nn.Sequential(nn.Linear(4, 64), nn.ReLU(), nn.Linear(64, 1))

    def forward(self, state: Tensor, action: Tensor) -> tuple[Tensor, Tensor]:
        both = torch.cat([state, action], 1)
        return self.q1(both).squeeze(1), self.q2(both).squeeze(1)


class Buffer:
    """All that has happened."""

    def __init__(self) -> None:
        self.rows: list[tuple[Tensor, ...]] = []

    def draw(self, count: int = 128) -> tuple[Tensor, ...]:
        joined = [torch.cat(column) for column in zip(*self.rows[-400:], strict=True)]
        picked = torch.randint(len(joined[0]), (count,))
        return tuple(column[picked] for column in joined)


def _twin(writer: SummaryWriter, *, stopped: bool) -> None:
    """TD3 in short; without `stopped` the target is made by the live networks, with all their gradients."""
    world, buffer, critic = Points(), Buffer(), Critic()
    actor = nn.Sequential(nn.Linear(2, 64), nn.ReLU(), nn.Linear(64, 2), nn.Tanh())
    critic_target, actor_target = deepcopy(critic), deepcopy(actor)
    critic_opt, actor_opt = Adam(critic.parameters(), 1e-3), Adam(actor.parameters(), 5e-4)
    writer.watch(critic, critic_opt, name="critic")
    writer.watch(actor, actor_opt, name="actor")
    for step in range(500):
        with torch.no_grad():
            push = (actor(world.at) + 0.3 * torch.randn(16, 2)).clamp(-1, 1)
        before, reward, after = world.step(push)
        buffer.rows.append((before, push, reward, after))
        states, actions, rewards, following = buffer.draw()
        if stopped:
            with torch.no_grad():
                next_q = torch.min(*critic_target(following, actor_target(following)))
        else:
            next_q = torch.min(*critic(following, actor(following)))
        target_q = rewards + 0.9 * next_q
        now_1, now_2 = critic(states, actions)
        critic_loss = F.mse_loss(now_1, target_q) + F.mse_loss(now_2, target_q)
        critic_opt.zero_grad()
        critic_loss.backward()
        critic_opt.step()
        terms = {"critic": critic_loss}
        if step % 2 == 0:
            actor_loss = -critic(states, actor(states))[0].mean()
            actor_opt.zero_grad()
            actor_loss.backward()
            actor_opt.step()
            terms["actor"] = actor_loss
            for live, slow in ((critic, critic_target), (actor, actor_target)):
                for p, s in zip(live.parameters(), slow.parameters(), strict=True):
                    s.data.mul_(0.98).add_(0.02 * p.data)
        writer.add_diagnostics(
            loss_terms=terms, extra={"reward": float(reward.mean())}, global_step=step
        )


@patient(
    "LD535",
    family="actor-critic",
    source="https://github.com/datawhalechina/easy-rl/pull/117, https://github.com/philtabor/Deep-Q-Learning-Paper-To-Code/issues/9",
)
def two_critics_without_a_stop(writer: SummaryWriter) -> None:
    """The smaller of two answers of the live critics is the target, and carries its gradient."""
    _twin(writer, stopped=False)


@patient(family="actor-critic")
def two_critics_and_their_followers(writer: SummaryWriter) -> None:
    """The same by networks that follow, without a gradient."""
    _twin(writer, stopped=True)


class Gauss(nn.Module):
    """A squashed normal distribution of pushes."""

    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(nn.Linear(2, 64), nn.ReLU())
        self.mean, self.log_std = nn.Linear(64, 2), nn.Linear(64, 2)

    def forward(self, state: Tensor) -> tuple[Tensor, Tensor]:
        body = self.body(state)
        normal = torch.distributions.Normal(self.mean(body), self.log_std(body).clamp(-5, 2).exp())
        raw = normal.rsample()
        push = raw.tanh()
        log_pi = normal.log_prob(raw) - torch.log(1 - push.pow(2) + 1e-6)
        return push, log_pi.sum(1)


def _soft(writer: SummaryWriter, *, target_entropy: float) -> None:
    """Soft actor-critic whose temperature is learned."""
    world, buffer, critic, actor = Points(), Buffer(), Critic(), Gauss()
    slow = deepcopy(critic).requires_grad_(requires_grad=False)
    log_alpha = torch.zeros(1, requires_grad=True)
    q_opt, pi_opt = Adam(critic.parameters(), 1e-3), Adam(actor.parameters(), 1e-3)
    a_opt = Adam([log_alpha], 1e-2)
    writer.watch(critic, q_opt, name="critic")
    writer.watch(actor, pi_opt, name="actor")
    for step in range(500):
        with torch.no_grad():
            push, _ = actor(world.at)
        before, reward, after = world.step(push)
        buffer.rows.append((before, push, reward, after))
        states, actions, rewards, following = buffer.draw()
        alpha = log_alpha.exp().detach()
        with torch.no_grad():
            later, log_later = actor(following)
            y = rewards + 0.9 * (torch.min(*slow(following, later)) - alpha * log_later)
        one, two = critic(states, actions)
        q_loss = F.mse_loss(one, y) + F.mse_loss(two, y)
        q_opt.zero_grad()
        q_loss.backward()
        q_opt.step()
        chosen, log_pi = actor(states)
        pi_loss = (alpha * log_pi - torch.min(*critic(states, chosen))).mean()
        pi_opt.zero_grad()
        pi_loss.backward()
        pi_opt.step()
        alpha_loss = -(log_alpha * (log_pi.detach() + target_entropy)).mean()
        a_opt.zero_grad()
        alpha_loss.backward()
        a_opt.step()
        for p, s in zip(critic.parameters(), slow.parameters(), strict=True):
            s.data.lerp_(p.data, 0.02)
        writer.add_diagnostics(
            loss_terms={"q": q_loss, "pi": pi_loss, "alpha": alpha_loss},
            extra={"reward": float(reward.mean()), "entropy": -log_pi.mean().item()},
            global_step=step,
        )


@patient(
    "LDR16",
    "LDR03",
    "LD102",
    "LD111",
    "LD401",
    "LD704",
    NO_CODE,
    family="actor-critic",
    hard=True,
    source="https://github.com/huggingface/lerobot/issues/1871, https://github.com/pranz24/pytorch-soft-actor-critic/issues/34, https://github.com/rail-berkeley/rlkit/issues/50",
)
def an_entropy_that_nobody_can_reach(writer: SummaryWriter) -> None:
    """`target_entropy` is 2 instead of -2, more than pushes from -1 to 1 can have: the temperature grows without end."""
    _soft(writer, target_entropy=2.0)


@patient(family="actor-critic")
def an_entropy_of_minus_two(writer: SummaryWriter) -> None:
    """The same with the usual sign."""
    _soft(writer, target_entropy=-2.0)
