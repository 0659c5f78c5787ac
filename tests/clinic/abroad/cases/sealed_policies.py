"""Reinforcement learning by hand: a grid, and a lever to be set."""

from __future__ import annotations

from copy import deepcopy

import torch
from clinic.abroad import patient
from clinic.abroad.cases.policies import Actor, Grid, Rollout, roll
from clinic.case import NO_CODE
from clinic.nets import mlp
from torch import Tensor, nn
from torch.nn.functional import mse_loss, smooth_l1_loss
from torch.optim import Adam

from tb_lossdiag import SummaryWriter


def _ratio(actor: Actor, rows: Rollout) -> Tensor:
    likely: Tensor = actor(rows.seen)[0].log_prob(rows.action)
    return (likely - rows.log_prob).exp()


def _clipped(writer: SummaryWriter, *, watched: bool, rounds: int = 45) -> None:
    """PPO with four passes over each rollout; `watched` keeps the graph of the ratio."""
    actor = Actor()
    optimizer = Adam(actor.parameters(), lr=1e-3)
    writer.watch(actor, optimizer)
    grid, step = Grid(16), 0
    for _ in range(rounds):
        rows = roll(actor, grid)
        gain = (rows.gain - rows.gain.mean()) / (rows.gain.std() + 1e-8)
        writer.add_scalar("rollout/reward", rows.reward, step)
        for _ in range(4):
            with torch.set_grad_enabled(watched):
                ratio = _ratio(actor, rows)
            policy = -torch.min(ratio * gain, ratio.clamp(0.8, 1.2) * gain).mean()
            chances, value = actor(rows.seen)
            critic = mse_loss(value, rows.returns)
            certain = -chances.entropy().mean()
            optimizer.zero_grad()
            loss = policy + 0.5 * critic + 0.001 * certain
            loss.backward()
            terms = {"policy": policy, "value": (critic, 0.5), "entropy": (certain, 0.001)}
            writer.add_diagnostics(loss=loss, loss_terms=terms, global_step=step)
            optimizer.step()
            step += 1


@patient("LD404", "LD208", family="reinforcement", source="thu-ml/tianshou issue 742")
def a_ratio_that_is_not_watched(writer: SummaryWriter) -> None:
    """The ratio of old and new likelihoods is computed under `no_grad`: the policy's term moves nothing."""
    _clipped(writer, watched=False)


@patient(family="reinforcement")
def a_ratio_that_is_clipped(writer: SummaryWriter) -> None:
    """PPO as it is written in the paper."""
    _clipped(writer, watched=True)


def _reinforce(writer: SummaryWriter, *, averaged: bool, episodes: int = 250) -> None:
    """A walk of forty steps towards the middle of a line; the return of each step weighs its likelihood."""
    policy = mlp(1, 32, 2)
    optimizer = Adam(policy.parameters(), lr=5e-3)
    writer.watch(policy, optimizer)
    for episode in range(episodes):
        place, likely, rewards = torch.rand(8) * 2 - 1, [], []
        for _ in range(20):
            known = policy(place[:, None]).log_softmax(1)
            action = torch.multinomial(known.detach().exp(), 1)
            likely.append(known.gather(1, action)[:, 0])
            place = (place + 0.2 * (2.0 * action[:, 0] - 1)).clamp(-2, 2)
            rewards.append(1 - place.abs())
        returns: list[Tensor] = []
        later = torch.zeros(8)
        for reward in reversed(rewards):
            later = reward + 0.9 * later
            returns.insert(0, later)
        worth = torch.stack(returns)
        kept = torch.stack(likely)
        loss = -(kept.mean() * worth if averaged else kept * worth).sum() / 8
        optimizer.zero_grad()
        loss.backward()
        writer.add_diagnostics(loss=loss, global_step=episode)
        writer.add_scalar("rollout/reward", torch.stack(rewards).mean(), episode)
        optimizer.step()


@patient(
    NO_CODE, family="reinforcement", hard=True, source="Farama-Foundation/Gymnasium issue 1336"
)
def likelihoods_averaged_before_they_are_weighed(writer: SummaryWriter) -> None:
    """The mean of all likelihoods times the sum of all returns: which step was good is forgotten."""
    _reinforce(writer, averaged=True)


@patient(family="reinforcement")
def likelihoods_weighed_by_what_followed(writer: SummaryWriter) -> None:
    """REINFORCE: the loss says little, and the reward rises."""
    _reinforce(writer, averaged=False)


def _lever(writer: SummaryWriter, sign: float, steps: int = 400) -> None:
    """An actor sets a lever, a critic learns what that is worth: best is where the state says."""
    actor, critic = nn.Sequential(*mlp(2, 32, 1), nn.Tanh()), mlp(3, 64, 1)
    model = nn.ModuleDict({"actor": actor, "critic": critic})
    ours, its = Adam(actor.parameters(), lr=2e-3), Adam(critic.parameters(), lr=3e-3)
    writer.watch(actor, ours, name="actor")
    writer.watch(critic, its, name="critic")
    for step in range(steps):
        state = torch.rand(64, 2) * 2 - 1
        with torch.no_grad():
            action = (actor(state) + 0.4 * torch.randn(64, 1)).clamp(-1, 1)
        reward = -(action - 0.8 * state[:, :1]).square()
        wrong = mse_loss(critic(torch.cat([state, action], 1)), reward)
        its.zero_grad()
        wrong.backward()
        its.step()
        worth = sign * critic(torch.cat([state, actor(state)], 1)).mean()
        model.zero_grad()
        worth.backward()
        ours.step()
        writer.add_diagnostics(loss_terms={"actor": worth, "critic": wrong}, global_step=step)
        writer.add_scalar("rollout/reward", reward.mean(), step)


@patient(
    NO_CODE,
    family="reinforcement",
    source="KanishJebaMathewM/Truxify PR 11885",
)
def the_worst_action_is_looked_for(writer: SummaryWriter) -> None:
    """`actor_loss = q.mean()` lacks its minus."""
    _lever(writer, 1.0)


@patient(family="reinforcement")
def the_best_action_is_looked_for(writer: SummaryWriter) -> None:
    """With its minus."""
    _lever(writer, -1.0)


@patient(family="reinforcement")
def a_target_that_is_not_detached(writer: SummaryWriter) -> None:
    """The target network's gradients are nobody's: it is not in the optimizer (seungeunrho/minimalRL PR 41)."""
    net = mlp(2, 64, 64, 4)
    aim = deepcopy(net)
    optimizer = Adam(net.parameters(), lr=1e-3)
    writer.watch(net, optimizer)
    grid = Grid(16)
    kept: list[tuple[Tensor, ...]] = []
    for step in range(420):
        seen = grid.seen()
        action = net(seen).argmax(1)
        action = torch.where(torch.rand(16) < 0.3, torch.randint(0, 4, (16,)), action)
        reward, over = grid.step(action)
        kept = [*kept[-200:], (seen, action, reward, grid.seen(), over)]
        if step < 20:
            continue
        picked = torch.randint(len(kept), (4,)).tolist()
        s, a, r, after, ended = (
            torch.cat(column) for column in zip(*(kept[i] for i in picked), strict=True)
        )
        wanted = r + 0.95 * aim(after).amax(1) * (~ended).float()
        loss = smooth_l1_loss(net(s).gather(1, a[:, None])[:, 0], wanted)
        optimizer.zero_grad()
        loss.backward()
        writer.add_diagnostics(loss=loss, global_step=step - 20)
        optimizer.step()
        if step % 50 == 0:
            aim.load_state_dict(net.state_dict())
