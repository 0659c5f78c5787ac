from __future__ import annotations

import numpy as np
import pytest

from helpers.rule_asserts import alarms, findings, first_evidence, the_finding
from made.changes import changed, each_step, head, without
from made.healthy import healthy_run
from tb_lossdiag.diagnosis.engine import Verdict
from tb_lossdiag.diagnosis.rule import Severity
from tb_lossdiag.quantities import OWN_SECONDS, STEP_SECONDS, STEPS
from tb_lossdiag.rules.record.monitoring_cost import MonitoringCost
from tb_lossdiag.run import Run
from tb_lossdiag.testing import outcome

RULE = MonitoringCost()


def costly(own: float, steps: float = 100.0) -> Run:
    """200 records of so many steps, each of 0.1 s."""
    run = changed(each_step(healthy_run(1)), OWN_SECONDS, own)
    return changed(changed(run, STEP_SECONDS, 0.1), STEPS, steps)


SICK = costly(0.02)


def test_fires_and_gives_the_total() -> None:
    finding = the_finding(RULE, costly(0.02))
    assert finding.severity is Severity.INFO
    assert "20%" in finding.message.en
    assert "360 s in all" in finding.message.en


def test_clear_just_below_share_and_total() -> None:
    assert findings(RULE, costly(0.0051))
    assert not findings(RULE, costly(0.0049))
    assert findings(RULE, costly(0.02, 17))
    assert not findings(RULE, costly(0.02, 16))


def test_the_first_steps_and_short_windows_do_not_decide() -> None:
    first = np.where(np.arange(200) < 20, 5.0, 0.001)
    assert not findings(RULE, changed(costly(0.0), OWN_SECONDS, first))
    one = np.where(np.arange(200) == 100, 0.6, 0.001)
    assert not findings(RULE, changed(costly(0.0), OWN_SECONDS, one))
    long = np.where(np.arange(200) == 100, 1e6, 100.0)
    assert findings(RULE, changed(changed(costly(0.0), OWN_SECONDS, one), STEPS, long))


@pytest.mark.parametrize("seed", range(10))
def test_no_alarm_on_healthy_runs(seed: int) -> None:
    assert not alarms(RULE, healthy_run(seed))


def test_evidence_is_what_follows_the_first_steps() -> None:
    evidence = first_evidence(RULE, costly(0.02))
    assert (evidence.quantity, evidence.column) == (OWN_SECONDS.name, "")
    assert (evidence.first_step, evidence.last_step) == (20, 199)


def test_not_evaluated_on_few_or_no_records() -> None:
    assert outcome(RULE, head(costly(0.02), 29)).verdict is Verdict.NOT_EVALUATED
    assert outcome(RULE, without(costly(0.02), OWN_SECONDS)).missing == (OWN_SECONDS.name,)
