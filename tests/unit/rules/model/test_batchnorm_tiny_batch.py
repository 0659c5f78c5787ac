from __future__ import annotations

import numpy as np
import pytest

from helpers.rule_asserts import findings, findings_if_any, first_evidence, the_finding
from made.changes import without
from made.check_ups import check_steps, with_check_up
from made.healthy import healthy_run
from tb_lossdiag.diagnosis.engine import Verdict
from tb_lossdiag.quantities import BATCH_NORM_VALUES, BATCH_SIZE, LOSS
from tb_lossdiag.rules.model.batchnorm_tiny_batch import BatchnormTinyBatch
from tb_lossdiag.testing import outcome

RULE = BatchnormTinyBatch()
RUN = healthy_run(1)
AT = check_steps(RUN[LOSS].steps)
CHECKS = np.arange(len(AT))
SICK = with_check_up(RUN, BATCH_NORM_VALUES, 4.0)


def test_fires_on_four_values_per_channel() -> None:
    finding = the_finding(
        RULE, with_check_up(with_check_up(RUN, BATCH_NORM_VALUES, 4), BATCH_SIZE, 4)
    )
    assert "over 4 values per channel" in finding.message.en
    assert "batch (4)" in finding.advice.en


@pytest.mark.parametrize("seed", range(12))
def test_clear_on_healthy_runs(seed: int) -> None:
    assert not findings_if_any(RULE, healthy_run(seed))


def test_clear_at_the_threshold() -> None:
    assert not findings(RULE, with_check_up(RUN, BATCH_NORM_VALUES, 8))
    assert findings(RULE, with_check_up(RUN, BATCH_NORM_VALUES, 7))


def test_a_small_last_batch_now_and_then_is_not_this() -> None:
    some = np.where(CHECKS % 2 == 1, 4, 64)
    assert not findings(RULE, with_check_up(RUN, BATCH_NORM_VALUES, some))


def test_evidence_is_where_it_was_small() -> None:
    late = np.where(CHECKS > 2, 4, 64)
    evidence = first_evidence(RULE, with_check_up(RUN, BATCH_NORM_VALUES, late))
    assert (evidence.quantity, evidence.observed) == (BATCH_NORM_VALUES.name, 4.0)
    assert (evidence.first_step, evidence.last_step) == (AT[3], AT[-1])


def test_not_evaluated_without_batch_normalisation() -> None:
    none = with_check_up(RUN, BATCH_NORM_VALUES, np.nan)
    assert outcome(RULE, none).verdict is Verdict.NOT_EVALUATED
    assert outcome(RULE, without(RUN, BATCH_NORM_VALUES)).missing == (BATCH_NORM_VALUES.name,)
