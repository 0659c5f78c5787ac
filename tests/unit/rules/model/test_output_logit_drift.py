from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from helpers.rule_asserts import findings, the_finding
from made.check_ups import with_tables
from made.healthy import healthy_run
from tb_lossdiag.diagnosis.engine import Verdict
from tb_lossdiag.diagnosis.rule import Severity
from tb_lossdiag.quantities import CALL_LOG_NORM_SIZE, CALL_OUTPUTS
from tb_lossdiag.records import table
from tb_lossdiag.rules.model.output_logit_drift import OutputLogitDrift
from tb_lossdiag.run import Run
from tb_lossdiag.testing import outcome

RULE = OutputLogitDrift()
CALL = ("cross_entropy",)


def norms(values: Sequence[float], classes: float = 32000.0) -> Run:
    """A run whose logits need this to be normalised, check-up by check-up."""
    steps = 10 * np.arange(len(values))
    squares = table(CALL_LOG_NORM_SIZE, steps, values, CALL)
    outputs = table(CALL_OUTPUTS, steps, np.full(len(values), classes), CALL)
    return with_tables(healthy_run(1), [squares, outputs])


SICK = norms([10.4, 10.4, 11, 20, 35, 60])


def test_says_from_where_to_where() -> None:
    finding = the_finding(RULE, SICK)
    assert finding.severity is Severity.INFO
    assert "was 10.4 at step 0 and is 60 at step 50" in finding.message.en


@pytest.mark.parametrize(
    ("run", "fires"),
    [
        (norms([10.4, 10.4, 11, 15, 20, 24]), False),
        (norms([10.4, 10.4, 11, 15, 20, 26]), True),
        (norms([14, 14, 14, 15, 20, 27]), False),  # not twice what it was
        (norms([14, 14, 14, 15, 20, 29]), True),
        (norms([10.4, 10.4, 40, 30, 35, 36]), False),  # holds its place
        (norms([30, 30, 30, 30, 30]), False),  # capped
    ],
)
def test_the_bounds(run: Run, fires: bool) -> None:
    assert bool(findings(RULE, run)) is fires


@pytest.mark.parametrize("run", [norms([2, 2, 9, 20, 40], classes=100), norms([10, 30, 90])])
def test_few_classes_and_few_check_ups_tell_nothing(run: Run) -> None:
    assert outcome(RULE, run).verdict is Verdict.NOT_EVALUATED
