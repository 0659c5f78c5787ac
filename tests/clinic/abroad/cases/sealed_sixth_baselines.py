"""The sixth lot, what is sound: Stable-Baselines3."""

from __future__ import annotations

import torch
from clinic.abroad import patient
from clinic.abroad.recipes import folder
from stable_baselines3 import A2C
from stable_baselines3.common.env_util import make_vec_env
from stable_baselines3.common.evaluation import evaluate_policy

from tb_lossdiag import SummaryWriter


def _poles(writer: SummaryWriter) -> float:
    """Mean length of ten episodes."""
    from tb_lossdiag.integrations.stable_baselines3 import LossDoctor  # noqa: PLC0415

    seed = int(torch.randint(1000, ()))
    envs = make_vec_env("CartPole-v1", n_envs=8, seed=seed)
    agent = A2C(
        "MlpPolicy", envs, learning_rate=2e-3, n_steps=8, gae_lambda=0.95, ent_coef=0.0, seed=seed,
        device="cpu", policy_kwargs={"net_arch": [32]},
    )  # fmt: skip
    agent.learn(16_000, callback=LossDoctor(folder(writer)))
    length = evaluate_policy(agent, envs, n_eval_episodes=10)[0]
    return float(length) if isinstance(length, float) else 0.0


@patient(
    family="games",
    source="https://stable-baselines3.readthedocs.io/en/master/modules/a2c.html",
)
def sixth_poles_and_a_critic_of_few_steps(writer: SummaryWriter) -> None:
    """A2C with RMSprop on eight carts, eight steps each: its loss goes up as episodes get longer, and that is success."""
    _poles(writer)
