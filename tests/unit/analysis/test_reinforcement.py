from __future__ import annotations

import numpy as np
import pytest

from made.changes import changed, without
from made.healthy import healthy_run
from made.loss_calls import with_call
from tb_lossdiag.analysis.reinforcement import (
    is_reinforcement,
    targets_are_renewed,
    targets_wander,
)
from tb_lossdiag.quantities import CALL_TARGET_STD, EXTRA, LOSS_TERM
from tb_lossdiag.run import Run

RUN = healthy_run(1)


def terms(*names: str) -> Run:
    return changed(RUN, LOSS_TERM, RUN[LOSS_TERM].values, names)


@pytest.mark.parametrize(
    "names",
    [("policy_loss", "x"), ("actor", "x"), ("value", "entropy"), ("loss/critic", "x"), ("pg", "v")],
)
def test_terms_that_only_an_agent_has(names: tuple[str, str]) -> None:
    assert is_reinforcement(terms(*names))


@pytest.mark.parametrize(
    "names",
    [
        ("main", "aux"),
        ("entropy", "data"),
        ("value", "data"),
        ("factor", "policyholder"),
        ("pgd", "nq"),
    ],
)
def test_terms_that_others_have_as_well(names: tuple[str, str]) -> None:
    assert not is_reinforcement(terms(*names))


@pytest.mark.parametrize(
    ("name", "agent"),
    [
        ("reward", True),
        ("episode_return", True),
        ("epoch", False),
        ("forward", False),
        ("rewards/margins", False),
        ("rewards/chosen", False),
        ("train/rewards/accuracies", False),
        ("chosen_reward", False),
        ("reward_margin", False),
        ("rewards/mean", True),
        ("rewards/accuracy_reward/mean", True),
        ("marginal_reward", True),
    ],
)
def test_own_values(name: str, agent: bool) -> None:
    assert is_reinforcement(changed(RUN, EXTRA, RUN[EXTRA].values, (name,))) is agent


def test_targets_that_move_away_from_where_they_were() -> None:
    run = with_call(RUN, "mse_loss", target_std=1.0, target_mean=0.0)
    assert not targets_wander(run, "mse_loss")
    drift = np.linspace(0, 1, len(run.tables["call_target_mean"]))
    assert not targets_wander(
        with_call(RUN, "mse_loss", target_std=1.0, target_mean=2.9 * drift), "mse_loss"
    )
    assert targets_wander(
        with_call(RUN, "mse_loss", target_std=1.0, target_mean=3.1 * drift), "mse_loss"
    )


def wandering(call: str, least: float = 3.1) -> Run:
    run = with_call(RUN, call, target_std=1.0, target_mean=0.0)
    drift = np.linspace(0, least, len(run.tables["call_target_mean"]))
    return with_call(RUN, call, target_std=1.0, target_mean=drift)


@pytest.mark.parametrize(("call", "agent"), [("mse_loss", True), ("cross_entropy", False)])
def test_values_that_the_model_brings_about_are_known_by_their_targets(
    call: str, agent: bool
) -> None:
    """Nobody names a loss whose `backward()` alone is seen; classes that come in order are no returns."""
    assert is_reinforcement(wandering(call)) is agent
    assert not is_reinforcement(wandering(call, 2.9))


def test_episodes_each_of_one_return() -> None:
    count = len(RUN.tables["call_target_mean"])
    won = (np.arange(count) % 3 == 1).astype(float)
    run = with_call(RUN, "mse_loss", target_std=0.0, target_mean=won)
    assert targets_wander(run, "mse_loss")
    same = with_call(RUN, "mse_loss", target_std=0.0, target_mean=1.0)
    assert not targets_wander(same, "mse_loss")


def _moved(by: float) -> Run:
    known = len(with_call(RUN, "mse_loss").tables["call_target_mean"])
    means = np.where(np.arange(known) < known // 2, 0.0, by)
    return with_call(RUN, "mse_loss", target_mean=means, target_std=1.0)


def test_targets_of_the_last_check_ups_that_lie_elsewhere() -> None:
    assert not targets_are_renewed(RUN)
    assert targets_are_renewed(_moved(0.6))
    assert not targets_are_renewed(_moved(0.4))


def test_few_targets_or_none_tell_nothing() -> None:
    moved = _moved(0.6)
    known = np.arange(len(moved[CALL_TARGET_STD])) % 4 == 0
    spreads = np.where(known, 1.0, np.nan)
    few = with_call(moved, "mse_loss", target_mean=2.0, target_std=spreads)
    assert not targets_are_renewed(few)
    assert not targets_are_renewed(without(moved, CALL_TARGET_STD))
