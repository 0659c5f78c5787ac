"""Scalars that nobody knows: named, and what each may be."""

from __future__ import annotations

from collections.abc import Iterable

import pytest
from unit.reader.test_plan import CASES

from tb_lossdiag.quantities import GLOBAL_NORM, LEARNING_RATE, LOSS, VALIDATION_LOSS, Quantity
from tb_lossdiag.reader.phases import Source
from tb_lossdiag.reader.plan import plan
from tb_lossdiag.reader.unread import facts, ordered, resembling


def said(tags: Iterable[str], **mapped: tuple[str, ...]) -> dict[str, str]:
    """The facts of a run with these tags."""
    named = {tag: Source("run", tag) for tag in tags}
    return facts(named, plan(named, mapped))


def test_what_nobody_knows_is_named_with_what_it_may_be() -> None:
    found = said(["train/loss", "cfg/learningrate", "diag/grad_l2", "heldout/objective", "f1"])
    assert found == {
        "unread": "heldout/objective, cfg/learningrate, diag/grad_l2, f1",
        "perhaps": "validation_loss=heldout/objective, learning_rate=cfg/learningrate, global_norm=diag/grad_l2",
    }


def test_where_rules_lack_nothing_that_a_scalar_gives_nothing_is_said() -> None:
    assert said(["train/loss", "val/loss", "lr", "grad_norm", "f1", "my_own"]) == {}


def test_metrics_of_a_run_that_lacks_no_more_than_a_norm_are_left_alone() -> None:
    assert said(["train/loss", "val/loss", "lr", "metrics/mAP50"]) == {}
    assert "unread" in said(["train/loss", "val/loss", "lr", "metrics/mAP50", "my/gradnorm"])


def test_what_is_known_or_of_no_use_is_not_called_unread() -> None:
    assert said(["train/loss", "train_loss_epoch", "train/epoch", "eval/runtime", "gpu/mem"]) == {}
    assert said(["train/loss", "lr-AdamW", "lr-AdamW-momentum", "train/total_flos"]) == {}


def test_extremes_of_what_is_logged_as_a_mean_are_not_named() -> None:
    assert said(["train/loss", "score/max", "rewards/form/std", "clip_ratio/high_max"]) == {}


def test_a_scalar_that_is_mapped_is_read() -> None:
    tags = ["train/loss", "cfg/learningrate", "val/loss", "grad_norm"]
    assert said(tags)["perhaps"] == "learning_rate=cfg/learningrate"
    assert said(tags, learning_rate=("cfg/learningrate",)) == {}


@pytest.mark.parametrize("case", sorted(CASES))
def test_of_a_frameworks_log_no_tag_is_taken_for_something_else(case: str) -> None:
    assert "perhaps" not in said(CASES[case][0])


def test_a_loss_that_measures_no_progress_is_not_asked_for() -> None:
    found = said(["my_objective", "d_loss", "cfg/learningrate"])
    assert found["perhaps"] == "learning_rate=cfg/learningrate"
    assert "objective" in found["unread"]


def test_what_an_agents_log_lacks_is_looked_for_only_there() -> None:
    tags = ["train/reward", "stats/policy/entropy_avg", "lr", "grad_norm"]
    assert said(tags)["perhaps"] == "policy_entropy=stats/policy/entropy_avg"
    assert "perhaps" not in said(["loss", "val_loss", "stats/policy/entropy_avg", "lr"])


@pytest.mark.parametrize(
    ("quantity", "tag"),
    [
        (LOSS, "run/objective"), (LOSS, "metrics/nll"), (VALIDATION_LOSS, "holdout/ce/loss"), (VALIDATION_LOSS, "dev.nll"),
        (LEARNING_RATE, "sched/lr_0"), (LEARNING_RATE, "opt.step_size"), (GLOBAL_NORM, "stats/gradient-magnitude"), (GLOBAL_NORM, "gnorm/all"),
    ],
)  # fmt: skip
def test_names_are_understood(quantity: Quantity, tag: str) -> None:
    assert resembling(quantity, [tag]) == tag


@pytest.mark.parametrize(
    ("quantity", "tag"),
    [
        (LOSS, "val/nll"), (LOSS, "loss_scale"), (LOSS, "lossless"), (VALIDATION_LOSS, "objective"), (LEARNING_RATE, "dropout_rate"),
        (LEARNING_RATE, "clr"), (LEARNING_RATE, "sampling_rate"), (GLOBAL_NORM, "weight_norm"), (GLOBAL_NORM, "grad_clip"),
    ],
)  # fmt: skip
def test_names_that_sound_alike_are_not(quantity: Quantity, tag: str) -> None:
    assert resembling(quantity, [tag]) == ""


def test_norms_of_layers_are_not_the_whole() -> None:
    layers = [f"layer{index}/grad_norm" for index in range(4)]
    assert resembling(GLOBAL_NORM, layers) == ""
    assert resembling(GLOBAL_NORM, [*layers[:1], "x/grad_norm"]) == "x/grad_norm"


def test_of_many_some_are_named_and_none_that_is_endless() -> None:
    found = said(["train/loss", *(f"metric_{index}" for index in range(9)), "x" * 500])
    assert found["unread"].endswith("metric_5, … (9)")


def test_what_may_be_the_loss_comes_first_and_bookkeeping_last() -> None:
    tags = ["epoch", "accuracy", "my/objective"]
    assert ordered(tags) == ["my/objective", "accuracy", "epoch"]
