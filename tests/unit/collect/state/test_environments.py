from __future__ import annotations

import sys
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from tb_lossdiag.collect.state.environments import Environments


class _Env:
    """What gymnasium's class is to ours: a kind that other people's environments are of."""


class _Maze(_Env):
    def __init__(self) -> None:
        self.place, self.walls = [0, 0], np.zeros(9)
        self.np_random = np.random.default_rng(0)
        self.inside: Any = object()

    def step(self) -> None:
        self.place = [self.place[0] + 1, 0]


class _Bandit(_Env):
    def __init__(self) -> None:
        self.np_random = np.random.default_rng(0)

    def step(self) -> None:
        self.np_random.random()


class _Board(_Env):
    def __init__(self) -> None:
        self.fields, self.player = np.zeros((3, 3)), 1.0

    def step(self) -> None:
        self.fields[1, 1] = self.player


@pytest.fixture(autouse=True)
def _library(monkeypatch: pytest.MonkeyPatch) -> None:
    gym = ModuleType("gym")
    gym.Env = _Env  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "gym", gym)
    monkeypatch.delitem(sys.modules, "gymnasium", raising=False)
    monkeypatch.delitem(sys.modules, "gymnasium.vector", raising=False)


def test_an_environment_is_acted_in_and_told_of_once() -> None:
    env, seen = _Maze(), Environments()
    assert seen.acts_in() == "gym"
    env.step()
    assert seen.acts_in() == ""


def test_without_one_nobody_acts() -> None:
    assert Environments().acts_in() == ""


@pytest.mark.parametrize("kind", [_Maze, _Bandit, _Board])
def test_one_left_over_from_an_earlier_training_counts_where_it_is_stepped_in(kind: Any) -> None:
    env = kind()
    assert Environments().acts_in() == "gym"
    seen = Environments()
    assert [seen.acts_in() for _ in range(3)] == ["", "", ""]
    env.step()
    assert [seen.acts_in(), seen.acts_in()] == ["gym", ""]


def test_one_that_is_gone_is_no_ones() -> None:
    env = _Maze()
    assert Environments().acts_in() == "gym"
    seen = Environments()
    assert seen.acts_in() == ""
    del env
    assert seen.acts_in() == ""


def test_a_new_one_counts_beside_an_old_one() -> None:
    old = _Maze()
    assert Environments().acts_in() == "gym"
    new = _Maze()
    assert Environments().acts_in() == "gym"
    del old, new
