from __future__ import annotations

import numpy as np
import pytest

from helpers.rule_asserts import findings, the_finding
from made.changes import changed, without
from made.check_ups import check_steps, with_tables
from made.healthy import healthy_run
from tb_lossdiag.diagnosis.engine import Verdict
from tb_lossdiag.diagnosis.rule import Severity
from tb_lossdiag.quantities import BACKWARD_NORM, LEFT_NORM, LOSS
from tb_lossdiag.records import table
from tb_lossdiag.rules.loop.gradients_of_another import GradientsOfAnother
from tb_lossdiag.run import Run
from tb_lossdiag.testing import outcome

RULE = GradientsOfAnother()
RUN = changed(healthy_run(1), BACKWARD_NORM, 2.0)
AT = check_steps(RUN[LOSS].steps)


def left(share: float = 0.5, hits: float = 1.0, checks: int | None = None) -> Run:
    """What another's pass left, over what the step begins with, in this share of the check-ups."""
    at = AT[:checks]
    values = np.where(np.arange(len(at)) < hits * len(at), 2.0 * share, 0.0)
    return with_tables(RUN, [table(LEFT_NORM, at, values[:, None], ("",))])


SICK = left()


def test_fires_where_something_is_left() -> None:
    finding = the_finding(RULE, SICK)
    assert finding.severity is Severity.WARNING
    assert "backward pass of the model added" in finding.message.en
    assert "with a norm of 1; at its step it was 2" in finding.message.en


def test_names_the_model() -> None:
    judge = with_tables(
        changed(RUN, BACKWARD_NORM, 2.0, ("judge",)),
        [table(LEFT_NORM, AT, np.ones((len(AT), 1)), ("judge",))],
    )
    assert "backward pass of `judge` added" in the_finding(RULE, judge).message.en


@pytest.mark.parametrize(
    ("run", "fires"),
    [
        (left(0.11), True),
        (left(0.09), False),
        (left(0.0), False),
        (left(hits=0.6), True),
        (left(hits=0.4), False),
        (left(checks=3), True),
    ],
)
def test_the_bounds(run: Run, fires: bool) -> None:
    assert bool(findings(RULE, run)) is fires


def test_needs_check_ups_with_anothers_step_between() -> None:
    assert outcome(RULE, RUN).verdict is Verdict.NOT_EVALUATED
    assert outcome(RULE, left(checks=2)).verdict is Verdict.NOT_EVALUATED


def test_a_norm_that_is_unknown_hides_nothing() -> None:
    assert findings(RULE, without(SICK, BACKWARD_NORM))
