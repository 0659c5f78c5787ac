"""The eighth lot, what is sound: Stable-Baselines3."""

from __future__ import annotations

from typing import Any

import gymnasium as gym
import numpy as np
import torch
from clinic.abroad import patient
from clinic.abroad.recipes import folder
from stable_baselines3 import PPO, TD3
from stable_baselines3.common.env_util import make_vec_env
from stable_baselines3.common.evaluation import evaluate_policy
from stable_baselines3.common.noise import NormalActionNoise

from tb_lossdiag import SummaryWriter


class _Corridor(gym.Env[Any, Any]):  # type: ignore[misc]
    """Eight rooms in a row, and a prize in the last one alone."""

    def __init__(self) -> None:
        self.observation_space = gym.spaces.Box(0.0, 1.0, (8,), np.float32)
        self.action_space = gym.spaces.Discrete(2)
        self.room, self.time = 0, 0

    def _seen(self) -> Any:
        return np.eye(8, dtype=np.float32)[self.room]

    def reset(self, **more: Any) -> Any:
        """Go to the second room."""
        super().reset(**more)
        self.room, self.time = 1, 0
        return self._seen(), {}

    def step(self, action: Any) -> Any:
        """One room to either side."""
        self.room, self.time = max(0, self.room + (1 if action else -1)), self.time + 1
        won = self.room == 7
        return self._seen(), float(won), won, self.time == 30, {}


def _doctor(writer: SummaryWriter) -> Any:
    from tb_lossdiag.integrations.stable_baselines3 import LossDoctor  # noqa: PLC0415

    return LossDoctor(folder(writer))


def _corridor(writer: SummaryWriter) -> float:
    """Mean prize of twenty episodes."""
    seed = int(torch.randint(1000, ()))
    envs = make_vec_env(_Corridor, n_envs=8, seed=seed)
    agent = PPO(
        "MlpPolicy", envs, n_steps=64, batch_size=128, n_epochs=6, ent_coef=0.01, gamma=0.97,
        learning_rate=1e-3, seed=seed, device="cpu",
    )  # fmt: skip
    agent.learn(10_000, callback=_doctor(writer))
    prize = evaluate_policy(agent, envs, n_eval_episodes=20)[0]
    return float(prize) if isinstance(prize, float) else 0.0


@patient(family="games")
def eighth_a_prize_in_the_last_room(writer: SummaryWriter) -> None:
    """PPO where all rewards are nought but one, which is found by chance now and then: its losses are next to nothing at first, and grow."""
    _corridor(writer)


class _Reach(gym.Env[Any, Any]):  # type: ignore[misc]
    """Two joints are to be brought to a place within twenty steps; what is missing is the reward, below nought."""

    def __init__(self) -> None:
        self.observation_space = gym.spaces.Box(-4.0, 4.0, (4,), np.float32)
        self.action_space = gym.spaces.Box(-1.0, 1.0, (2,), np.float32)
        self.at, self.goal, self.time = np.zeros(2), np.zeros(2), 0

    def _seen(self) -> Any:
        return np.concatenate([self.at, self.goal]).astype(np.float32)

    def reset(self, **more: Any) -> Any:
        """Draw a place."""
        super().reset(**more)
        self.at, self.time = np.zeros(2), 0
        self.goal = self.np_random.uniform(-1.0, 1.0, 2)
        return self._seen(), {}

    def step(self, action: Any) -> Any:
        """Move a little."""
        self.at, self.time = np.clip(self.at + 0.25 * action, -2.0, 2.0), self.time + 1
        missing = float(np.linalg.norm(self.at - self.goal))
        return self._seen(), -missing, False, self.time == 20, {}


def _reach(writer: SummaryWriter) -> float:
    """Mean return of twenty episodes."""
    seed = int(torch.randint(1000, ()))
    envs = make_vec_env(_Reach, n_envs=4, seed=seed)
    noise = NormalActionNoise(np.zeros(2), 0.3 * np.ones(2))
    agent = TD3(
        "MlpPolicy", envs, learning_starts=400, train_freq=4, gradient_steps=2, batch_size=128,
        learning_rate=2e-3, gamma=0.9, action_noise=noise, seed=seed, device="cpu",
        policy_kwargs={"net_arch": [64, 64]},
    )  # fmt: skip
    agent.learn(5200, callback=_doctor(writer))
    value = evaluate_policy(agent, envs, n_eval_episodes=20)[0]
    return float(value) if isinstance(value, float) else 0.0


@patient(family="games")
def eighth_returns_that_are_all_below_nought(writer: SummaryWriter) -> None:
    """TD3 with rewards that are never above nought: the critics go down to where returns lie while the actor gets better, which moves every other step."""
    _reach(writer)
