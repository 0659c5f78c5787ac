from __future__ import annotations

import numpy as np
import pytest

from helpers.rule_asserts import findings, first_evidence, the_finding
from made.changes import changed, without
from made.healthy import healthy_run
from tb_lossdiag.diagnosis.engine import Verdict
from tb_lossdiag.diagnosis.rule import Severity
from tb_lossdiag.quantities import (
    CLIP_AFTER_STEP,
    CLIP_CALLS,
    CLIPS_SEEN,
    LATE_CLIPS,
    LATE_FACTOR,
    ZERO_GRADS,
)
from tb_lossdiag.rules.clipping.clip_after_step import ClipAfterStep
from tb_lossdiag.run import Run
from tb_lossdiag.testing import outcome

RULE = ClipAfterStep()


def run_clips(records: int) -> float:
    return float(healthy_run(0)[CLIP_CALLS].values[:records].sum())


def late(share: float) -> Run:
    run = healthy_run(0)
    return changed(run, CLIP_AFTER_STEP, np.arange(200) < share * 200)


SICK = late(1.0)


def test_fires_on_every_late_clip() -> None:
    finding = the_finding(RULE, late(1.0))
    assert finding.severity is Severity.ERROR
    clips = int(run_clips(200))
    assert f"{clips} of {clips}" in finding.message.en


@pytest.mark.parametrize("seed", range(5))
def test_clear_on_healthy_runs(seed: int) -> None:
    assert not findings(RULE, healthy_run(seed))


def test_clear_just_below_the_share() -> None:
    assert not findings(RULE, late(0.49))
    assert findings(RULE, late(0.52))


def test_evidence_is_the_clip_and_its_window() -> None:
    run = late(0.75)
    evidence, steps = first_evidence(RULE, run), run[CLIP_AFTER_STEP].steps
    assert (evidence.quantity, evidence.column) == (CLIP_AFTER_STEP.name, "clip")
    assert (evidence.first_step, evidence.last_step) == (0, steps[149])


def checked(factor: float, *, reset: float = 1.0, early: float = 0.0) -> Run:
    """Only the check-ups saw that used gradients were changed."""
    run = without(healthy_run(0), CLIP_AFTER_STEP)
    run = changed(run, LATE_FACTOR, factor)
    return changed(changed(run, ZERO_GRADS, reset), CLIPS_SEEN, early)


def test_the_check_up_sees_late_clips_of_torchs_own_function() -> None:
    finding = the_finding(RULE, checked(0.3))
    assert finding.evidence[0].quantity == LATE_FACTOR.name
    assert "0.3 times" in finding.message.en
    assert not findings(RULE, checked(0.9995))


def test_a_late_clip_counts_before_it_binds() -> None:
    assert "below its bound" in the_finding(RULE, changed(checked(1.0), LATE_CLIPS, 1.0)).message.en
    kept = changed(checked(1.0, reset=0.0), LATE_CLIPS, 1.0)
    assert not findings(RULE, kept)


def test_clear_when_gradients_are_clipped_early_too_or_kept() -> None:
    some = changed(checked(1.0, early=1.0), LATE_FACTOR, late_now_and_then())
    assert not findings(RULE, some)
    assert not findings(RULE, checked(0.3, reset=0.0))


def late_now_and_then() -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    return np.where(np.arange(len(healthy_run(0)[LATE_FACTOR])) % 3 == 0, 0.5, 1.0)


def test_not_evaluated_when_the_order_was_not_seen() -> None:
    unseen = changed(healthy_run(0), CLIP_AFTER_STEP, np.full(200, np.nan))
    result = outcome(RULE, without(unseen, LATE_FACTOR))
    assert result.verdict is Verdict.NOT_EVALUATED
    assert result.reason is not None
    assert "optimizer=" in result.reason.en
    nothing = outcome(RULE, without(healthy_run(0), CLIP_AFTER_STEP, LATE_FACTOR))
    assert nothing.verdict is Verdict.NOT_EVALUATED
    assert nothing.reason is not None
    assert "check_up=True" in nothing.reason.en
