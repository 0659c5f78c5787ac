from __future__ import annotations

import numpy as np
import pytest

from helpers.rule_asserts import findings, first_evidence, the_finding
from made.changes import changed, each_step, head, without
from made.check_ups import with_tables
from made.healthy import healthy_run
from tb_lossdiag.diagnosis.engine import Verdict
from tb_lossdiag.diagnosis.rule import Severity
from tb_lossdiag.quantities import CHECK_SECONDS, EXTRA, STEP_SECONDS, WAIT_SECONDS
from tb_lossdiag.records import table
from tb_lossdiag.rules.machine.input_starved import InputStarved
from tb_lossdiag.run import Run
from tb_lossdiag.testing import outcome

RULE = InputStarved()


def waiting(wait: float, step: float = 0.1) -> Run:
    """Check-ups make their step twice as long."""
    run = changed(changed(healthy_run(1), WAIT_SECONDS, wait), STEP_SECONDS, step)
    return changed(run, CHECK_SECONDS, 2 * step)


SICK = waiting(0.08)


def test_fires_and_says_what_could_be_won() -> None:
    finding = the_finding(RULE, waiting(0.06))
    assert finding.severity is Severity.WARNING
    assert "60%" in finding.message.en
    assert "0.04 s: at best 2.5 times" in finding.advice.en


def test_an_information_below_half_and_clear_below_a_third() -> None:
    assert the_finding(RULE, waiting(0.049)).severity is Severity.INFO
    assert not findings(RULE, waiting(0.029))


def test_clear_on_steps_of_milliseconds() -> None:
    assert not findings(RULE, waiting(0.009, 0.01))
    assert findings(RULE, waiting(0.011, 0.012))


def test_a_step_that_others_held_up_is_no_longer_than_its_check_up() -> None:
    """On a busy machine: 25 ms of wait beside 80 ms in the queue for a processor."""
    busy = changed(waiting(0.025, 0.12), CHECK_SECONDS, 0.04)
    assert the_finding(RULE, busy).numbers["step"] == pytest.approx(0.04)
    assert not findings(RULE, changed(busy, CHECK_SECONDS, 0.12))


def test_waits_longer_than_a_step_are_not_ordinary() -> None:
    assert findings(RULE, waiting(0.11))
    assert not findings(RULE, waiting(0.13))


def test_one_slow_start_or_evaluation_does_not_count() -> None:
    waits = np.full(len(healthy_run(1)[WAIT_SECONDS]), 0.01)
    waits[[0, 7]] = 30.0
    assert not findings(RULE, changed(waiting(0.01), WAIT_SECONDS, waits))


def test_the_check_ups_own_time_stands_in() -> None:
    assert the_finding(RULE, without(waiting(0.11), STEP_SECONDS)).numbers["step"] == pytest.approx(
        0.2
    )


@pytest.mark.parametrize("seed", range(10))
def test_clear_on_healthy_runs(seed: int) -> None:
    assert not findings(RULE, healthy_run(seed))


def test_evidence_leaves_the_first_steps_out() -> None:
    run = each_step(waiting(0.06))
    evidence, steps = first_evidence(RULE, run), run[WAIT_SECONDS].steps
    assert (evidence.quantity, evidence.column) == (WAIT_SECONDS.name, "")
    assert (evidence.first_step, evidence.last_step) == (14, steps[-1])


def test_not_evaluated_on_few_or_no_check_ups() -> None:
    assert outcome(RULE, head(each_step(waiting(0.06)), 6)).verdict is Verdict.NOT_EVALUATED
    assert outcome(RULE, without(waiting(0.06), WAIT_SECONDS)).missing == (WAIT_SECONDS.name,)


def test_an_agent_waits_for_its_environment_and_for_no_loader() -> None:
    run = changed(waiting(0.06), EXTRA, 1.0, ("ep_rew_mean",))
    assert outcome(RULE, run).verdict is Verdict.NOT_EVALUATED


def test_of_several_models_each_waits_for_the_others_turns() -> None:
    """A head that steps with every fourth step of its body."""
    at = SICK[WAIT_SECONDS].steps
    waits = np.stack([np.full(len(at), 0.08), np.full(len(at), 0.001)], axis=1)
    two = with_tables(SICK, [table(WAIT_SECONDS, at, waits, ("head", "body"))])
    assert not findings(RULE, two)
    waits[:, 1] = 0.07
    two = with_tables(two, [table(WAIT_SECONDS, at, waits, ("head", "body"))])
    assert the_finding(RULE, changed(two, CHECK_SECONDS, 0.1, ("head", "body"))).subject == "body"
