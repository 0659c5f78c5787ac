from __future__ import annotations

import numpy as np
import pytest

from helpers.rule_asserts import the_finding
from made.check_ups import with_tables
from made.healthy import healthy_run
from tb_lossdiag.diagnosis.engine import Verdict
from tb_lossdiag.quantities import CALL_TARGET_AHEAD, CALL_UNASKED
from tb_lossdiag.records import table
from tb_lossdiag.rules.loss_use.nothing_asked import NothingAsked
from tb_lossdiag.run import Run
from tb_lossdiag.testing import outcome

RULE = NothingAsked()


def asked(shares: list[float], ahead: list[float] | None = None) -> Run:
    """A language model, so many of whose sequences had no target, check-up by check-up."""
    steps, call = 2 ** np.arange(len(shares)), ["cross_entropy"]
    places = [1.0] * len(shares) if ahead is None else ahead
    return with_tables(
        healthy_run(1),
        [
            table(CALL_UNASKED, steps, np.array(shares)[:, None], call),
            table(CALL_TARGET_AHEAD, steps, np.array(places)[:, None], call),
        ],
    )


SICK = asked([0.5, 0.625, 0.75])


def test_says_how_many_sequences_teach_nothing() -> None:
    finding = the_finding(RULE, SICK)
    assert "Of 62.5% of the sequences" in finding.message.en
    assert "(labels != -100)" in finding.advice.en


@pytest.mark.parametrize(
    ("run", "verdict"),
    [
        (asked([0.25, 0.25, 0.25]), Verdict.FINDINGS),
        (asked([0.24, 0.24, 0.24]), Verdict.CLEAR),
        (asked([1.0, 0.0, 0.0]), Verdict.CLEAR),
        (asked([0.5, 1.0, 0.5], [1.0, -1.0, 1.0]), Verdict.FINDINGS),  # nothing in one batch
        (asked([0.5, 0.5]), Verdict.NOT_EVALUATED),
        (asked([0.5] * 3, [0.0] * 3), Verdict.NOT_EVALUATED),  # a masked model
        (asked([0.5] * 3, [1.0, 0.0, 1.0]), Verdict.NOT_EVALUATED),
        (asked([0.5] * 3, [-1.0] * 3), Verdict.NOT_EVALUATED),
        (healthy_run(1), Verdict.NOT_EVALUATED),
    ],
)
def test_the_bounds(run: Run, verdict: Verdict) -> None:
    assert outcome(RULE, run).verdict is verdict
