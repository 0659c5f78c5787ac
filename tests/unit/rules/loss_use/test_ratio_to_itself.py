from __future__ import annotations

import numpy as np
import pytest

from helpers.rule_asserts import findings, findings_if_any, first_evidence, the_finding
from made.check_ups import with_tables
from made.healthy import healthy_run
from tb_lossdiag.diagnosis.engine import Verdict
from tb_lossdiag.quantities import RATIO_TO_ITSELF
from tb_lossdiag.records import table
from tb_lossdiag.rules.loss_use.ratio_to_itself import RatioToItself
from tb_lossdiag.run import Run
from tb_lossdiag.testing import outcome

RULE = RatioToItself()


def ratios(*ones: float) -> Run:
    """Check-ups in which actions came again, and whether the ratio was one."""
    steps = 2 ** np.arange(len(ones))
    return with_tables(healthy_run(1), [table(RATIO_TO_ITSELF, steps, np.array(ones))])


SICK = ratios(1.0, 1.0)


def test_says_in_how_many_check_ups() -> None:
    message = the_finding(RULE, SICK).message.en
    assert "In 2 check-ups, up to step 2, actions came again" in message
    assert first_evidence(RULE, SICK).quantity == RATIO_TO_ITSELF.name


@pytest.mark.parametrize("run", [ratios(1.0, 0.0), ratios(0.0, 0.0, 0.0), ratios(1.0, 1.0, 0.0)])
def test_clear_where_it_moves(run: Run) -> None:
    assert not findings(RULE, run)


def test_one_check_up_is_too_few() -> None:
    assert outcome(RULE, ratios(1.0)).verdict is Verdict.NOT_EVALUATED


@pytest.mark.parametrize("seed", range(6))
def test_clear_on_healthy_runs(seed: int) -> None:
    assert not findings_if_any(RULE, healthy_run(seed))
