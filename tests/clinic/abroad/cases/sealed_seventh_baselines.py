"""The seventh lot, what is sound: Stable-Baselines3."""

from __future__ import annotations

import torch
from clinic.abroad import patient
from clinic.abroad.recipes import folder
from stable_baselines3 import PPO
from stable_baselines3.common.env_util import make_vec_env
from stable_baselines3.common.evaluation import evaluate_policy
from stable_baselines3.common.utils import LinearSchedule

from tb_lossdiag import SummaryWriter


def _poles(writer: SummaryWriter) -> float:
    """Mean length of ten episodes."""
    from tb_lossdiag.integrations.stable_baselines3 import LossDoctor  # noqa: PLC0415

    seed = int(torch.randint(1000, ()))
    envs = make_vec_env("CartPole-v1", n_envs=8, seed=seed)
    agent = PPO(
        "MlpPolicy", envs, n_steps=32, batch_size=256, gae_lambda=0.8, gamma=0.98, n_epochs=20,
        ent_coef=0.0, learning_rate=LinearSchedule(1e-3, 0.0, 1.0),
        clip_range=LinearSchedule(0.2, 0.0, 1.0), seed=seed, device="cpu",
    )  # fmt: skip
    agent.learn(30_000, callback=LossDoctor(folder(writer)))
    length = evaluate_policy(agent, envs, n_eval_episodes=10)[0]
    return float(length) if isinstance(length, float) else 0.0


@patient(family="games", source="https://github.com/DLR-RM/rl-baselines3-zoo")
def seventh_values_that_grow_as_poles_stand(writer: SummaryWriter) -> None:
    """PPO with twenty passes over each rollout, rate and clip going to 0: its loss grows with the values, which grow as poles stand longer, up to 500 steps."""
    _poles(writer)
