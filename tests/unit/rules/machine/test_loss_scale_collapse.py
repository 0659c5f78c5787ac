from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from helpers.rule_asserts import findings, first_evidence, the_finding
from made.changes import changed, each_step, head, without
from made.healthy import healthy_run
from tb_lossdiag.diagnosis.engine import Verdict
from tb_lossdiag.diagnosis.rule import Severity
from tb_lossdiag.quantities import AMP_SCALE, AMP_SKIPPED, LOSS_NONFINITE
from tb_lossdiag.rules.machine.loss_scale_collapse import LossScaleCollapse
from tb_lossdiag.run import Run
from tb_lossdiag.testing import outcome

RULE = LossScaleCollapse()
RUN = each_step(healthy_run(1))
ROWS = np.arange(200)


def falling(halvings: int, at: int = 150, every: int = 4) -> Run:
    """From record `at` on, the scale is halved every few records."""
    done = np.clip((ROWS - at + every) // every, 0, halvings)
    return changed(RUN, AMP_SCALE, 65536 / 2.0**done)


SICK = falling(6)


def test_fires_on_five_halvings() -> None:
    finding = the_finding(RULE, falling(5))
    assert finding.severity is Severity.WARNING
    assert "from 65536 to 2048 (32 times)" in finding.message.en
    assert not findings(RULE, falling(4))


def test_an_error_below_one() -> None:
    assert the_finding(RULE, falling(20, every=2)).severity is Severity.ERROR


def test_clear_after_recovery_in_the_search_and_on_a_slow_drift() -> None:
    back = falling(6)[AMP_SCALE].values[:, 0].copy()
    back[-3:] = 65536
    assert not findings(RULE, changed(RUN, AMP_SCALE, back))
    assert not findings(RULE, falling(10, at=5, every=2))
    slow = falling(5, at=40, every=20)[AMP_SCALE]
    spread = replace(RUN, tables={AMP_SCALE.name: replace(slow, steps=slow.steps * 100)})
    assert not findings(RULE, spread)


def test_clear_when_the_loss_was_broken_before() -> None:
    assert not findings(RULE, changed(falling(8), LOSS_NONFINITE, ROWS >= 149))
    assert findings(RULE, changed(falling(8), LOSS_NONFINITE, ROWS >= 180))


def test_a_run_that_takes_no_step_never_had_a_scale() -> None:
    assert not findings(RULE, changed(falling(8), AMP_SKIPPED, np.ones(200)))
    assert findings(RULE, changed(falling(8), AMP_SKIPPED, ROWS >= 100))


@pytest.mark.parametrize("seed", range(5))
def test_clear_on_healthy_runs(seed: int) -> None:
    assert not findings(RULE, healthy_run(seed))


def test_evidence_is_the_fall() -> None:
    evidence = first_evidence(RULE, falling(6))
    assert (evidence.quantity, evidence.column) == (AMP_SCALE.name, "")
    assert (evidence.first_step, evidence.last_step) == (149, 170)


def test_not_evaluated_on_few_or_no_records() -> None:
    assert outcome(RULE, head(RUN, 39)).verdict is Verdict.NOT_EVALUATED
    assert outcome(RULE, without(RUN, AMP_SCALE)).missing == (AMP_SCALE.name,)
