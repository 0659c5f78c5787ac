from __future__ import annotations

import numpy as np
import pytest

from helpers.rule_asserts import findings, the_finding
from made.changes import changed, without
from made.check_ups import check_steps, with_tables
from made.healthy import healthy_run
from made.loss_calls import with_call
from tb_lossdiag.diagnosis.engine import Verdict
from tb_lossdiag.diagnosis.rule import Severity
from tb_lossdiag.quantities import (
    AMP_SKIPPED,
    BACKWARDS,
    LOSS,
    OTHER_SAMPLES,
    STEP_RATIO_SPREAD,
    STEPS,
    THROWN_PASSES,
)
from tb_lossdiag.records import table
from tb_lossdiag.rules.loop.gradients_thrown_away import GradientsThrownAway
from tb_lossdiag.run import Run
from tb_lossdiag.testing import outcome

RULE = GradientsThrownAway()
RUN = healthy_run(1)
AT = check_steps(RUN[LOSS].steps)


def parted(passes: float, thrown: float, checks: int | None = None) -> Run:
    """Steps of so many passes of one call, of which so many are lost."""
    at = AT[:checks]
    lost = table(THROWN_PASSES, at, [[thrown]] * len(at), ("",))
    return with_tables(with_call(RUN, "cross_entropy", passes=passes), [lost])


SICK = parted(4, 3)


def test_fires_where_all_parts_but_the_last_are_lost() -> None:
    finding = the_finding(RULE, SICK)
    assert finding.severity is Severity.WARNING
    assert "takes 4 backward passes of `cross_entropy`" in finding.message.en
    assert "gradients of 3 of them are reset" in finding.message.en


@pytest.mark.parametrize(
    ("run", "fires"),
    [
        (parted(4, 2), False),
        (parted(4, 4), True),  # and another player's
        (parted(2, 1), True),
        (parted(1, 1), False),  # another player's alone
        (parted(4, 3, checks=2), True),
        (parted(4, 3, checks=1), False),
    ],
)
def test_the_bounds(run: Run, fires: bool) -> None:
    assert bool(findings(RULE, run)) is fires


def test_gradients_that_are_kept_and_written_back() -> None:
    spread = table(STEP_RATIO_SPREAD, AT, [[0.3]] * len(AT), ("",))
    assert not findings(RULE, with_tables(SICK, [spread]))
    assert findings(
        RULE, with_tables(SICK, [table(STEP_RATIO_SPREAD, AT, [[0.0]] * len(AT), ("",))])
    )


def by_hand(
    thrown: float,
    others: float,
    *,
    spread: float = 0.0,
    passes: float = 4.0,
    checks: int | None = None,
) -> Run:
    """The same of a loss that no check-up knows."""
    at = AT[:checks]
    facts = {THROWN_PASSES: thrown, OTHER_SAMPLES: others, BACKWARDS: passes, STEP_RATIO_SPREAD: spread}  # fmt: skip
    return with_tables(RUN, [table(each, at, [[v]] * len(at), ("",)) for each, v in facts.items()])


def test_a_loss_that_no_check_up_knows() -> None:
    finding = the_finding(RULE, by_hand(3, 3))
    assert finding.subject == ""
    assert "takes 4 backward passes from one line, each of other samples" in finding.message.en


@pytest.mark.parametrize(
    "run",
    [
        by_hand(3, 2),  # one was asked twice, as in an attack
        by_hand(3, 0),  # of one batch
        by_hand(2, 3),
        by_hand(1, 1, passes=2),  # of a memory, which is looked at
        by_hand(0, 3),  # they add up
        by_hand(3, 3, spread=0.2),  # what was kept is written back
        by_hand(3, 3, checks=1),
        without(by_hand(3, 3), OTHER_SAMPLES),
    ],
)
def test_passes_by_hand_that_lose_nothing(run: Run) -> None:
    assert not findings(RULE, run)


def test_a_critic_takes_several_turns_between_the_steps_of_another() -> None:
    two = changed(SICK, STEPS, 1.0, ("critic", "generator"))
    assert outcome(RULE, two).verdict is Verdict.NOT_EVALUATED


def test_needs_several_passes() -> None:
    assert outcome(RULE, RUN).verdict is Verdict.NOT_EVALUATED


def test_the_passes_before_a_step_that_was_skipped_were_for_that_one() -> None:
    skipped = np.isin(RUN[LOSS].steps, AT)
    assert outcome(RULE, changed(SICK, AMP_SKIPPED, skipped)).verdict is not Verdict.FINDINGS
    assert findings(RULE, changed(SICK, AMP_SKIPPED, 0.0))
    assert findings(RULE, without(SICK, AMP_SKIPPED))
