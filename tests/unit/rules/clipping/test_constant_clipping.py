from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from helpers.rule_asserts import alarms, findings, first_evidence, the_finding
from made.changes import changed, head, optimized_by, with_constant_clipping, without
from made.healthy import healthy_run
from tb_lossdiag.diagnosis.engine import Verdict
from tb_lossdiag.diagnosis.rule import Severity, short_number
from tb_lossdiag.quantities import (
    BACKWARD_NORM,
    CLIP_BOUND,
    CLIP_CALLS,
    CLIP_GLOBAL_NORM,
    CLIP_MAX_NORM,
    GLOBAL_NORM,
    LEARNING_RATE,
    STEP_NORM,
    UNSCALE_FACTOR,
)
from tb_lossdiag.rules.clipping.constant_clipping import ConstantClipping
from tb_lossdiag.run import Run
from tb_lossdiag.testing import outcome

RULE = ConstantClipping()
SICK = optimized_by(with_constant_clipping(healthy_run(0)), "SGD")


@pytest.mark.parametrize("seed", range(5))
def test_fires_and_suggests_the_90th_percentile(seed: int) -> None:
    run = with_constant_clipping(healthy_run(seed))
    finding = the_finding(RULE, run)
    assert f"max_norm={short_number(finding.numbers['p90'])}" in finding.advice.en
    assert finding.numbers["coefficient"] == pytest.approx(0.1, rel=0.1)


@pytest.mark.parametrize(
    ("optimizer", "severity", "words"),
    [
        ("SGD", Severity.WARNING, "hidden learning rate"),
        ("AdamW", Severity.INFO, "step length hardly changes"),
        ("", Severity.WARNING, "Pass `optimizer=`"),
    ],
)
def test_says_what_it_means_for_the_optimizer(
    optimizer: str, severity: Severity, words: str
) -> None:
    finding = the_finding(RULE, optimized_by(with_constant_clipping(healthy_run(0)), optimizer))
    assert finding.severity is severity
    assert words in finding.advice.en


def test_works_without_a_learning_rate() -> None:
    run = without(optimized_by(with_constant_clipping(healthy_run(0)), "SGD"), LEARNING_RATE)
    assert "times the learning rate" in the_finding(RULE, run).advice.en


@pytest.mark.parametrize("seed", range(20))
def test_clear_on_healthy_runs(seed: int) -> None:
    assert not alarms(RULE, optimized_by(healthy_run(seed), "SGD"))


def test_clear_just_below_the_thresholds() -> None:
    run = optimized_by(healthy_run(0), "SGD")
    assert not findings(RULE, with_constant_clipping(run, 0.55))
    assert findings(RULE, with_constant_clipping(run, 0.45))


def test_clear_when_it_only_measures() -> None:
    run = with_constant_clipping(healthy_run(0))
    assert not findings(RULE, changed(run, CLIP_MAX_NORM, np.full(200, np.inf)))


def test_evidence_is_the_clip_after_the_warm_up() -> None:
    run = with_constant_clipping(healthy_run(0))
    evidence, steps = first_evidence(RULE, run), run[CLIP_GLOBAL_NORM].steps
    assert (evidence.quantity, evidence.column) == (CLIP_GLOBAL_NORM.name, "clip")
    assert (evidence.first_step, evidence.last_step) == (steps[20], steps[-1])


def test_not_evaluated_on_few_or_no_clips() -> None:
    assert outcome(RULE, head(healthy_run(0), 30)).verdict is Verdict.NOT_EVALUATED
    nothing = outcome(RULE, without(healthy_run(0), CLIP_GLOBAL_NORM, BACKWARD_NORM))
    assert nothing.verdict is Verdict.NOT_EVALUATED
    assert nothing.reason is not None
    assert "writer.clip_grad_norm_" in nothing.reason.en


def test_a_record_counts_as_often_as_it_has_clips() -> None:
    run = with_constant_clipping(optimized_by(healthy_run(0), "SGD"))
    long = np.where(np.arange(200) < 150, 1.0, 100.0)
    free = np.where(np.arange(200) < 150, 1.0, 0.0)
    rarely = changed(changed(run, CLIP_CALLS, long), CLIP_BOUND, free)
    assert not findings(RULE, rarely)
    always = changed(rarely, CLIP_BOUND, np.where(np.arange(200) < 150, 0.0, 100.0))
    assert findings(RULE, always)


def test_clips_by_value_have_no_norm_to_compare() -> None:
    run = with_constant_clipping(healthy_run(0))
    names = (CLIP_GLOBAL_NORM, CLIP_MAX_NORM, CLIP_CALLS, CLIP_BOUND)
    tables = {q.name: replace(run[q], columns=("clip value",)) for q in names}
    by_value = replace(run, tables={**run.tables, **tables})
    assert outcome(RULE, by_value).verdict is Verdict.NOT_EVALUATED


def unrecorded(bound: float, *, constant: float | None = None, at_bound: float = 1.0) -> Run:
    """Clips that only the check-ups saw; `constant` divides instead; so many of the steps end at the bound."""
    run = without(optimized_by(healthy_run(0), "SGD"), CLIP_GLOBAL_NORM, CLIP_MAX_NORM)
    run = changed(run, UNSCALE_FACTOR, 1.0)
    steps = np.where(np.arange(200) % 100 < 100 * at_bound, bound, 0.5 * bound)
    run = changed(run, GLOBAL_NORM, steps)
    norms = np.random.default_rng(0).lognormal(0, 0.3, len(run[BACKWARD_NORM]))
    after = np.minimum(norms, bound) if constant is None else norms * constant
    return changed(changed(run, BACKWARD_NORM, norms), STEP_NORM, after)


def test_clips_that_only_the_check_up_saw() -> None:
    finding = the_finding(RULE, unrecorded(0.2))
    assert finding.evidence[0].quantity == BACKWARD_NORM.name
    assert finding.numbers["max_norm"] == pytest.approx(0.2)
    assert "check-ups" in finding.message.en
    assert not findings(RULE, unrecorded(0.8))


def test_the_share_of_unrecorded_clips_is_that_of_all_steps() -> None:
    assert findings(RULE, unrecorded(0.2, at_bound=0.95))
    assert not findings(RULE, unrecorded(0.2, at_bound=0.85))
    assert findings(RULE, without(unrecorded(0.2, at_bound=0.85), GLOBAL_NORM))


def test_dividing_by_a_constant_is_no_clip() -> None:
    assert not findings(RULE, unrecorded(0, constant=0.1))
