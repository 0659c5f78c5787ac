from __future__ import annotations

import numpy as np
import pytest

from helpers.rule_asserts import findings, first_evidence, the_finding
from made.changes import changed, head, without
from made.healthy import healthy_run
from tb_lossdiag.diagnosis.engine import Verdict
from tb_lossdiag.quantities import BACKWARD_NORM, STEP_NORM
from tb_lossdiag.rules.loop.gradient_reset_before_step import GradientResetBeforeStep
from tb_lossdiag.run import Run
from tb_lossdiag.testing import outcome

RULE = GradientResetBeforeStep()
RUN = healthy_run(1)
CHECK_UPS = len(RUN[STEP_NORM])


def gone(first: int = 0, last: int = CHECK_UPS) -> Run:
    """In these check-ups the step found no gradient."""
    at = np.arange(CHECK_UPS)
    found = np.where((at >= first) & (at < last), 0.0, RUN[STEP_NORM].values[:, 0])
    return changed(RUN, STEP_NORM, found)


SICK = gone()


def test_fires_where_backward_left_something_and_the_step_found_nothing() -> None:
    finding = the_finding(RULE, SICK)
    assert "exactly 0" in finding.message.en
    assert "LD602" in RULE.explains


@pytest.mark.parametrize("seed", range(8))
def test_clear_on_healthy_runs(seed: int) -> None:
    assert not findings(RULE, healthy_run(seed))


def test_a_small_gradient_at_the_step_is_a_clip() -> None:
    assert not findings(RULE, changed(RUN, STEP_NORM, 1e-30))


def test_a_batch_that_is_skipped_now_and_then_is_not_this() -> None:
    assert not findings(RULE, gone(0, 1))
    assert not findings(RULE, gone(0, CHECK_UPS // 2))


def test_nothing_after_backward_is_another_fault() -> None:
    assert not findings(RULE, changed(SICK, BACKWARD_NORM, 0.0))


def test_evidence_is_where_it_happened() -> None:
    evidence, steps = first_evidence(RULE, gone(1)), RUN[STEP_NORM].steps
    assert (evidence.first_step, evidence.last_step) == (steps[1], steps[-1])


def test_not_evaluated_without_check_ups() -> None:
    assert outcome(RULE, without(RUN, STEP_NORM)).missing == (STEP_NORM.name,)
    assert outcome(RULE, head(RUN, 1)).verdict is Verdict.NOT_EVALUATED
