from __future__ import annotations

import numpy as np
import pytest

from helpers.rule_asserts import findings, findings_if_any, first_evidence, the_finding
from made.check_ups import with_tables
from made.healthy import healthy_run
from tb_lossdiag.diagnosis.engine import Verdict
from tb_lossdiag.quantities import CRITIC_MOVED
from tb_lossdiag.records import table
from tb_lossdiag.rules.loss_use.advantage_trained import AdvantageTrained
from tb_lossdiag.run import Run
from tb_lossdiag.testing import outcome

RULE = AdvantageTrained()


def moved(*seen: float) -> Run:
    """Check-ups that know whether the advantage can learn."""
    steps = 2 ** np.arange(len(seen))
    return with_tables(healthy_run(1), [table(CRITIC_MOVED, steps, np.array(seen))])


SICK = moved(1.0, 1.0, 1.0, 1.0)


def test_says_in_how_many_check_ups() -> None:
    message = the_finding(RULE, SICK).message.en
    assert message.startswith("In all 4 check-ups up to step 8 ")
    assert first_evidence(RULE, SICK).quantity == CRITIC_MOVED.name


@pytest.mark.parametrize(
    ("seen", "fires"),
    [((1.0, 1.0, 1.0), True), ((0.0, 0.0, 0.0), False), ((1.0, 1.0, 1.0, 0.0), False)],
)
def test_all_of_them_count(seen: tuple[float, ...], fires: bool) -> None:
    assert bool(findings(RULE, moved(*seen))) is fires


def test_two_check_ups_are_too_few() -> None:
    assert outcome(RULE, moved(1.0, 1.0)).verdict is Verdict.NOT_EVALUATED


@pytest.mark.parametrize("seed", range(6))
def test_clear_on_healthy_runs(seed: int) -> None:
    assert not findings_if_any(RULE, healthy_run(seed))
