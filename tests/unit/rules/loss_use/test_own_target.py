from __future__ import annotations

import numpy as np
import pytest

from helpers.rule_asserts import findings, findings_if_any, first_evidence, the_finding
from made.changes import without
from made.check_ups import check_steps, with_tables
from made.healthy import healthy_run
from made.loss_calls import with_call
from tb_lossdiag.diagnosis.engine import Verdict
from tb_lossdiag.quantities import CALL_OWN_TARGET, CALL_VALUE, LOSS
from tb_lossdiag.records import table
from tb_lossdiag.rules.loss_use.own_target import OwnTarget
from tb_lossdiag.run import Run
from tb_lossdiag.testing import outcome

RULE = OwnTarget()
PLAIN = with_call(healthy_run(1), "mse_loss")
AT = check_steps(PLAIN[LOSS].steps)


def own(seen: int = len(AT), run: Run = PLAIN, call: str = "mse_loss") -> Run:
    """The targets are the network's own in the last so many check-ups."""
    at = AT[len(AT) - seen :]
    return with_tables(run, [table(CALL_OWN_TARGET, at, np.ones((len(at), 1)), (call,))])


SICK = own()


def test_says_in_how_many_check_ups() -> None:
    finding = the_finding(RULE, SICK)
    assert finding.subject == "mse_loss"
    assert f"in all {len(AT)} check-ups" in finding.message.en
    assert first_evidence(RULE, SICK).quantity == CALL_OWN_TARGET.name


@pytest.mark.parametrize("run", [PLAIN, own(len(AT) - 1), own(call="mse_loss 2")])
def test_clear_where_some_targets_are_given(run: Run) -> None:
    assert not findings(RULE, run)


def test_needs_three_check_ups_of_a_distance() -> None:
    few = with_tables(
        SICK,
        [table(CALL_VALUE, AT[:2], np.ones((2, 1)), ("mse_loss",))],
    )
    bare = without(
        few,
        *(
            t.quantity
            for t in few.tables.values()
            if t.quantity.frame == "call" and t.quantity != CALL_VALUE
        ),
    )
    assert outcome(RULE, bare).verdict is Verdict.NOT_EVALUATED
    assert (
        outcome(RULE, with_call(healthy_run(1), "cross_entropy")).verdict is Verdict.NOT_EVALUATED
    )


@pytest.mark.parametrize("seed", range(6))
def test_clear_on_healthy_runs(seed: int) -> None:
    assert not findings_if_any(RULE, healthy_run(seed))
