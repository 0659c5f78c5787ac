from __future__ import annotations

import numpy as np
import pytest
from asking import findings, first_evidence, outcome, the_finding
from synthetic import changed, healthy_run, without

from tb_lossdiag.quantities import CLIP_AFTER_STEP
from tb_lossdiag.records import Run
from tb_lossdiag.rules.clip_after_step import ClipAfterStep
from tb_lossdiag.rules.engine import Verdict
from tb_lossdiag.rules.rule import Severity

RULE = ClipAfterStep()


def late(share: float) -> Run:
    run = healthy_run(0)
    return changed(run, CLIP_AFTER_STEP, np.arange(200) < share * 200)


def test_fires_on_every_late_clip() -> None:
    finding = the_finding(RULE, late(1.0))
    assert finding.severity is Severity.ERROR
    assert "200 of 200" in finding.message.en


@pytest.mark.parametrize("seed", range(5))
def test_clear_on_healthy_runs(seed: int) -> None:
    assert not findings(RULE, healthy_run(seed))


def test_clear_just_below_the_share() -> None:
    assert not findings(RULE, late(0.5))
    assert findings(RULE, late(0.51))


def test_evidence_is_the_clip_and_its_window() -> None:
    run = late(0.75)
    evidence, steps = first_evidence(RULE, run), run[CLIP_AFTER_STEP].steps
    assert (evidence.quantity, evidence.column) == (CLIP_AFTER_STEP.name, "clip")
    assert (evidence.first_step, evidence.last_step) == (0, steps[149])


def test_not_evaluated_when_the_order_was_not_seen() -> None:
    unseen = changed(healthy_run(0), CLIP_AFTER_STEP, np.full(200, np.nan))
    result = outcome(RULE, unseen)
    assert result.verdict is Verdict.NOT_EVALUATED
    assert result.reason is not None
    assert "optimizer=" in result.reason.en
    missing = outcome(RULE, without(healthy_run(0), CLIP_AFTER_STEP))
    assert missing.missing == (CLIP_AFTER_STEP.name,)
