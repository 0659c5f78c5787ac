"""The fourth lot, of reinforcement by hand: targets, ratios and advantages as reports have them."""

from __future__ import annotations

from copy import deepcopy

import torch
from clinic.abroad import patient
from clinic.case import NO_CODE
from clinic.nets import mlp
from torch import Tensor, nn
from torch.distributions import Categorical
from torch.nn.functional import mse_loss, smooth_l1_loss
from torch.optim import Adam

from tb_lossdiag import SummaryWriter


class Corridor:
    """Ninety-six walkers on a line of nine fields: the right end pays ten, the left end one, and a step costs a tenth."""

    def __init__(self, count: int = 96) -> None:
        self.at = torch.full((count,), 4)

    def see(self) -> Tensor:
        return nn.functional.one_hot(self.at, 9).float()

    def step(self, action: Tensor) -> tuple[Tensor, Tensor]:
        """Reward and whether the walk has ended; ended ones begin anew in the middle."""
        slip = torch.rand(len(action)) < 0.1
        move = torch.where(slip, -1, 1) * torch.where(action == 1, 1, -1)
        self.at = (self.at + move).clamp(0, 8)
        left, right = self.at == 0, self.at == 8
        reward = 10.0 * right + 1.0 * left - 0.1
        done = left | right
        self.at = torch.where(done, torch.randint(2, 7, self.at.shape), self.at)
        return reward, done


def _q(writer: SummaryWriter, *, in_time: bool) -> None:
    """Deep Q-learning from a walk at random; `in_time` forgets what follows an end before the target is made."""
    world, model = Corridor(), mlp(9, 48, 2)
    target, optimizer = deepcopy(model), Adam(model.parameters(), 2e-3)
    writer.watch(model, optimizer)
    for step in range(500):
        before, action = world.see(), torch.randint(2, (96,))
        reward, done = world.step(action)
        with torch.no_grad():
            q_next = target(world.see()).amax(1)
            if in_time:
                q_next[done] = 0.0
            q_target = reward + 0.98 * q_next
            if not in_time:
                q_next[done] = 0.0
        q = model(before).gather(1, action[:, None])[:, 0]
        optimizer.zero_grad()
        loss = smooth_l1_loss(q, q_target)
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 10.0)
        writer.add_diagnostics(loss=loss, global_step=step)
        optimizer.step()
        if step % 10 == 0:
            target.load_state_dict(model.state_dict())


@patient(
    "LD102",
    "LD111",
    "LD712",
    NO_CODE,
    family="Q-learning",
    hard=True,
    source="https://github.com/awill139/d3qn_pytorch/issues/1, https://github.com/navneet-nmk/pytorch-rl/issues/2",
)
def an_end_forgotten_too_late(writer: SummaryWriter) -> None:
    """`q_next[dones] = 0` stands after the line that uses it: values grow past all that can be earned."""
    _q(writer, in_time=False)


@patient(family="Q-learning")
def an_end_that_ends(writer: SummaryWriter) -> None:
    """The same in the right order."""
    _q(writer, in_time=True)


