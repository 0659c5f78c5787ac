from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest

from helpers.rule_asserts import findings, the_finding
from made.changes import changed
from made.healthy import healthy_run
from tb_lossdiag.diagnosis.engine import Verdict
from tb_lossdiag.quantities import CALL_TOLD_BY, CALL_UNTOLD, EXTRA
from tb_lossdiag.records import table
from tb_lossdiag.rules.loss_use.answer_among_inputs import AnswerAmongInputs
from tb_lossdiag.run import Run
from tb_lossdiag.testing import outcome

RULE = AnswerAmongInputs()


def told(left: Sequence[float], places: Sequence[float] | float = 31.0) -> Run:
    """A call whose targets the input leaves so much of unexplained, check-up by check-up."""
    run, steps, call = healthy_run(1), 2 ** np.arange(len(left)), ("mse_loss",)
    by = np.broadcast_to(np.asarray(places, float), len(left))
    made = [
        table(CALL_UNTOLD, steps, np.array(left)[:, None], call),
        table(CALL_TOLD_BY, steps, by[:, None], call),
    ]
    return replace(run, tables={**run.tables, **{each.quantity.name: each for each in made}})


SICK = told([0.0, 1e-13, 0.0, 0.0])


def test_says_which_number_it_is() -> None:
    finding = the_finding(RULE, SICK)
    assert "number 31 of each sample" in finding.message.en
    assert "in 4 check-ups" in finding.message.en
    assert "given[:5, 31]" in finding.advice.en


@pytest.mark.parametrize(
    ("left", "fires"),
    [([9e-11] * 3, True), ([1.1e-10] * 3, False), ([0.0, 0.0, 1e-6], False), ([0.3] * 9, False)],
)
def test_the_bounds(left: list[float], fires: bool) -> None:
    """A number that explains nearly all is a good one, and no answer."""
    assert bool(findings(RULE, told(left))) is fires


def test_a_rare_yes_may_agree_with_a_rare_feature_but_not_always_with_the_same() -> None:
    assert not findings(RULE, told([0.0] * 5, [3.0, 17.0, 40.0, 8.0, 3.0]))
    assert findings(RULE, told([0.0] * 5, [3.0, 3.0, 40.0, 3.0, 3.0]))


def test_two_check_ups_and_agents_are_not_judged() -> None:
    agent = changed(SICK, EXTRA, np.zeros((200, 1)), ("episode reward",))
    for run in (told([0.0, 0.0]), agent, healthy_run(1)):
        assert outcome(RULE, run).verdict is Verdict.NOT_EVALUATED
