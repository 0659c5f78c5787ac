"""The tenth lot: agents."""

from __future__ import annotations

import random
from collections import deque

import gymnasium
import numpy as np
import torch
from clinic.abroad import sealed
from clinic.abroad.cases.sealed_tenth import take_step
from clinic.case import NO_CODE
from torch import Tensor, nn
from torch.optim import Adam

from tb_lossdiag import SummaryWriter


class _Agent:
    """Two nets, a memory and less and less chance, as the cookbook has them."""

    def __init__(self, writer: SummaryWriter, *, fixed: bool) -> None:
        self.writer, self.fixed, self.step, self.eps = writer, fixed, 0, 1.0
        self.model, self.target_model = (
            nn.Sequential(
                nn.Linear(4, 32), nn.ReLU(), nn.Linear(32, 16), nn.ReLU(), nn.Linear(16, 2)
            )
            for _ in range(2)
        )
        self.optimizer, self.loss_fn = Adam(self.model.parameters(), lr=5e-3), nn.MSELoss()
        self.buffer: deque[tuple[Tensor, int, float, Tensor, float]] = deque(maxlen=10_000)
        writer.watch(self.model, self.optimizer)

    def get_action(self, state: Tensor) -> int:
        """The best, or any."""
        self.eps = max(0.02, self.eps * 0.998)
        if random.random() < self.eps:  # noqa: S311
            return random.randint(0, 1)  # noqa: S311
        with torch.no_grad():
            return int(self.model(state).argmax())

    def replay(self) -> None:
        """Fit batches of the memory."""
        for _ in range(10):
            batch = random.sample(self.buffer, 32)
            states = torch.stack([row[0] for row in batch])
            next_states = torch.stack([row[3] for row in batch])
            actions = torch.tensor([row[1] for row in batch])
            rewards, done = (torch.tensor([row[i] for row in batch]) for i in (2, 4))
            with torch.no_grad():
                targets = self.model(states) if self.fixed else torch.zeros(32, 2)
                next_q = self.target_model(next_states).max(1).values
            targets[torch.arange(32), actions] = rewards + (1 - done) * next_q * 0.95
            take_step(
                self.writer, self.optimizer, self.loss_fn(self.model(states), targets), self.step
            )
            self.step += 1
        self.target_model.load_state_dict(self.model.state_dict())


def _cart(writer: SummaryWriter, *, fixed: bool = False) -> float:
    """Mean length of the last twenty episodes."""
    random.seed(int(torch.randint(1000, ())))
    env, agent = gymnasium.make("CartPole-v1"), _Agent(writer, fixed=fixed)
    lengths = []
    for episode in range(100):
        seen, _ = env.reset(seed=episode)
        state, length, over = torch.as_tensor(seen), 0, False
        while not over:
            action = agent.get_action(state)
            seen, reward, ended, cut, _ = env.step(action)
            following, over = torch.as_tensor(seen), ended or cut
            agent.buffer.append((state, action, 0.01 * float(reward), following, float(ended)))
            state, length = following, length + 1
        lengths.append(length)
        if len(agent.buffer) >= 64:
            agent.replay()
    return float(np.mean(lengths[-20:]))


@sealed(
    NO_CODE,
    also=("LD623", "LD104", "LD105", "LD109"),
    family="games",
    source="https://github.com/PacktPublishing/Tensorflow-2-Reinforcement-Learning-Cookbook/issues/32",
    hard=True,
)
def tenth_actions_not_taken_are_worth_nothing(writer: SummaryWriter) -> None:
    """Targets begin as zeros, and only that of the action that was taken is filled in: the net learns 0 for all others."""
    _cart(writer)


class _Policy(nn.Module):
    """Scores of twelve ways to answer, and what is to be hoped for."""

    def __init__(self) -> None:
        super().__init__()
        self.torso = nn.Sequential(nn.Linear(8, 48), nn.ReLU())
        self.policy_head, self.value_head = nn.Linear(48, 12), nn.Linear(48, 1)

    def forward(self, state: Tensor) -> tuple[Tensor, Tensor]:
        h = self.torso(state)
        return self.policy_head(h), self.value_head(h)[:, 0]


def _batch_a2c(
    logits: Tensor, values: Tensor, action: Tensor, paid: Tensor, *, fixed: bool
) -> Tensor:
    """Policy, critic and entropy."""
    told = torch.distributions.Categorical(logits=logits)
    policy_loss = -((paid - values).detach() * told.log_prob(action)).mean()
    critic_loss = 0.5 * (paid - values).square().mean()
    entropy = 0.1 * told.entropy().mean()
    total: Tensor = policy_loss + critic_loss + (-entropy if fixed else entropy)
    return total


def _a2c(writer: SummaryWriter, *, fixed: bool = False) -> float:
    """What the best answer to each of eight states is paid, of what could be had."""
    prizes = torch.rand(8, 12)
    net = _Policy()
    optimizer = Adam(net.parameters(), lr=3e-3)
    writer.watch(net, optimizer)
    for step in range(600):
        state = torch.randint(8, (32,))
        logits, values = net(nn.functional.one_hot(state, 8).float())
        action = torch.distributions.Categorical(logits=logits).sample()
        paid = prizes[state, action] + 0.2 * torch.randn(32)
        loss = _batch_a2c(logits, values, action, paid, fixed=fixed)
        take_step(writer, optimizer, loss, step)
    with torch.no_grad():
        best = net(torch.eye(8))[0].argmax(1)
    return float(prizes[torch.arange(8), best].sum() / prizes.amax(1).sum())


@sealed(
    "LD413",
    "LDR02",
    also=("LD105", "LD107"),
    family="games",
    source="https://github.com/google-deepmind/open_spiel/issues/962",
)
def tenth_entropy_is_paid_for(writer: SummaryWriter) -> None:
    """The entropy is added to the loss of policy and critic, not taken from it: the sooner the agent is sure, the better."""
    _a2c(writer)
