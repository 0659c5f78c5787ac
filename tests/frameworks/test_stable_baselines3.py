"""The Stable-Baselines3 callback with its algorithms: recorded, and the weights are what they are without it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from helpers.tiny_trainings import read
from tb_lossdiag.analysis.reinforcement import is_reinforcement
from tb_lossdiag.quantities import (
    CLIP_GLOBAL_NORM,
    EXTRA,
    GLOBAL_NORM,
    LEARNING_RATE,
    LOSS,
    LOSS_TERM,
)

sb3 = pytest.importorskip("stable_baselines3")
gymnasium = pytest.importorskip("gymnasium")


class Walk(gymnasium.Env[Any, Any]):  # type: ignore[misc, name-defined]
    """Stay near the origin for twenty steps."""

    def __init__(self, *, continuous: bool = False) -> None:
        spaces = gymnasium.spaces
        self.observation_space = spaces.Box(-9.0, 9.0, (2,), np.float32)
        self.action_space = spaces.Box(-1.0, 1.0, (1,)) if continuous else spaces.Discrete(2)
        self._continuous = continuous

    def _seen(self) -> Any:
        return np.array([self._at, self._time / 20], np.float32)

    def reset(self, *, seed: int | None = None, options: Any = None) -> Any:  # noqa: ARG002
        super().reset(seed=seed)
        self._at, self._time = float(self.np_random.normal()), 0
        return self._seen(), {}

    def step(self, action: Any) -> Any:
        moved = float(np.ravel(action)[0]) if self._continuous else 2.0 * float(action) - 1.0
        self._at = float(np.clip(self._at + 0.5 * moved, -8, 8))
        self._time += 1
        return self._seen(), -abs(self._at), False, self._time == 20, {}


SETUPS: dict[str, tuple[str, dict[str, Any], int, int]] = {
    "PPO": ("PPO", {"n_steps": 32, "batch_size": 16, "n_epochs": 2}, 96, 12),
    "A2C": ("A2C", {"n_steps": 8}, 160, 20),
    "DQN": ("DQN", {"learning_starts": 32, "train_freq": 4, "batch_size": 8}, 96, 16),
    "SAC": ("SAC", {"learning_starts": 32, "batch_size": 8}, 48, 16),
    "TD3": ("TD3", {"learning_starts": 32, "batch_size": 8}, 48, 8),  # its critic steps twice
}
TWO_NETWORKS = {"SAC", "TD3"}


def agent(name: str, **more: Any) -> Any:
    kind, arguments, *_ = SETUPS[name]
    env = Walk(continuous=name in TWO_NETWORKS)
    policy = {"net_arch": [16]}
    made = {"policy_kwargs": policy, "seed": 0, "device": "cpu", **arguments, **more}
    return getattr(sb3, kind)("MlpPolicy", env, **made)


def doctor(*given: Any, **options: Any) -> Any:
    from tb_lossdiag.integrations.stable_baselines3 import LossDoctor  # noqa: PLC0415

    return LossDoctor(*given, **options)


def weights(model: Any) -> list[Tensor]:
    return [value.clone() for value in model.policy.state_dict().values()]


@pytest.mark.parametrize("name", SETUPS)
def test_a_training_is_recorded_and_not_changed(name: str, tmp_path: Path) -> None:
    *_, moments, steps = SETUPS[name]
    plain = [torch.autograd.backward, torch.nn.utils.clip_grad_norm_]
    watched = agent(name).learn(moments, callback=doctor(tmp_path), log_interval=1)
    without = agent(name).learn(moments, log_interval=1)  # seeds what both draw from
    for ours, theirs in zip(weights(watched), weights(without), strict=True):
        assert torch.equal(ours, theirs)
    assert plain == [torch.autograd.backward, torch.nn.utils.clip_grad_norm_]
    run = read(tmp_path)
    assert run.facts["framework"] == "stable_baselines3"
    np.testing.assert_array_equal(run[GLOBAL_NORM].steps, np.arange(steps))
    np.testing.assert_array_equal(run[LEARNING_RATE].steps, np.arange(steps))
    if name in TWO_NETWORKS:
        assert set(run[GLOBAL_NORM].columns) == {"actor", "critic"}  # in the order of their arrival
        assert set(run[LOSS_TERM].columns) == {"actor", "critic"}
    else:
        np.testing.assert_array_equal(run[LOSS].steps, np.arange(steps))
        assert (CLIP_GLOBAL_NORM in run) == (name != "SAC")
    assert "ep_rew_mean" in run[EXTRA].columns
    assert is_reinforcement(run)


def test_learning_on_goes_on_in_the_run(tmp_path: Path) -> None:
    model, callback = agent("A2C"), doctor(tmp_path)
    model.learn(80, callback=callback)
    model.learn(80, callback=callback, reset_num_timesteps=False)
    np.testing.assert_array_equal(read(tmp_path)[LOSS].steps, np.arange(20))


def test_a_saved_agent_goes_on_in_its_folder(tmp_path: Path) -> None:
    model = agent("A2C")
    model.learn(80, callback=doctor(tmp_path / "mine"))
    model.save(tmp_path / "agent.zip")
    again = sb3.A2C.load(tmp_path / "agent.zip", env=Walk())
    again.learn(80, callback=doctor(tmp_path / "mine"), reset_num_timesteps=False)
    run = read(tmp_path / "mine")
    np.testing.assert_array_equal(run[LOSS].steps, np.arange(20))
    assert [(r.kind, r.step, r.undone) for r in run.restarts] == [("resumed", 10, 0)]


def test_the_folder_is_that_of_the_agents_own_log(tmp_path: Path) -> None:
    model = agent("A2C", tensorboard_log=str(tmp_path))
    model.learn(80, callback=doctor(), log_interval=1)
    run = read(tmp_path / "A2C_1")
    np.testing.assert_array_equal(run[LOSS].steps, np.arange(10))


def test_an_option_that_is_none_is_refused_at_once() -> None:
    with pytest.raises(TypeError, match="seldom: no such option; there are every, "):
        doctor(seldom=3)
