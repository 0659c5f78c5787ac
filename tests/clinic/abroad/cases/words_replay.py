"""Q-learning in one file, from a memory of what a single cart has done."""

from __future__ import annotations

import random
from collections import deque

import numpy as np
import torch
from clinic.abroad import patient
from clinic.abroad.cases.words_agents import Floats, Track
from clinic.case import NO_CODE
from torch import Tensor, nn, optim
from torch.nn import functional as F  # noqa: N812

from tb_lossdiag import SummaryWriter


class Memory:
    """Keeps the last thousands of transitions, as they are handed over."""

    def __init__(self) -> None:
        self.buffer: deque[tuple[Floats, int, float, Floats, bool]] = deque(maxlen=5000)

    def sample(self, count: int, rng: random.Random) -> list[Tensor]:
        states, actions, rewards, after, ended = zip(*rng.sample(self.buffer, count), strict=True)
        return [
            torch.from_numpy(np.stack(states)),
            torch.tensor(actions),
            torch.tensor(rewards),
            torch.from_numpy(np.stack(after)),
            torch.tensor(ended, dtype=torch.float32),
        ]


def _network(outputs: int) -> nn.Sequential:
    return nn.Sequential(nn.Linear(3, 64), nn.ReLU(), nn.Linear(64, outputs))


def _replayed(writer: SummaryWriter, *, copied: bool = True, synced: bool = True) -> None:
    """DQN of a single cart; `copied` states go into the memory, and the target network is `synced`."""
    rng = random.Random(torch.initial_seed())  # noqa: S311
    cart, memory = Track(torch.initial_seed() % 2**31), Memory()
    q_network, target_network = _network(2), _network(2)
    if synced:
        target_network.load_state_dict(q_network.state_dict())
    optimizer = optim.Adam(q_network.parameters(), lr=1e-3)
    writer.watch(q_network, optimizer)
    obs = cart.reset()
    for step in range(900):
        obs = obs.copy() if copied else obs
        with torch.no_grad():
            best = int(q_network(torch.from_numpy(obs)).argmax())
        action = rng.randrange(2) if rng.random() < max(0.1, 1 - step / 400) else best
        after, reward, done = cart.step(action)
        after = after.copy() if copied else after
        memory.buffer.append((obs, action, reward, after, done))
        obs = cart.reset() if done else after
        if len(memory.buffer) < 200:
            continue
        seen, acted, earned, following, ended = memory.sample(64, rng)
        with torch.no_grad():
            target_max, _ = target_network(following).max(dim=1)
            td_target = earned + 0.95 * target_max * (1 - ended)
        old_val = q_network(seen).gather(1, acted.unsqueeze(1)).squeeze()
        loss = F.mse_loss(td_target, old_val)
        optimizer.zero_grad()
        loss.backward()
        writer.add_diagnostics(loss=loss, extra={"reward": reward}, global_step=step)
        optimizer.step()
        if synced and step % 50 == 0:
            target_network.load_state_dict(q_network.state_dict())


@patient(
    "LD809",
    "LD705",
    family="Q-learning",
    source="https://github.com/Itomigna2/Muesli-lunarlander/issues/1",
)
def one_array_for_all_states(writer: SummaryWriter) -> None:
    """The world moves its array in place and the memory keeps references: all states that are replayed are the newest."""
    _replayed(writer, copied=False)


@patient(
    "LD623",
    family="Q-learning",
    source="https://github.com/thesouther/MARL/issues/8, https://github.com/vwxyzjn/cleanrl/pull/323",
)
def a_target_network_drawn_for_itself(writer: SummaryWriter) -> None:
    """`target_network` is drawn like `q_network` and never given its weights."""
    _replayed(writer, synced=False)


@patient(family="Q-learning")
def states_that_are_copied(writer: SummaryWriter) -> None:
    """The same with copies, and a target network that follows."""
    _replayed(writer)


ATOMS = 21


def _categorical(writer: SummaryWriter, *, over: int) -> None:
    """C51: a distribution over 21 returns for each action, by a softmax over this axis."""
    rng = random.Random(torch.initial_seed())  # noqa: S311
    cart, memory = Track(torch.initial_seed() % 2**31), Memory()
    support = torch.linspace(0, 10, ATOMS)
    online, target = _network(2 * ATOMS), _network(2 * ATOMS)
    target.load_state_dict(online.state_dict())
    optimizer = optim.Adam(online.parameters(), lr=1e-3)
    writer.watch(online, optimizer)

    def pmfs(network: nn.Module, states: Tensor) -> Tensor:
        return F.softmax(network(states).view(-1, 2, ATOMS), dim=over)

    obs = cart.reset().copy()
    for step in range(900):
        with torch.no_grad():
            worth = (pmfs(online, torch.from_numpy(obs)[None]) * support).sum(2)
        action = rng.randrange(2) if rng.random() < 0.3 else int(worth.argmax())
        after, reward, done = cart.step(action)
        memory.buffer.append((obs, action, reward, after.copy(), done))
        obs = (cart.reset() if done else after).copy()
        if len(memory.buffer) < 200:
            continue
        seen, acted, earned, following, ended = memory.sample(64, rng)
        with torch.no_grad():
            later = pmfs(target, following)
            best = (later * support).sum(2).argmax(1)
            p = later[torch.arange(64), best]
            moved = earned[:, None] + 0.95 * support * (1 - ended[:, None])
            b = moved.clamp(0, 10) / (10 / (ATOMS - 1))
            low, high = b.floor().clamp(0, ATOMS - 1), b.ceil().clamp(0, ATOMS - 1)
            wanted = torch.zeros(64, ATOMS)
            wanted.scatter_add_(1, low.long(), p * (high + (low == high).float() - b))
            wanted.scatter_add_(1, high.long(), p * (b - low))
        said = pmfs(online, seen)[torch.arange(64), acted]
        loss = -(wanted * said.clamp(1e-5, 1 - 1e-5).log()).sum(-1).mean()
        optimizer.zero_grad()
        loss.backward()
        writer.add_diagnostics(loss=loss, extra={"reward": reward}, global_step=step)
        optimizer.step()
        if step % 50 == 0:
            target.load_state_dict(online.state_dict())


@patient(
    "LD503",
    "LD718",
    NO_CODE,
    family="Q-learning",
    source="https://github.com/ray-project/ray/issues/15137",
)
def shares_of_actions_instead_of_returns(writer: SummaryWriter) -> None:
    """`softmax` over the actions of (batch, actions, atoms): what should be a distribution over returns adds up to anything."""
    _categorical(writer, over=1)


@patient(family="Q-learning")
def shares_of_returns(writer: SummaryWriter) -> None:
    """The same over the atoms."""
    _categorical(writer, over=2)
