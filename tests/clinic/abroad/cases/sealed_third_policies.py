"""The third lot, of decisions: likelihoods as scores, an index as a value, an actor that only says yes."""

from __future__ import annotations

from copy import deepcopy

import torch
from clinic.abroad import patient
from clinic.abroad.cases.policies import Grid
from clinic.case import NO_CODE
from clinic.nets import mlp
from torch import Tensor, nn
from torch.distributions import Categorical
from torch.nn.functional import mse_loss
from torch.optim import Adam

from tb_lossdiag import SummaryWriter

STEPS = 350


def _lever(writer: SummaryWriter, *, twice: bool, noise: float) -> None:
    """Which of five levers pays depends on the state; REINFORCE with a running baseline."""
    pays = torch.randn(6, 5, generator=torch.Generator().manual_seed(1))
    policy = mlp(6, 64, 5)
    optimizer = Adam(policy.parameters(), 3e-3)
    writer.watch(policy, optimizer)
    usual = 0.0
    for step in range(STEPS):
        state = torch.randn(64, 6)
        scores = policy(state)
        chances = Categorical(logits=scores.softmax(1) if twice else scores)
        action = chances.sample()
        right = (state @ pays).argmax(1) == action
        reward = right.float() + noise * torch.randn(64)
        loss = -(chances.log_prob(action) * (reward - usual)).mean()
        usual += 0.1 * (float(reward.mean()) - usual)
        optimizer.zero_grad()
        loss.backward()
        writer.add_diagnostics(loss=loss, global_step=step)
        writer.add_scalar("rollout/reward", float(reward.mean()), step)
        optimizer.step()


@patient(
    "LD501",
    family="reinforcement",
    source="https://github.com/ekapolc/RL_course_2019/pull/6, https://github.com/rlworkgroup/garage/pull/1357",
)
def likelihoods_taken_for_scores(writer: SummaryWriter) -> None:
    """`Categorical(logits=...)` is given a softmax: no action can become much likelier than another."""
    _lever(writer, twice=True, noise=0.0)


@patient(family="reinforcement")
def rewards_that_are_mostly_noise(writer: SummaryWriter) -> None:
    """The same from scores, with rewards whose noise is as large as what they say."""
    _lever(writer, twice=False, noise=1.0)


def _values(writer: SummaryWriter, *, index: bool) -> None:
    """DQN on a grid; `index` expects the number of the best action instead of its value."""
    net = mlp(2, 64, 64, 4)
    aim = deepcopy(net)
    optimizer = Adam(net.parameters(), 1e-3)
    writer.watch(net, optimizer)
    grid = Grid(16)
    kept: list[tuple[Tensor, ...]] = []
    for step in range(STEPS + 20):
        seen = grid.seen()
        action = net(seen).argmax(1)
        action = torch.where(torch.rand(16) < 0.3, torch.randint(0, 4, (16,)), action)
        reward, over = grid.step(action)
        kept.append((seen, action, reward, grid.seen(), over))
        if step < 20:
            continue
        rows = [torch.cat(column) for column in zip(*kept[-200:], strict=True)]
        chosen = torch.randint(len(rows[0]), (64,))
        seen, action, reward, then, over = (column[chosen] for column in rows)
        with torch.no_grad():
            best = aim(then).argmax(1).float() if index else aim(then).amax(1)
        wanted = reward + 0.95 * best * (~over).float()
        loss = mse_loss(net(seen).gather(1, action[:, None])[:, 0], wanted)
        optimizer.zero_grad()
        loss.backward()
        writer.add_diagnostics(loss=loss, global_step=step - 20)
        writer.add_scalar("rollout/reward", float(kept[-1][2].mean()), step - 20)
        optimizer.step()
        if step % 50 == 0:
            aim.load_state_dict(net.state_dict())


@patient(
    NO_CODE,
    family="reinforcement",
    hard=True,
    source="https://github.com/llSourcell/Game-AI/issues/7",
)
def the_number_of_the_best_action_for_its_value(writer: SummaryWriter) -> None:
    """`argmax` where `amax` is meant: what is expected of the future is 0, 1, 2 or 3."""
    _values(writer, index=True)


def _steer(writer: SummaryWriter, unit: float) -> None:
    """DDPG: steer to where the state says; states are given in such units."""
    actor, critic = nn.Sequential(mlp(3, 64, 1), nn.Tanh()), mlp(4, 64, 64, 1)
    ours, its = Adam(actor.parameters(), 1e-3), Adam(critic.parameters(), 2e-3)
    writer.watch(actor, ours, name="actor")
    writer.watch(critic, its, name="critic")
    for step in range(STEPS):
        state = 2 * torch.rand(64, 3) - 1
        seen = unit * state
        with torch.no_grad():
            action = (actor(seen) + 0.3 * torch.randn(64, 1)).clamp(-1, 1)
        reward = -(action - state.mean(1, keepdim=True)).abs()
        off = mse_loss(critic(torch.cat([seen, action], 1)), reward)
        its.zero_grad()
        off.backward()
        its.step()
        loss = -critic(torch.cat([seen, actor(seen)], 1)).mean()
        ours.zero_grad()
        loss.backward()
        writer.add_diagnostics(
            loss=loss + off.detach(), loss_terms={"actor": loss, "critic": off}, global_step=step
        )
        writer.add_scalar("rollout/reward", float(reward.mean()), step)
        ours.step()


@patient(
    "LD702",
    "LD510",
    family="reinforcement",
    source="https://github.com/ZhihanLee/DDPG_Learning/issues/2, https://github.com/floodsung/DDPG/issues/6",
)
def an_actor_that_steers_to_the_stop(writer: SummaryWriter) -> None:
    """States come in metres, hundreds of them: the actor's `tanh` says -1 or 1 from the first step."""
    _steer(writer, 300.0)


@patient(family="reinforcement")
def an_actor_and_a_critic_that_steer(writer: SummaryWriter) -> None:
    """The same with states from -1 to 1."""
    _steer(writer, 1.0)
