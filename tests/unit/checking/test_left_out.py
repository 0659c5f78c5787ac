"""What is said of runs that are not judged."""

from __future__ import annotations

import pytest

from tb_lossdiag.checking.left_out import require, sentences
from tb_lossdiag.reader import LeftOut

UNKNOWN = LeftOut(frozenset({"a"}), ("acc", "reward"), "")
AGENT = LeftOut(frozenset({"b"}), ("train/loss", "rollout/ep_rew_mean"), "rollout/ep_rew_mean")


def test_a_loss_that_is_there_is_not_said_to_be_missing() -> None:
    (said,) = sentences({"b": AGENT})
    assert said.startswith("not judged: b: a loss beside rollout/ep_rew_mean measures no progress")
    with pytest.raises(ValueError, match="no loss that measures progress") as error:
        require((), {"b": AGENT}, "runs")
    assert "no scalar that is known as a loss" not in str(error.value)
    assert "--map loss=TAG" in str(error.value)


def test_what_has_no_loss_is_said_to_have_none() -> None:
    for left in ({}, {"a": UNKNOWN}, {"a": UNKNOWN, "b": AGENT}):
        with pytest.raises(ValueError, match="no scalar that is known as a loss"):
            require((), left, "runs")
    assert "it has acc, reward" in sentences({"a": UNKNOWN})[0]


def test_what_may_be_the_loss_is_named_with_its_option() -> None:
    left = LeftOut(frozenset({"a"}), ("my/objective", "acc"), "", more=3, perhaps="my/objective")
    (told,) = sentences({"a": left})
    assert "it has my/objective, acc and 3 more" in told
    assert told.endswith("--map loss=my/objective names one")


def test_of_many_five_are_named() -> None:
    said = sentences({f"run {number}": UNKNOWN for number in range(7)})
    assert (len(said), said[-1]) == (6, "not judged: 2 more runs")


def test_who_has_something_to_judge_is_told_nothing() -> None:
    require([1], {"b": AGENT}, "runs")
