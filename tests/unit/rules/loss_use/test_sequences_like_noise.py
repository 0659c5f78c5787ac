from __future__ import annotations

import numpy as np
import pytest

from helpers.rule_asserts import the_finding
from made.check_ups import with_tables
from made.healthy import healthy_run
from tb_lossdiag.diagnosis.engine import Verdict
from tb_lossdiag.diagnosis.rule import Severity
from tb_lossdiag.quantities import CALL_OTHERS_LEVEL, CALL_WORST_LEVEL, CALL_WORST_SHARE
from tb_lossdiag.records import table
from tb_lossdiag.rules.loss_use.sequences_like_noise import SequencesLikeNoise
from tb_lossdiag.run import Run
from tb_lossdiag.testing import outcome

RULE = SequencesLikeNoise()


def seen(worst: list[float], others: float = 0.2, share: float = 0.4) -> Run:
    """A language model at check-ups: what the dearest sequence of each batch costs, and the others beside it."""
    steps, call = np.arange(len(worst)) * 4, ["cross_entropy"]

    def of(values: list[float]) -> np.ndarray[tuple[int, int], np.dtype[np.float64]]:
        return np.array(values)[:, None]

    count = len(worst)
    return with_tables(
        healthy_run(1),
        [
            table(CALL_WORST_LEVEL, steps, of(worst), call),
            table(CALL_OTHERS_LEVEL, steps, of([others] * count), call),
            table(CALL_WORST_SHARE, steps, of([share] * count), call),
        ],
    )


SICK = seen([0.3, 1.2, 0.3, 1.4, 0.3, 1.3])


def test_says_how_often_and_how_much() -> None:
    finding = the_finding(RULE, SICK)
    assert finding.severity is Severity.INFO
    assert "In 3 of 6 check-ups one sequence cost as much as guessing" in finding.message.en
    assert "costs 6.5 times less" in finding.message.en
    assert "40% of the batch's loss" in finding.message.en


@pytest.mark.parametrize(
    ("run", "verdict"),
    [
        (seen([0.3, 1.0, 1.0]), Verdict.FINDINGS),
        (seen([0.3, 1.0, 0.99, 0.99, 0.3]), Verdict.CLEAR),
        (seen([0.9] * 20), Verdict.CLEAR),  # harder, and not noise
        (seen([1.0] * 3 + [0.3] * 60), Verdict.CLEAR),  # one in twenty would be told
        (seen([1.2] * 6, others=0.46), Verdict.NOT_EVALUATED),  # nothing is learned yet
        (seen([1.2] * 6, others=0.45), Verdict.FINDINGS),
        (seen([1.2] * 6, share=0.09), Verdict.CLEAR),
        (seen([0.3, 1.2, 0.3]), Verdict.FINDINGS),  # no accident
        (seen([0.3, 1.19, 0.3]), Verdict.CLEAR),
        (seen([1.2] * 3 + [0.3] * 60), Verdict.CLEAR),
        (seen([1.2] * 2), Verdict.NOT_EVALUATED),
        (healthy_run(1), Verdict.NOT_EVALUATED),
    ],
)
def test_the_bounds(run: Run, verdict: Verdict) -> None:
    assert outcome(RULE, run).verdict is verdict
