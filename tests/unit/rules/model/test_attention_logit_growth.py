from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from helpers.rule_asserts import findings, the_finding
from made.check_ups import with_tables
from made.healthy import healthy_run
from tb_lossdiag.diagnosis.engine import Verdict
from tb_lossdiag.diagnosis.rule import Severity
from tb_lossdiag.quantities import ATTENTION_SCORE
from tb_lossdiag.records import table
from tb_lossdiag.rules.model.attention_logit_growth import AttentionLogitGrowth
from tb_lossdiag.run import Run
from tb_lossdiag.testing import outcome

RULE = AttentionLogitGrowth()
LAYERS = ("0.attention.softmax()", "1.attention.softmax()")


def scores(values: Sequence[float], other: float = 3.0) -> Run:
    """A run with two layers, of which one has these scores, check-up by check-up."""
    both = np.stack([np.array(values), np.full(len(values), other)], axis=1)
    steps = 10 * np.arange(len(values))
    return with_tables(healthy_run(1), [table(ATTENTION_SCORE, steps, both, LAYERS)])


SICK = scores([5, 6, 7, 300, 900, 3000, 15000])


def test_names_the_layer_and_how_far_it_came() -> None:
    finding = the_finding(RULE, SICK)
    assert finding.severity is Severity.WARNING
    assert finding.subject == LAYERS[0]
    assert "was 5 at step 0, and" in finding.message.en
    assert "in 1 of 2 layers it is" in finding.message.en


@pytest.mark.parametrize(
    ("run", "fires"),
    [
        (scores([5, 6, 7, 100, 500, 990]), False),
        (scores([5, 6, 7, 100, 500, 1010]), True),
        (scores([1500, 1510, 1520, 1530, 1540]), False),  # large, and stays so
        (scores([400, 400, 400, 500, 900, 1590]), False),
        (scores([400, 400, 400, 500, 900, 1610]), True),
        (scores([5, 6, 7, 2000, 1500, 3000]), False),  # goes up and down
        (scores([1, 1, 1, 1, 1]), False),
    ],
)
def test_the_bounds(run: Run, fires: bool) -> None:
    assert bool(findings(RULE, run)) is fires


def test_below_what_has_diverged_it_is_an_information() -> None:
    assert the_finding(RULE, scores([5, 6, 7, 100, 500, 9000])).severity is Severity.INFO


def test_few_check_ups_tell_nothing() -> None:
    assert outcome(RULE, scores([5, 600, 9000])).verdict is Verdict.NOT_EVALUATED
