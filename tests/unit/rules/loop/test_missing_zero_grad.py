from __future__ import annotations

import numpy as np
import pytest

from helpers.rule_asserts import findings, first_evidence, the_finding
from made.changes import changed, head, without
from made.healthy import healthy_run
from tb_lossdiag.diagnosis.engine import Verdict
from tb_lossdiag.diagnosis.rule import Severity
from tb_lossdiag.quantities import BACKWARDS, CARRIED_NORM, FIRST_BACKWARD_NORM, ZERO_GRADS
from tb_lossdiag.rules.loop.missing_zero_grad import MissingZeroGrad
from tb_lossdiag.run import Run
from tb_lossdiag.testing import outcome

RULE = MissingZeroGrad()
RUN = healthy_run(1)
CHECK_UPS = len(RUN[CARRIED_NORM])


def piled_up(carried: float = 0.9, share: float = 1.0) -> Run:
    """In this share of the check-ups the backward found `carried` of what it left."""
    kept = np.arange(CHECK_UPS) < share * CHECK_UPS
    run = changed(changed(RUN, FIRST_BACKWARD_NORM, 2.0), ZERO_GRADS, ~kept)
    return changed(run, CARRIED_NORM, 2.0 * carried * kept)


SICK = piled_up()


def test_fires_when_gradients_pile_up() -> None:
    finding = the_finding(RULE, piled_up())
    assert finding.severity is Severity.ERROR
    assert f"{CHECK_UPS} of {CHECK_UPS}" in finding.message.en


def test_clear_just_below_amount_and_share() -> None:
    assert findings(RULE, piled_up(0.11))
    assert not findings(RULE, piled_up(0.09))
    assert findings(RULE, piled_up(share=0.55))
    assert not findings(RULE, piled_up(share=0.45))


def test_clear_after_a_reset_or_with_nothing_carried() -> None:
    assert not findings(RULE, changed(piled_up(), ZERO_GRADS, 1.0))
    assert not findings(RULE, changed(piled_up(), CARRIED_NORM, 0.0))


def test_several_backwards_per_step_are_not_judged() -> None:
    accumulating = changed(piled_up(), BACKWARDS, 4.0)
    assert outcome(RULE, accumulating).verdict is Verdict.NOT_EVALUATED


@pytest.mark.parametrize("seed", range(5))
def test_clear_on_healthy_runs(seed: int) -> None:
    assert not findings(RULE, healthy_run(seed))


def test_evidence_is_the_window() -> None:
    evidence, steps = first_evidence(RULE, piled_up()), RUN[CARRIED_NORM].steps
    assert (evidence.quantity, evidence.column) == (CARRIED_NORM.name, "")
    assert (evidence.first_step, evidence.last_step) == (steps[0], steps[-1])


def test_not_evaluated_on_few_or_no_check_ups() -> None:
    assert outcome(RULE, head(piled_up(), 2)).verdict is Verdict.NOT_EVALUATED
    assert outcome(RULE, without(RUN, CARRIED_NORM)).missing == (CARRIED_NORM.name,)
