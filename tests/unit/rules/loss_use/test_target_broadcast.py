from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from helpers.rule_asserts import findings, findings_if_any, first_evidence, the_finding
from made.check_ups import check_steps, with_tables
from made.healthy import healthy_run
from made.loss_calls import with_call
from tb_lossdiag.diagnosis.engine import Verdict
from tb_lossdiag.diagnosis.rule import Severity
from tb_lossdiag.quantities import ALL_AGAINST_ALL, CALL_BROADCAST, LOSS
from tb_lossdiag.records import Table, table
from tb_lossdiag.rules.loss_use.target_broadcast import TargetBroadcast
from tb_lossdiag.testing import outcome

RULE = TargetBroadcast()
RUN = healthy_run(1)
AT = check_steps(RUN[LOSS].steps)
SICK = with_call(RUN, "mse_loss", broadcast=64)


def test_fires_on_a_column_against_a_row() -> None:
    finding = the_finding(RULE, with_call(RUN, "mse_loss", broadcast=64))
    assert "all 64 targets" in finding.message.en
    assert "mse_loss(prediction, target)" in finding.advice.en


def test_fires_on_images_without_their_channel() -> None:
    assert findings(RULE, with_call(RUN, "mse_loss", broadcast=64, outputs=784))


@pytest.mark.parametrize("seed", range(12))
def test_clear_on_healthy_runs(seed: int) -> None:
    assert not findings_if_any(RULE, healthy_run(seed))


def test_pairs_on_purpose_are_not_this() -> None:
    """Quantile regression: (N, Q, 1) against (N, 1, Q)."""
    assert not findings(RULE, with_call(RUN, "mse_loss", broadcast=32, outputs=32))
    assert not findings(RULE, with_call(RUN, "mse_loss", broadcast=64, outputs=64))


def test_a_last_batch_of_one_does_not_hide_it() -> None:
    last = np.arange(len(AT)) == len(AT) - 1
    ones = np.where(last, 1.0, 64.0)
    finding = the_finding(RULE, with_call(RUN, "mse_loss", broadcast=ones, samples=ones))
    assert finding.evidence[0].last_step == AT[-2]


def test_evidence_is_the_ratio() -> None:
    evidence = first_evidence(RULE, with_call(RUN, "mse_loss", broadcast=64))
    assert (evidence.quantity, evidence.column) == (CALL_BROADCAST.name, "mse_loss")
    assert (evidence.observed, evidence.threshold) == (64.0, 1.0)


def test_not_evaluated_for_class_indices() -> None:
    assert outcome(RULE, with_call(RUN, "cross_entropy")).verdict is Verdict.NOT_EVALUATED


def test_one_answer_for_all_targets_of_the_batch() -> None:
    """A pool over the whole batch: nothing grows, but there are more different targets than outputs."""
    run = with_call(RUN, "mse_loss", broadcast=1, samples=1, outputs=1, target_unique=17)
    finding = the_finding(RULE, run)
    assert finding.severity is Severity.WARNING
    assert "17" in finding.message.en


def test_as_many_targets_as_outputs_are_right_and_so_are_several_targets_of_a_sample() -> None:
    for samples, outputs, targets in ((1, 12, 12), (4, 1, 12)):
        sizes = {"samples": samples, "outputs": outputs, "target_unique": targets}
        assert not findings(RULE, with_call(RUN, "mse_loss", broadcast=1, **sizes))
    more = {"samples": 1, "outputs": 12, "target_unique": 13}
    assert findings(RULE, with_call(RUN, "mse_loss", broadcast=1, **more))


def _crossed_tables(checks: int) -> list[Table]:
    return [table(ALL_AGAINST_ALL, AT[:checks], np.full(checks, 64.0))]


def test_fires_on_a_column_against_a_row_in_a_loss_of_ones_own() -> None:
    finding = the_finding(RULE, with_tables(RUN, _crossed_tables(3)))
    assert finding.severity is Severity.ERROR
    assert (
        f"3 check-ups up to step {AT[2]} the loss was made from 64 times 64" in finding.message.en
    )


def test_no_loss_function_needs_to_be_seen_for_that() -> None:
    bare = {name: t for name, t in RUN.tables.items() if t.quantity.frame != "call"}
    run = with_tables(replace(RUN, tables=bare), _crossed_tables(3))
    assert findings(RULE, run)


def test_looking_at_it_twice_is_none() -> None:
    assert not findings(RULE, with_tables(with_call(RUN, "mse_loss"), _crossed_tables(2)))
