from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from helpers.rule_asserts import findings, first_evidence, the_finding
from made.changes import each_step, without
from made.healthy import healthy_run
from tb_lossdiag.diagnosis.rule import Severity
from tb_lossdiag.quantities import LOSS, OTHER_WRITERS
from tb_lossdiag.records import table
from tb_lossdiag.rules.record.record_gap import RecordGap
from tb_lossdiag.run import Run
from tb_lossdiag.testing import outcome

RULE = RecordGap()


def sessions(*others: int) -> Run:
    run = healthy_run(0)
    opened = table(OTHER_WRITERS, [100 * i for i in range(len(others))], others)
    return replace(run, tables={**run.tables, OTHER_WRITERS.name: opened})


SICK = sessions(2)


@pytest.mark.parametrize("others", [(1,), (0, 2), (3, 0)])
def test_fires_when_any_session_was_not_alone(others: tuple[int, ...]) -> None:
    finding = the_finding(RULE, sessions(*others))
    assert finding.numbers["writers"] == max(others)
    assert "one folder per run" in finding.advice.en.lower()


def test_the_frameworks_own_writer_is_an_information() -> None:
    beside = {"beside the writer of": "Lightning"}
    finding = the_finding(RULE, replace(sessions(1), facts=beside))
    assert finding.severity == Severity.INFO
    assert finding.message.en.startswith("The writer of Lightning was open")
    assert the_finding(RULE, replace(sessions(2), facts=beside)).severity == Severity.WARNING


@pytest.mark.parametrize("others", [(0,), (0, 0)])
def test_clear_when_alone(others: tuple[int, ...]) -> None:
    assert not findings(RULE, sessions(*others))


@pytest.mark.parametrize("seed", range(3))
def test_clear_on_healthy_runs(seed: int) -> None:
    assert not findings(RULE, healthy_run(seed))


def test_evidence_is_the_session() -> None:
    evidence = first_evidence(RULE, sessions(0, 1, 0))
    assert (evidence.quantity, evidence.column) == (OTHER_WRITERS.name, "")
    assert (evidence.first_step, evidence.last_step) == (100, 100)


def with_gap(size: int, count: int = 1) -> Run:
    """A record per step, but `count` holes of this size."""
    run = each_step(healthy_run(0))
    old = run[LOSS]
    holes = sum((old.steps >= 50 * (place + 1)) * (size - 1) for place in range(count))
    moved = replace(old, steps=old.steps + holes)
    return replace(run, tables={**run.tables, LOSS.name: moved})


def bursts() -> Run:
    """Ten steps recorded in each thousand."""
    run = each_step(healthy_run(0))
    moved = replace(run[LOSS], steps=run[LOSS].steps + run[LOSS].steps // 10 * 990)
    return replace(run, tables={**run.tables, LOSS.name: moved})


def test_a_hole_in_the_steps_is_an_information() -> None:
    finding = the_finding(RULE, with_gap(500))
    assert finding.severity is Severity.INFO
    assert finding.evidence[0].quantity == LOSS.name
    assert (finding.first_step, finding.last_step) == (49, 549)


def test_clear_on_small_holes_widening_windows_and_bursts() -> None:
    assert findings(RULE, with_gap(100))
    assert not findings(RULE, with_gap(99))
    assert not findings(RULE, bursts())
    run = healthy_run(0)
    widening = replace(run[LOSS], steps=np.cumsum(2 ** (np.arange(200) // 20)))
    assert not findings(RULE, replace(run, tables={**run.tables, LOSS.name: widening}))


def test_not_evaluated_without_the_count() -> None:
    missing = outcome(RULE, without(healthy_run(0), OTHER_WRITERS)).missing
    assert missing == (OTHER_WRITERS.name,)
