from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from helpers.rule_asserts import findings, findings_if_any, first_evidence, the_finding
from made.changes import without
from made.check_ups import with_tables
from made.healthy import healthy_run
from tb_lossdiag.diagnosis.engine import Verdict
from tb_lossdiag.diagnosis.rule import Severity
from tb_lossdiag.quantities import (
    AMP_SKIPPED,
    CHECK_SECONDS,
    LEARNING_RATE,
    LOSS,
    MOVED_BY_ANOTHER,
    STEPS,
    Quantity,
)
from tb_lossdiag.records import table
from tb_lossdiag.rules.record.steps_not_seen import StepsNotSeen
from tb_lossdiag.run import Run
from tb_lossdiag.testing import outcome

RULE = StepsNotSeen()
RUN = healthy_run(1)
AT = RUN[LOSS].steps


def ending(records: int) -> Run:
    """The watched optimizer steps in the first records alone."""
    return with_tables(RUN, [table(STEPS, AT[:records], np.ones(records))])


SICK = ending(50)


def test_says_since_when_and_for_how_long() -> None:
    finding = the_finding(RULE, SICK)
    assert finding.severity is Severity.WARNING
    assert f"150 times after step {AT[49]}" in finding.message.en
    assert "first 25% of the run" in finding.message.en
    assert first_evidence(RULE, SICK).first_step == AT[49]


def test_both_sides_of_the_records() -> None:
    assert findings(RULE, ending(150))
    assert not findings(RULE, ending(151))


def test_a_scaler_that_skips_is_another_matter() -> None:
    skips = table(AMP_SKIPPED, AT, np.ones(len(AT)))
    assert not findings(RULE, with_tables(SICK, [skips]))


@pytest.mark.parametrize("seed", range(6))
def test_clear_on_healthy_runs(seed: int) -> None:
    assert not findings_if_any(RULE, healthy_run(seed))


def test_not_evaluated_without_a_watch() -> None:
    assert outcome(RULE, without(SICK, STEPS)).verdict is Verdict.NOT_EVALUATED


def test_a_loss_without_a_single_value_goes_on_nowhere() -> None:
    unknown = table(LOSS, AT, np.full(len(AT), np.nan))
    assert not findings(RULE, with_tables(SICK, [unknown]))


def _never(records: int, *recorded: Quantity) -> Run:
    """An optimizer is watched that never makes a step."""
    only = {LOSS.name, *(quantity.name for quantity in recorded)}
    tables = {name: each for name, each in RUN.tables.items() if name in only}
    loss = table(LOSS, AT[:records], RUN[LOSS].values[:records, 0])
    facts = {"optimizer": "Adam"}
    return with_tables(replace(RUN, tables=tables, facts=facts), [loss])


def test_an_optimizer_that_never_steps() -> None:
    finding = the_finding(RULE, _never(50))
    assert "reported 50 times" in finding.message.en
    assert "no step at all" in finding.message.en
    assert not findings(RULE, _never(49))


def test_weights_that_change_all_the_same_are_an_information() -> None:
    run = _never(50)
    moved = replace(run, facts={**run.facts, MOVED_BY_ANOTHER: "without a step"})
    finding = the_finding(RULE, moved)
    assert finding.severity is Severity.INFO
    assert "weights change by something else" in finding.message.en
    assert "Watch the one that does" in finding.advice.en


@pytest.mark.parametrize("run", [
    _never(60, LEARNING_RATE),  # given to add_diagnostics, not watched
    _never(60, CHECK_SECONDS),  # steps that found no gradient
    replace(_never(60), facts={}),
])  # fmt: skip
def test_not_evaluated_where_no_optimizer_is_watched(run: Run) -> None:
    assert outcome(RULE, run).verdict is Verdict.NOT_EVALUATED
