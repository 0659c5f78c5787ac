from __future__ import annotations

import numpy as np
import pytest

from helpers.rule_asserts import findings, the_finding
from made.changes import changed
from made.check_ups import check_steps, with_tables
from made.healthy import healthy_run
from made.loss_calls import with_call
from tb_lossdiag.diagnosis.engine import Verdict
from tb_lossdiag.diagnosis.rule import Severity
from tb_lossdiag.quantities import AMP_SKIPPED, CALL_TOKEN_SPREAD, LOSS
from tb_lossdiag.records import table
from tb_lossdiag.rules.loss_terms.uneven_token_weight import UnevenTokenWeight
from tb_lossdiag.run import Run
from tb_lossdiag.testing import outcome

RULE = UnevenTokenWeight()
RUN = healthy_run(1)
AT = check_steps(RUN[LOSS].steps)


def parted(*spreads: float) -> Run:
    """Steps of four parts, whose targets count so unequally."""
    spread = table(CALL_TOKEN_SPREAD, AT[: len(spreads)], spreads, ("cross_entropy",))
    return with_tables(with_call(RUN, "cross_entropy", passes=4), [spread])


SICK = parted(5, 7, 6)


def test_fires_on_parts_of_unlike_length() -> None:
    finding = the_finding(RULE, SICK)
    assert finding.severity is Severity.WARNING
    assert "3 of 3 check-ups a target of the shortest part counts 6 times" in finding.message.en


@pytest.mark.parametrize(
    ("run", "fires"),
    [
        (parted(1.5, 1.5), True),
        (parted(1.49, 1.49), False),
        (parted(1, 1, 1), False),
        (parted(5), False),
        (parted(5, 5, 1, 1), False),
        (parted(5, 5, 1, np.nan), True),
    ],
)
def test_the_bounds(run: Run, fires: bool) -> None:
    assert bool(findings(RULE, run)) is fires


def test_needs_steps_of_several_parts() -> None:
    assert outcome(RULE, RUN).verdict is Verdict.NOT_EVALUATED


def test_the_parts_before_a_step_that_was_skipped_were_for_that_one() -> None:
    skipped = np.ones(len(SICK[LOSS].steps), bool)
    assert outcome(RULE, changed(SICK, AMP_SKIPPED, skipped)).verdict is not Verdict.FINDINGS
    assert findings(RULE, changed(SICK, AMP_SKIPPED, 0.0))
