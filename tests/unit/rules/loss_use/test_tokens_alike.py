from __future__ import annotations

import numpy as np
import pytest

from helpers.rule_asserts import findings, the_finding
from made.check_ups import with_tables
from made.healthy import healthy_run
from tb_lossdiag.diagnosis.engine import Verdict
from tb_lossdiag.diagnosis.rule import Severity
from tb_lossdiag.quantities import CALL_TARGET_AHEAD, TOKENS_ALIKE
from tb_lossdiag.records import table
from tb_lossdiag.rules.loss_use.tokens_alike import TokensAlike
from tb_lossdiag.run import Run
from tb_lossdiag.testing import outcome

RULE = TokensAlike()


def read(*shares: float, ahead: float = 1.0) -> Run:
    """A model whose embeddings rest, at check-ups."""
    steps = np.arange(len(shares)) * 4
    return with_tables(
        healthy_run(1),
        [
            table(TOKENS_ALIKE, steps, np.array(shares)[:, None], [""]),
            table(CALL_TARGET_AHEAD, steps, np.full((len(shares), 1), ahead), ["cross_entropy"]),
        ],
    )


SICK = read(0.08, 0.07, 0.09)


def test_says_how_many() -> None:
    finding = the_finding(RULE, SICK)
    assert finding.severity is Severity.WARNING
    assert "8.0% of those it reads (median of 3 check-ups" in finding.message.en


@pytest.mark.parametrize(
    ("run", "fires"),
    [(read(0.006, 0.006), True), (read(0.004, 0.004), False), (read(0.5, 0.0, 0.0), False)],
)
def test_the_bounds(run: Run, fires: bool) -> None:
    assert bool(findings(RULE, run)) is fires


@pytest.mark.parametrize("run", [read(0.5), read(0.5, 0.5, ahead=0.0), healthy_run(1)])
def test_little_tells_nothing(run: Run) -> None:
    assert outcome(RULE, run).verdict is Verdict.NOT_EVALUATED
