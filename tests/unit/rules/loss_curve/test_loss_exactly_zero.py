from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from helpers.rule_asserts import findings, findings_if_any, first_evidence, the_finding
from made.changes import falling, head, with_loss
from made.check_ups import with_tables
from made.healthy import healthy_run
from made.logs import log
from tb_lossdiag.diagnosis.engine import Verdict
from tb_lossdiag.diagnosis.rule import Severity
from tb_lossdiag.quantities import (
    CALL_VALUE,
    EXCESS_OF_BOUND,
    EXTRA,
    GLOBAL_NORM,
    GRADIENT_NORM,
    LOSS,
)
from tb_lossdiag.records import table
from tb_lossdiag.rules.loss_curve.loss_exactly_zero import LossExactlyZero
from tb_lossdiag.run import Run
from tb_lossdiag.testing import outcome

RULE = LossExactlyZero()
SICK = log([2.859, 2.7, *[0.0] * 35], every=10)


def test_says_from_where_on_and_what_was_before() -> None:
    finding = the_finding(RULE, SICK)
    assert finding.severity is Severity.ERROR
    assert "last 35 records, from step 20 on; the record before it was 2.7" in finding.message.en
    assert first_evidence(RULE, SICK).first_step == 20


def test_zero_from_the_first_record_on() -> None:
    assert "before" not in the_finding(RULE, log([0.0] * 20)).message.en


@pytest.mark.parametrize(("zeros", "expected"), [(5, 1), (4, 0)])
def test_both_sides_of_the_records(zeros: int, expected: int) -> None:
    assert len(findings(RULE, log([*falling(20), *[0.0] * zeros]))) == expected


def test_zeros_that_end_are_batches_without_targets() -> None:
    assert not findings(RULE, log([1.0, *[0.0] * 10, 0.9]))


@pytest.mark.parametrize(("last", "expected"), [(0.06, 1), (0.04, 0)])
def test_what_came_down_to_nothing_has_learned(last: float, expected: int) -> None:
    values = [1.0, 1.0, 1.0, 0.5, 0.2, last, *[0.0] * 10]
    assert len(findings(RULE, log(values))) == expected


@pytest.mark.parametrize(("zeros", "expected"), [(1, 1), (2, 0)])
def test_scores_that_are_sure_beyond_rounding_come_batch_by_batch(
    zeros: int, expected: int
) -> None:
    values = [1.7, 2400.0, 900.0, *[0.0] * zeros, *[300.0] * 7, 470.0, *[0.0] * 10]
    assert len(findings(RULE, log(values))) == expected


def test_a_nan_that_was_written_as_zero_shows_in_the_norm() -> None:
    norms = [1.0, 1.0, *[np.nan] * 35]
    run = with_tables(SICK, [table(GLOBAL_NORM, SICK[LOSS].steps, norms)])
    assert "NaN was written as 0" in the_finding(RULE, run).message.en
    whole = with_tables(SICK, [table(GLOBAL_NORM, SICK[LOSS].steps, np.ones(37))])
    assert "NaN was written" not in the_finding(RULE, whole).message.en


def test_margins_that_are_met_and_agents() -> None:
    margin = with_tables(SICK, [table(CALL_VALUE, [0, 10], [1.0, 0.0], ("triplet_margin_loss",))])
    assert not findings(RULE, margin)
    by_hand = with_tables(SICK, [table(EXCESS_OF_BOUND, [0, SICK[LOSS].steps[-1]], [1.0, 1.0])])
    assert not findings(RULE, by_hand)
    agent = with_tables(SICK, [table(EXTRA, [0], [[1.0]], ("reward",))])
    assert outcome(RULE, agent).verdict is Verdict.NOT_EVALUATED


def multiplied_by_nothing(run: Run, gradient: float = 0.0) -> Run:
    """Each parameter has this gradient in the records of zeros."""
    steps, losses = run[LOSS].steps, run[LOSS].values
    norms = np.where(losses == 0, gradient, 1.0) * np.ones((1, 2))
    run = with_tables(run, [table(GRADIENT_NORM, steps, norms, ("a.weight", "b.weight"))])
    return replace(run, facts={**run.facts, "rewards": "logged"})


def test_a_factor_of_zero_is_the_gradients_matter() -> None:
    """Equal rewards: LD205 says that advantages are 0; that no target counts would lead away."""
    idle = log([0.0] * 40)
    assert not findings(RULE, multiplied_by_nothing(idle))
    assert findings(RULE, multiplied_by_nothing(idle, gradient=1e-6))
    unrewarded = replace(multiplied_by_nothing(idle), facts={})
    assert findings(RULE, unrewarded), "targets that are all ignored look the same"
    called = with_tables(
        multiplied_by_nothing(idle), [table(CALL_VALUE, [0], [0.0], ("cross_entropy",))]
    )
    assert findings(RULE, called), "all targets of a call are ignored"


@pytest.mark.parametrize(("before", "expected"), [(3, 0), (5, 1)])
def test_zeros_of_less_than_nearly_the_whole_run_are_its_own(before: int, expected: int) -> None:
    late = log([*np.full(before, 2.7), *[0.0] * (40 - before)])
    assert len(findings(RULE, multiplied_by_nothing(late))) == expected


def test_not_evaluated_on_few_records() -> None:
    assert outcome(RULE, head(SICK, 4)).verdict is Verdict.NOT_EVALUATED


@pytest.mark.parametrize("seed", range(6))
def test_clear_on_healthy_runs(seed: int) -> None:
    assert not findings_if_any(RULE, healthy_run(seed))
    tiny = np.geomspace(1, 1e-12, 200)
    assert not findings_if_any(RULE, with_loss(healthy_run(seed), tiny))
