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
from tb_lossdiag.quantities import AMP_SKIPPED, LOSS, STEPS, THROWN_PASSES
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
