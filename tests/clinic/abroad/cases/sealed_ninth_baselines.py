"""The ninth lot: Stable-Baselines3."""

from __future__ import annotations

from typing import Any

import gymnasium
import numpy as np
import torch
from clinic.abroad import sealed
from clinic.abroad.recipes import folder
from gymnasium.wrappers import TransformObservation
from stable_baselines3 import PPO
from stable_baselines3.common.monitor import Monitor
from stable_baselines3.common.vec_env import DummyVecEnv, VecNormalize

from tb_lossdiag import SummaryWriter


def _walker() -> Any:
    """CartPole whose sensors have units of their own, and an offset."""
    space = gymnasium.spaces.Box(-np.inf, np.inf, (4,), np.float32)
    scale, offset = np.array([50, 400, 3, 900], np.float32), np.array([20, 50, 4, 30], np.float32)
    env: Any = gymnasium.make("CartPole-v1")
    env = TransformObservation(env, lambda seen: seen * scale + offset, space)
    return Monitor(env)


def _curriculum(writer: SummaryWriter, *, fixed: bool = False) -> float:
    """Mean length of the first episodes of the second stage."""
    from tb_lossdiag.integrations.stable_baselines3 import LossDoctor  # noqa: PLC0415

    place, seed = folder(writer), int(torch.randint(1000, ()))
    envs = VecNormalize(DummyVecEnv([_walker] * 4), norm_reward=False)
    agent = PPO(
        "MlpPolicy", envs, n_steps=128, batch_size=128, n_epochs=10, gae_lambda=0.8, gamma=0.98,
        learning_rate=1e-3, seed=seed, device="cpu",
    )  # fmt: skip
    agent.learn(8_000, callback=LossDoctor(place))
    new = VecNormalize(DummyVecEnv([_walker] * 4), norm_reward=False)
    if fixed:
        new.obs_rms = envs.obs_rms
    agent.set_env(new)
    agent.learn(3_000, callback=LossDoctor(place), reset_num_timesteps=False)
    lengths = [row["l"] for row in list(agent.ep_info_buffer or [])[-40:]]
    return float(np.mean(lengths))


@sealed(
    "LD626",
    "LDR25",
    also=("LD113", "LD510"),
    family="games",
    source="https://github.com/kuds/mesozoic-labs/pull/131",
)
def ninth_statistics_of_the_stage_before(writer: SummaryWriter) -> None:
    """Each stage of a course gets a new `VecNormalize`, whose statistics begin at nothing: the policy sees numbers it never saw."""
    _curriculum(writer)
