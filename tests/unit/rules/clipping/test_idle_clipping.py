from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from helpers.rule_asserts import alarms, findings, first_evidence, the_finding
from made.changes import changed, head, without
from made.healthy import healthy_run
from tb_lossdiag.diagnosis.engine import Verdict
from tb_lossdiag.diagnosis.rule import Severity
from tb_lossdiag.quantities import CLIP_BOUND, CLIP_CALLS, CLIP_GLOBAL_NORM, CLIP_MAX_NORM
from tb_lossdiag.records import table
from tb_lossdiag.rules.clipping.idle_clipping import IdleClipping
from tb_lossdiag.run import Run
from tb_lossdiag.testing import outcome

RULE = IdleClipping()


def idle(distance: float, calls: float = 5.0) -> Run:
    """All norms are 1, max_norm is `distance`."""
    run = changed(changed(healthy_run(0), CLIP_GLOBAL_NORM, 1.0), CLIP_MAX_NORM, distance)
    return changed(changed(run, CLIP_BOUND, 0.0), CLIP_CALLS, calls)


SICK = idle(50.0)


def test_fires_and_suggests_twice_the_99th_percentile() -> None:
    finding = the_finding(RULE, idle(50))
    assert finding.severity is Severity.INFO
    assert "max_norm=2)" in finding.advice.en
    assert "1000 clips" in finding.message.en


def test_clear_just_below_distance_and_when_it_acted_or_only_measures() -> None:
    assert findings(RULE, idle(10.1))
    assert not findings(RULE, idle(9.9))
    assert not findings(RULE, idle(np.inf))
    assert not findings(RULE, changed(idle(50), CLIP_BOUND, np.arange(200) == 7))


def test_an_outlier_within_a_window_counts() -> None:
    run = idle(50)
    steps = run[CLIP_GLOBAL_NORM].steps
    peak = table(
        CLIP_GLOBAL_NORM.highest(), steps, np.where(steps == steps[9], 60.0, 1.0), ("clip",)
    )
    assert not findings(RULE, replace(run, tables={**run.tables, peak.quantity.name: peak}))


@pytest.mark.parametrize("seed", range(10))
def test_no_alarm_on_healthy_runs(seed: int) -> None:
    run = healthy_run(seed, 600)
    assert not alarms(RULE, run)
    assert not findings(RULE, run)


def test_evidence_is_the_clip_and_the_run() -> None:
    run = idle(50)
    evidence, steps = first_evidence(RULE, run), run[CLIP_GLOBAL_NORM].steps
    assert (evidence.quantity, evidence.column) == (CLIP_GLOBAL_NORM.name, "clip")
    assert (evidence.first_step, evidence.last_step) == (0, steps[-1])


def test_not_evaluated_on_few_or_no_clips() -> None:
    assert outcome(RULE, head(idle(50), 99)).verdict is Verdict.NOT_EVALUATED
    assert findings(RULE, head(idle(50), 100))
    missing = outcome(RULE, without(healthy_run(0), CLIP_MAX_NORM)).missing
    assert missing == (CLIP_MAX_NORM.name,)