class _ActorCritic(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.actor, self.critic = mlp(9, 48, 2), mlp(9, 48, 1)

    def forward(self, seen: Tensor) -> tuple[Categorical, Tensor]:
        return Categorical(logits=self.actor(seen)), self.critic(seen)[..., 0]


class _Walk:
    """Sixteen steps of all walkers, and what was earned after each."""

    def __init__(self, world: Corridor, model: _ActorCritic) -> None:
        seen, acted, logs, earned, ends = [], [], [], [], []
        with torch.no_grad():
            for _ in range(16):
                policy, _ = model(world.see())
                action = policy.sample()
                seen.append(world.see())
                acted.append(action)
                logs.append(policy.log_prob(action))
                reward, done = world.step(action)
                earned.append(reward)
                ends.append(done)
            follow = model(world.see())[1]
        returns: list[Tensor] = []
        for reward, done in zip(reversed(earned), reversed(ends), strict=True):
            follow = reward + 0.95 * follow * ~done
            returns.insert(0, follow)
        self.seen, self.acted = torch.cat(seen), torch.cat(acted)
        self.logs, self.returns = torch.cat(logs), torch.cat(returns)
        self.reward = torch.cat(earned).mean()


def _ppo(writer: SummaryWriter, *, stale: bool) -> None:
    """Four passes over each walk; `stale` keeps the probabilities it was walked with."""
    world, model = Corridor(), _ActorCritic()
    optimizer = Adam(model.parameters(), 3e-3)
    writer.watch(model, optimizer)
    for update in range(60):
        walk = _Walk(world, model)
        for turn in range(4):
            policy, value = model(walk.seen)
            new = policy.log_prob(walk.acted)
            old = walk.logs if stale else new.detach()
            advantage = walk.returns - value.detach()
            advantage = (advantage - advantage.mean()) / (advantage.std() + 1e-8)
            ratio = (new - old).exp()
            clipped = ratio.clamp(0.8, 1.2) * advantage
            actor = -torch.min(ratio * advantage, clipped).mean()
            critic, bonus = mse_loss(value, walk.returns), policy.entropy().mean()
            loss = actor + 0.5 * critic - 0.01 * bonus
            optimizer.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(model.parameters(), 0.5)
            writer.add_diagnostics(
                loss=loss,
                loss_terms={"actor": actor, "critic": (critic, 0.5), "entropy": (bonus, -0.01)},
                global_step=4 * update + turn,
            )
            optimizer.step()


@patient(
    "LD531",
    family="PPO",
    hard=True,
    source="https://github.com/abhisheksuran/Reinforcement_Learning/issues/4, https://github.com/AI4Finance-Foundation/ElegantRL/issues/243",
)
def a_ratio_to_itself(writer: SummaryWriter) -> None:
    """The old probability is made anew by the policy that has moved since: the ratio is one, nothing is ever clipped."""
    _ppo(writer, stale=False)


@patient(family="PPO")
def four_passes_over_a_walk(writer: SummaryWriter) -> None:
    """The same as it is meant."""
    _ppo(writer, stale=True)


class _Scale:
    """A running mean and deviation of what is earned."""

    def __init__(self) -> None:
        self.mean, self.std = torch.zeros(()), torch.ones(())

    def update(self, values: Tensor) -> None:
        self.mean = self.mean.lerp(values.mean(), 0.1)
        self.std = self.std.lerp(values.std(), 0.1)

    def normalize(self, values: Tensor) -> Tensor:
        return (values - self.mean) / self.std

    def denormalize(self, values: Tensor) -> Tensor:
        return values * self.std + self.mean


def _normed(writer: SummaryWriter, *, undone: bool) -> None:
    """Advantage actor-critic whose critic answers in a normed scale; `undone` leaves that scale before it is compared."""
    world, model, scale = Corridor(), _ActorCritic(), _Scale()
    optimizer = Adam(model.parameters(), 3e-3)
    writer.watch(model, optimizer)
    for step in range(120):
        walk = _Walk(world, model)
        scale.update(walk.returns)
        policy, value = model(walk.seen)
        judged = scale.denormalize(value) if undone else value
        advantage = (walk.returns - judged).detach()
        actor = -(policy.log_prob(walk.acted) * advantage).mean()
        critic = mse_loss(value, scale.normalize(walk.returns))
        loss = actor + critic
        optimizer.zero_grad()
        loss.backward()
        writer.add_diagnostics(
            loss=loss, loss_terms={"actor": actor, "critic": critic}, global_step=step
        )
        optimizer.step()


@patient(
    "LD532",
    "LDR15",
    family="actor-critic",
    hard=True,
    source="https://github.com/marlbenchmark/on-policy/pull/13",
)
def an_advantage_between_two_scales(writer: SummaryWriter) -> None:
    """Returns minus values that are still normed: all that was done seems better than expected."""
    _normed(writer, undone=False)


@patient(family="actor-critic")
def an_advantage_in_one_scale(writer: SummaryWriter) -> None:
    """The same with the scale undone."""
    _normed(writer, undone=True)


def _lines(writer: SummaryWriter, *, masked: bool) -> None:
    """A policy writes lines of up to 24 letters and is paid for an even first half; most lines are short, the rest is padding."""
    model = nn.Sequential(nn.Embedding(25, 32), nn.ReLU(), nn.Linear(32, 8))
    optimizer = Adam(model.parameters(), 3e-3)
    writer.watch(model, optimizer)
    places = torch.arange(24).expand(64, 24)
    for step in range(250):
        length = torch.randint(3, 12, (64, 1))
        mask = (places < length).float()
        policy = Categorical(logits=model(places))
        letters = policy.sample()
        good = (letters % 2 == 0).float() + 4.0
        advantages = good * mask
        mean = (advantages * mask).sum() / mask.sum() if masked else advantages.mean()
        deviation = (((advantages - mean) ** 2 * mask).sum() / mask.sum()).clamp(1e-8).sqrt()
        advantages = (advantages - mean) / deviation
        loss = -(policy.log_prob(letters) * advantages * mask).sum() / mask.sum()
        optimizer.zero_grad()
        loss.backward()
        writer.add_diagnostics(loss=loss, global_step=step)
        optimizer.step()


@patient(
    "LD533",
    family="policies of words",
    hard=True,
    source="https://github.com/NovaSky-AI/SkyRL/issues/1305",
)
def a_mean_over_the_padding(writer: SummaryWriter) -> None:
    """Advantages are centred by a mean that counts the padding's zeros: nearly all of them stay positive."""
    _lines(writer, masked=False)


@patient(family="policies of words")
def a_mean_over_the_words(writer: SummaryWriter) -> None:
    """The same with the mask in the mean."""
    _lines(writer, masked=True)
