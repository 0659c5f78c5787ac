"""Stable-Baselines3: a lever whose positions are small or large numbers."""

from __future__ import annotations

from typing import Any

import gymnasium
import numpy as np
import torch
from clinic.abroad import patient
from clinic.abroad.cases.agents import Watching
from clinic.abroad.recipes import folder
from clinic.case import NO_CODE
from gymnasium.spaces import Box
from stable_baselines3 import A2C, PPO
from stable_baselines3.common.logger import Logger

from tb_lossdiag import SummaryWriter


class Lever(gymnasium.Env[Any, Any]):  # type: ignore[misc]
    """Set a lever where the state says, ten times; positions go from -`reach` to `reach`."""

    def __init__(self, reach: float) -> None:
        self.reach = reach
        self.observation_space = Box(-1, 1, (2,), np.float32)
        self.action_space = Box(-reach, reach, (1,), np.float32)

    def _draw(self) -> Any:
        self.state = self.np_random.uniform(-1, 1, 2).astype(np.float32)
        return self.state

    def reset(self, *, seed: int | None = None, options: Any = None) -> tuple[Any, dict[str, Any]]:
        super().reset(seed=seed, options=options)
        self.left = 10
        return self._draw(), {}

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        reward = -float(abs(action[0] / self.reach - self.state[0]))
        self.left -= 1
        return self._draw(), reward, self.left == 0, False, {}


def _learn(writer: SummaryWriter, algorithm: Any, reach: float, steps: int, **more: Any) -> None:
    model = algorithm(
        "MlpPolicy", Lever(reach), seed=torch.initial_seed(), device="cpu", gamma=0.5, **more
    )
    model.set_logger(Logger(None, []))
    model.learn(steps, callback=Watching(folder(writer)), log_interval=1)


@patient(
    NO_CODE,
    family="Stable-Baselines3",
    source="hill-a/stable-baselines issue 637, DLR-RM/stable-baselines3 issue 389",
)
def a_lever_with_two_thousand_positions(writer: SummaryWriter) -> None:
    """Actions from -2000 to 2000: a policy that begins at 0 with a deviation of 1 sees none of them."""
    _learn(writer, PPO, 2000.0, 2560, n_steps=256, n_epochs=6, learning_rate=1e-3)


@patient(family="Stable-Baselines3")
def a_lever_from_minus_one_to_one(writer: SummaryWriter) -> None:
    """The same lever, scaled."""
    _learn(writer, PPO, 1.0, 2560, n_steps=256, n_epochs=6, learning_rate=1e-3)


@patient(family="Stable-Baselines3")
def a_lever_of_an_actor_and_a_critic(writer: SummaryWriter) -> None:
    """A2C, whose losses are noisy, on the scaled lever."""
    _learn(writer, A2C, 1.0, 2400, n_steps=20, learning_rate=3e-3)
