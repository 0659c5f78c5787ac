from __future__ import annotations

import numpy as np
import pytest

from helpers.rule_asserts import alarms, findings, first_evidence, the_finding
from made.changes import changed, head, with_divergence, without
from made.healthy import healthy_run
from tb_lossdiag.diagnosis.engine import Verdict
from tb_lossdiag.diagnosis.rule import Severity
from tb_lossdiag.quantities import CLIP_BOUND, CLIP_CALLS, CLIP_GLOBAL_NORM, CLIP_MAX_NORM, LOSS
from tb_lossdiag.rules.clipping.clip_threshold_drift import ClipThresholdDrift
from tb_lossdiag.run import Run
from tb_lossdiag.testing import outcome

RULE = ClipThresholdDrift()
ROWS = np.arange(200)


def drifting(before: float, after: float, at: int = 120) -> Run:
    """The clipped share goes from `before` to `after` at record `at`; max_norm is 1."""
    run = changed(healthy_run(0), CLIP_MAX_NORM, 1.0)
    share = np.where(at > ROWS, before, after)
    act = share > (ROWS * 7919 % 200) / 200
    norms = np.where(act, 3.0, 0.3)
    run = changed(changed(run, CLIP_GLOBAL_NORM, norms), CLIP_CALLS, 1.0)
    return changed(run, CLIP_BOUND, act)


SICK = drifting(0.0, 1.0)


def test_an_information_when_the_loss_is_fine() -> None:
    finding = the_finding(RULE, drifting(0, 1))
    assert finding.severity is Severity.INFO
    assert "from 0% to 100%" in finding.message.en
    assert "max_norm=3)" in finding.advice.en
    assert the_finding(RULE, drifting(1, 0)).severity is Severity.INFO


def test_a_warning_when_the_loss_rises_with_it() -> None:
    rising = changed(drifting(0, 1), LOSS, with_divergence(healthy_run(0), 120)[LOSS].values)
    finding = the_finding(RULE, rising)
    assert finding.severity is Severity.WARNING
    assert "loss is higher" in finding.message.en


def test_clear_just_below_the_shares_and_sides() -> None:
    assert not findings(RULE, drifting(0, 0.8))
    assert not findings(RULE, drifting(0.2, 1))
    assert not findings(RULE, drifting(1, 0, at=30))
    assert findings(RULE, drifting(1, 0, at=45))


@pytest.mark.parametrize("seed", range(20))
def test_clear_on_healthy_runs(seed: int) -> None:
    assert not alarms(RULE, healthy_run(seed))


def test_evidence_begins_at_the_change() -> None:
    run = drifting(0, 1)
    evidence, steps = first_evidence(RULE, run), run[CLIP_GLOBAL_NORM].steps
    assert (evidence.quantity, evidence.column) == (CLIP_GLOBAL_NORM.name, "clip")
    assert (evidence.first_step, evidence.last_step) == (steps[120], steps[-1])


def test_not_evaluated_on_few_or_no_clips() -> None:
    assert outcome(RULE, head(drifting(0, 1), 39)).verdict is Verdict.NOT_EVALUATED
    missing = outcome(RULE, without(healthy_run(0), CLIP_GLOBAL_NORM)).missing
    assert missing == (CLIP_GLOBAL_NORM.name,)
