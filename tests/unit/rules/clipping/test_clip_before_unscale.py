from __future__ import annotations

import numpy as np
import pytest

from helpers.rule_asserts import findings, first_evidence, the_finding
from made.changes import changed, head, without
from made.healthy import healthy_run
from tb_lossdiag.diagnosis.engine import Verdict
from tb_lossdiag.diagnosis.rule import Severity
from tb_lossdiag.quantities import (
    AMP_SCALE,
    BACKWARD_NORM,
    CLIP_BEFORE_UNSCALE,
    CLIP_MAX_NORM,
    CLIP_WHILE_SCALED,
    STEP_NORM,
    UNSCALE_FACTOR,
)
from tb_lossdiag.rules.clipping.clip_before_unscale import ClipBeforeUnscale
from tb_lossdiag.run import Run
from tb_lossdiag.testing import outcome

RULE = ClipBeforeUnscale()


def early(share: float = 1.0) -> Run:
    run = changed(healthy_run(0), CLIP_MAX_NORM, 1.0)
    return changed(run, CLIP_BEFORE_UNSCALE, np.arange(200) < share * 200)


SICK = early()


def checked(bound: float = 1.0) -> Run:
    """Only the check-ups saw it: the scaled norm is clipped to `bound`, then unscaled."""
    run = without(changed(healthy_run(0), CLIP_WHILE_SCALED, 1.0), CLIP_BEFORE_UNSCALE)
    after = np.minimum(run[BACKWARD_NORM].values, bound) * run[UNSCALE_FACTOR].values
    return changed(run, STEP_NORM, after)


def test_fires_and_gives_the_true_bound() -> None:
    finding = the_finding(RULE, early())
    assert finding.severity is Severity.ERROR
    assert "65536" in finding.message.en
    assert "1 / 65536 = 1.5e-5" in finding.advice.en


@pytest.mark.parametrize("seed", range(5))
def test_clear_on_healthy_runs(seed: int) -> None:
    assert not findings(RULE, healthy_run(seed))


def test_clear_just_below_the_share() -> None:
    assert not findings(RULE, early(0.49))
    assert findings(RULE, early(0.52))


def test_clear_when_the_scaler_is_off_or_the_bound_is_scaled_too() -> None:
    assert not findings(RULE, changed(early(), AMP_SCALE, 1.0))
    assert not findings(RULE, changed(early(), CLIP_MAX_NORM, 65536.0))
    assert not findings(RULE, changed(early(), CLIP_MAX_NORM, np.inf))
    assert findings(RULE, without(early(), AMP_SCALE))


def test_the_check_up_sees_torchs_own_function() -> None:
    evidence = first_evidence(RULE, checked())
    assert evidence.quantity == CLIP_WHILE_SCALED.name
    assert not findings(RULE, checked(bound=1e9))
    assert not findings(RULE, changed(checked(), UNSCALE_FACTOR, 1.0))


def test_evidence_is_the_clip_and_its_window() -> None:
    run = early(0.75)
    evidence, steps = first_evidence(RULE, run), run[CLIP_BEFORE_UNSCALE].steps
    assert (evidence.quantity, evidence.column) == (CLIP_BEFORE_UNSCALE.name, "clip")
    assert (evidence.first_step, evidence.last_step) == (0, steps[149])


def test_not_evaluated_when_the_order_was_not_seen() -> None:
    few = outcome(RULE, head(healthy_run(0), 1))
    assert few.verdict is Verdict.NOT_EVALUATED
    nothing = outcome(RULE, without(healthy_run(0), CLIP_BEFORE_UNSCALE, CLIP_WHILE_SCALED))
    assert nothing.verdict is Verdict.NOT_EVALUATED
    assert nothing.reason is not None
    assert "scaler=" in nothing.reason.en
