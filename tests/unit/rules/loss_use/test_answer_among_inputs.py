from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest

from helpers.rule_asserts import findings, the_finding
from made.changes import changed
from made.healthy import healthy_run
from tb_lossdiag.diagnosis.engine import Verdict
from tb_lossdiag.quantities import (
    CALL_BY_PLACE,
    CALL_SCALED_TOGETHER,
    CALL_TOLD_BY,
    CALL_UNTOLD,
    EXTRA,
    INPUT_MEAN,
    STEPS,
)
from tb_lossdiag.records import table
from tb_lossdiag.rules.loss_use.answer_among_inputs import AnswerAmongInputs
from tb_lossdiag.run import Run
from tb_lossdiag.testing import outcome

RULE = AnswerAmongInputs()


def told(left: Sequence[float], places: Sequence[float] | float = 31.0) -> Run:
    """A call whose targets the input leaves so much of unexplained, check-up by check-up."""
    run, steps, call = healthy_run(1), 2 ** np.arange(len(left)), ("mse_loss",)
    by = np.broadcast_to(np.asarray(places, float), len(left))
    made = [
        table(CALL_UNTOLD, steps, np.array(left)[:, None], call),
        table(CALL_TOLD_BY, steps, by[:, None], call),
    ]
    return replace(run, tables={**run.tables, **{each.quantity.name: each for each in made}})


def placed(run: Run, order: Sequence[float], means: Sequence[float]) -> Run:
    """The same whose targets follow their place so, in batches of these means."""
    steps = run[CALL_UNTOLD].steps
    made = [
        table(CALL_BY_PLACE, steps, np.array(order)[:, None], ("mse_loss",)),
        table(INPUT_MEAN, steps, np.array(means)[:, None]),
    ]
    return replace(run, tables={**run.tables, **{each.quantity.name: each for each in made}})


def test_targets_that_a_loop_makes_by_place_are_no_leak() -> None:
    always, other = [0.866] * 4, [0.1, 0.2, 0.1, 0.3]
    assert not findings(RULE, placed(SICK, always, other))
    assert findings(RULE, placed(SICK, [0.1, -0.2, 0.0, 0.1], other))
    assert findings(RULE, placed(SICK, [0.866, 0.866, 0.866, 0.865], other))


def test_one_batch_all_over_has_the_same_targets_and_says_nothing_of_places() -> None:
    assert findings(RULE, placed(SICK, [0.866] * 4, [0.1] * 4))
    only = placed(SICK, [0.866] * 4, [np.nan] * 4)
    assert findings(RULE, only)
    assert findings(
        RULE, replace(only, tables={n: t for n, t in only.tables.items() if n != INPUT_MEAN.name})
    )


SICK = told([0.0, 1e-13, 0.0, 0.0])


def test_says_which_number_it_is() -> None:
    finding = the_finding(RULE, SICK)
    assert "number 31 of each sample" in finding.message.en
    assert "in 4 check-ups" in finding.message.en
    assert "given[:5, 31]" in finding.advice.en


@pytest.mark.parametrize(
    ("left", "fires"),
    [([9e-11] * 3, True), ([1.1e-10] * 3, False), ([0.0, 0.0, 1e-6], False), ([0.3] * 9, False)],
)
def test_the_bounds(left: list[float], fires: bool) -> None:
    """A number that explains nearly all is a good one, and no answer."""
    assert bool(findings(RULE, told(left))) is fires


def test_a_rare_yes_may_agree_with_a_rare_feature_but_not_always_with_the_same() -> None:
    assert not findings(RULE, told([0.0] * 5, [3.0, 17.0, 40.0, 8.0, 3.0]))
    assert findings(RULE, told([0.0] * 5, [3.0, 3.0, 40.0, 3.0, 3.0]))


def test_two_check_ups_and_agents_are_not_judged() -> None:
    agent = changed(SICK, EXTRA, np.zeros((200, 1)), ("episode reward",))
    for run in (told([0.0, 0.0]), agent, healthy_run(1)):
        assert outcome(RULE, run).verdict is Verdict.NOT_EVALUATED


def together(shares: Sequence[float]) -> Run:
    """A call of whose samples such shares were scaled with their targets, check-up by check-up."""
    run, steps = healthy_run(1), 2 ** np.arange(len(shares))
    made = table(CALL_SCALED_TOGETHER, steps, np.array(shares)[:, None], ("mse_loss",))
    return replace(run, tables={**run.tables, CALL_SCALED_TOGETHER.name: made})


def test_windows_that_were_scaled_with_their_future() -> None:
    finding = the_finding(RULE, together([1.0, 0.98, 1.0]))
    assert "in 98% of the samples (fewest of 3 check-ups)" in finding.message.en
    assert "window[:, :length]" in finding.advice.en


@pytest.mark.parametrize(
    ("shares", "fires"),
    [([0.81] * 3, True), ([0.79, 1.0, 1.0], False), ([0.0] * 5, False)],
)
def test_the_bound_of_what_is_scaled_together(shares: list[float], fires: bool) -> None:
    assert bool(findings(RULE, together(shares))) is fires


def test_two_check_ups_of_windows_are_too_few() -> None:
    assert outcome(RULE, together([1.0, 1.0])).verdict is Verdict.NOT_EVALUATED


def test_what_a_generator_is_given_its_judge_may_be_asked_for() -> None:
    steps = SICK[STEPS].steps
    both = table(STEPS, steps, np.ones((len(steps), 2)), ("G", "D"))
    run = replace(SICK, tables={**SICK.tables, STEPS.name: both})
    assert outcome(RULE, run).verdict is Verdict.NOT_EVALUATED
