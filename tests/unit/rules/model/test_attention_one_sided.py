from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from helpers.rule_asserts import findings, the_finding
from made.changes import with_first_call, without
from made.check_ups import check_steps, with_tables
from made.healthy import healthy_run
from made.loss_calls import with_call
from tb_lossdiag.diagnosis.engine import Verdict
from tb_lossdiag.quantities import (
    ATTENTION_FOCUS,
    CALL_BASELINE,
    CALL_VALUE,
    LOSS,
    MODULE_KIND,
    MODULE_LAST,
    Kind,
)
from tb_lossdiag.records import table
from tb_lossdiag.rules.model.attention_one_sided import AttentionOneSided
from tb_lossdiag.run import Run
from tb_lossdiag.testing import outcome

RULE = AttentionOneSided()
LAYERS = ("0.attention.softmax()", "1.attention.softmax()")
UNTRAINED = with_first_call(healthy_run(1), 2.3)
AT = check_steps(UNTRAINED[LOSS].steps)


def attends(
    first: Sequence[float], run: Run = UNTRAINED, later: float = 0.3, since: int = 0
) -> Run:
    """Layers of attention that begin so one-sided, and are `later` from the second check-up on."""
    at = AT[since <= AT]
    values = np.full((len(at), len(first)), later)
    values[0] = first
    names = [*LAYERS, "softmax()"][: len(first)]
    return with_tables(run, [table(ATTENTION_FOCUS, at, values, names)])


SICK = attends([0.85, 0.8])


def test_names_the_least_one_sided_layer() -> None:
    finding = the_finding(RULE, SICK)
    assert finding.subject == LAYERS[1]
    assert "one-sided to 0.8 " in finding.message.en
    assert "2 layers" in finding.message.en


@pytest.mark.parametrize(
    ("run", "fires"),
    [
        (attends([0.51, 0.9]), True),
        (attends([0.49, 0.9]), False),
        (attends([0.02, 0.01], later=0.9), False),  # it was learned
        (attends([0.6]), True),
        (attends([0.8, np.nan]), True),  # nothing could be seen in one of them
        (attends([0.8, 0.8], run=with_first_call(UNTRAINED, 0.71 * np.log(10))), True),
        (attends([0.8, 0.8], run=with_first_call(UNTRAINED, 0.69 * np.log(10))), False),
        (attends([0.8, 0.8], run=with_call(UNTRAINED, "mse_loss", value=0.8)), True),
        (attends([0.8, 0.8], run=with_call(UNTRAINED, "mse_loss", value=0.6)), False),
    ],
)
def test_the_bounds(run: Run, fires: bool) -> None:
    assert bool(findings(RULE, run)) is fires


def test_an_output_is_no_attention() -> None:
    names = ("0", "softmax()")
    kinds = table(MODULE_KIND, [0], [[float(Kind.LINEAR), float(Kind.SOFTMAX)]], names)
    last = table(MODULE_LAST, [0], [[0.0, 1.0]], names)
    run = with_tables(attends([0.8, 0.8, 0.001]), [kinds, last])
    assert findings(RULE, run)
    assert not findings(RULE, without(run, MODULE_LAST))
    assert findings(RULE, without(attends([0.8, 0.8]), MODULE_KIND))


def test_what_cannot_be_known_is_not_judged() -> None:
    late = int(AT[AT > 10][0])
    for run in (
        attends([0.8, 0.8], since=late),
        attends([np.nan, np.nan]),
        without(SICK, CALL_BASELINE),
        without(SICK, CALL_VALUE),
        with_call(SICK, "mse_loss", baseline=np.nan),
        healthy_run(1),
    ):
        assert outcome(RULE, run).verdict is Verdict.NOT_EVALUATED
