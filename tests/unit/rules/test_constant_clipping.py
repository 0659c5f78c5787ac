from __future__ import annotations

import numpy as np
import pytest
from asking import alarms, findings, first_evidence, outcome, the_finding
from synthetic import changed, head, healthy_run, optimized_by, with_constant_clipping, without

from tb_lossdiag.quantities import CLIP_GLOBAL_NORM, CLIP_MAX_NORM, LEARNING_RATE
from tb_lossdiag.rules.constant_clipping import ConstantClipping
from tb_lossdiag.rules.engine import Verdict
from tb_lossdiag.rules.rule import Severity, number

RULE = ConstantClipping()


@pytest.mark.parametrize("seed", range(5))
def test_fires_and_suggests_the_90th_percentile(seed: int) -> None:
    run = with_constant_clipping(healthy_run(seed))
    finding = the_finding(RULE, run)
    assert f"max_norm={number(finding.numbers['p90'])}" in finding.advice.en
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
    missing = outcome(RULE, without(healthy_run(0), CLIP_GLOBAL_NORM, CLIP_MAX_NORM)).missing
    assert missing == (CLIP_GLOBAL_NORM.name, CLIP_MAX_NORM.name)
