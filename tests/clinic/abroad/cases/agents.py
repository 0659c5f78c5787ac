"""Stable-Baselines3: PPO, A2C and DQN, watched through a callback, their own values as plain scalars."""

from __future__ import annotations

from typing import Any

import gymnasium
import numpy as np
import torch
from clinic.abroad import patient
from clinic.abroad.recipes import folder
from gymnasium.wrappers import TransformObservation, TransformReward
from stable_baselines3 import A2C, DQN, PPO
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.logger import KVWriter, Logger

import tb_lossdiag
from tb_lossdiag import SummaryWriter


class Watching(BaseCallback):  # type: ignore[misc]
    """`watch` when the training begins."""

    def __init__(self, logdir: str) -> None:
        super().__init__()
        self.logdir = logdir

    def _on_training_start(self) -> None:
        policy = self.model.policy
        self.writer = tb_lossdiag.watch(policy, policy.optimizer, self.logdir)
        self.logger.output_formats.append(Scalars(self.writer))

    def _on_step(self) -> bool:
        return True

    def _on_training_end(self) -> None:
        self.writer.close()


class Scalars(KVWriter):  # type: ignore[misc]
    """What Stable-Baselines3's own TensorBoard output writes, into our writer."""

    def __init__(self, writer: SummaryWriter) -> None:
        self.writer = writer

    def write(self, key_values: Any, key_excluded: Any, step: int = 0) -> None:  # noqa: ARG002
        for key, value in key_values.items():
            if isinstance(value, (int, float, np.number)):
                self.writer.add_scalar(key, float(value), step)

    def close(self) -> None:
        """The writer is closed by whoever made it."""


def learn(
    writer: SummaryWriter,
    algorithm: Any,
    steps: int,
    *,
    reward: float = 1.0,
    observation: float = 1.0,
    **settings: Any,
) -> None:
    """Balance a pole, with rewards and observations that are so many times as large."""
    env: Any = gymnasium.make("CartPole-v1")
    if reward != 1:
        env = TransformReward(env, lambda value: reward * float(value))
    if observation != 1:
        space = gymnasium.spaces.Box(-np.inf, np.inf, (4,), np.float32)
        env = TransformObservation(env, lambda seen: seen * np.float32(observation), space)
    model = algorithm("MlpPolicy", env, seed=torch.initial_seed(), device="cpu", **settings)
    model.set_logger(Logger(None, []))
    model.learn(steps, callback=Watching(folder(writer)), log_interval=1)


PPO_SIZES = {"n_steps": 256, "n_epochs": 6, "learning_rate": 1e-3}
DQN_SIZES = {
    "learning_rate": 1e-3,
    "learning_starts": 500,
    "train_freq": 4,
    "exploration_fraction": 0.3,
    "target_update_interval": 250,
}


@patient(family="Stable-Baselines3")
def ppo_balances_a_pole(writer: SummaryWriter) -> None:
    """Learns in 5,000 steps."""
    learn(writer, PPO, 5120, **PPO_SIZES)


@patient(family="Stable-Baselines3")
def a2c_balances_a_pole(writer: SummaryWriter) -> None:
    """Its value loss rises with the returns."""
    learn(writer, A2C, 5000)


@patient(family="Stable-Baselines3")
def dqn_balances_a_pole(writer: SummaryWriter) -> None:
    """Learns slowly, and from a network that is copied now and then."""
    learn(writer, DQN, 6000, **DQN_SIZES)


@patient(
    "LD510",
    "LD401",
    family="Stable-Baselines3",
    source="DLR-RM/stable-baselines3 issues 2240, 737",
)
def rewards_of_a_thousand(writer: SummaryWriter) -> None:
    """The value loss is millions of times the policy's."""
    learn(writer, PPO, 5120, reward=1000.0, **PPO_SIZES)


@patient(
    "LDR16",
    "LD401",
    family="Stable-Baselines3",
    hard=True,
    source="DLR-RM/stable-baselines3 issue 2240",
)
def entropy_is_all_that_counts(writer: SummaryWriter) -> None:
    """The bonus for entropy is so large that the policy stays uniform."""
    learn(writer, PPO, 5120, ent_coef=5.0, **PPO_SIZES)


@patient("LD510", family="Stable-Baselines3", source="DLR-RM/stable-baselines3 issues 563, 416")
def observations_of_a_thousand(writer: SummaryWriter) -> None:
    """Nobody has scaled the observations."""
    learn(writer, PPO, 5120, observation=1000.0, **PPO_SIZES)


@patient(
    "LD623",
    family="Stable-Baselines3",
    hard=True,
    source="thesouther/MARL issue 8, vwxyzjn/cleanrl PR 323",
)
def a_target_that_is_never_copied(writer: SummaryWriter) -> None:
    """The target network stays as it was made."""
    learn(writer, DQN, 6000, **{**DQN_SIZES, "target_update_interval": 10**9, "tau": 1e-9})


@patient("LD601", "LD104", family="Stable-Baselines3", source="openai/baselines issue 362")
def a_policy_that_jumps(writer: SummaryWriter) -> None:
    """A rate of 0.3 and no clip of the gradient."""
    learn(writer, A2C, 4000, learning_rate=0.3, max_grad_norm=1e9)


@patient("LDR16", family="Stable-Baselines3", source="DLR-RM/stable-baselines3 issue 2240")
def a_bonus_that_keeps_the_policy_at_chance(writer: SummaryWriter) -> None:
    """The same bonus over twice as many updates."""
    learn(writer, PPO, 5120, ent_coef=5.0, **{**PPO_SIZES, "n_steps": 128})


@patient(
    "LDR15",
    also=("LDR16",),
    family="Stable-Baselines3",
    source="DLR-RM/stable-baselines3 issue 2240",
)
def rewards_of_a_thousand_in_a_plain_log(writer: SummaryWriter) -> None:
    """Nobody watches: Stable-Baselines3's own values alone tell that the critic explains nothing."""
    model = PPO(
        "MlpPolicy",
        TransformReward(gymnasium.make("CartPole-v1"), lambda value: 1000 * float(value)),
        seed=torch.initial_seed(),
        device="cpu",
        **{**PPO_SIZES, "n_steps": 128},
    )
    model.set_logger(Logger(None, [Scalars(writer)]))
    model.learn(5120, log_interval=1)
