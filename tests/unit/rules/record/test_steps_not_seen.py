from __future__ import annotations

import numpy as np
import pytest

from helpers.rule_asserts import findings, findings_if_any, first_evidence, the_finding
from made.changes import without
from made.check_ups import with_tables
from made.healthy import healthy_run
from tb_lossdiag.diagnosis.engine import Verdict
from tb_lossdiag.diagnosis.rule import Severity
from tb_lossdiag.quantities import AMP_SKIPPED, LOSS, STEPS
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
