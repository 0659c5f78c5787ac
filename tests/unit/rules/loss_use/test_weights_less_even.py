from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from helpers.rule_asserts import findings, findings_if_any, the_finding
from made.check_ups import check_steps, with_tables
from made.healthy import healthy_run
from made.loss_calls import with_call, with_labels
from tb_lossdiag.diagnosis.engine import Verdict
from tb_lossdiag.diagnosis.rule import Severity
from tb_lossdiag.quantities import LABEL_WEIGHT, LOSS
from tb_lossdiag.records import table
from tb_lossdiag.rules.loss_use.weights_less_even import WeightsLessEven
from tb_lossdiag.run import Run
from tb_lossdiag.testing import outcome

RULE = WeightsLessEven()
RUN = healthy_run(1)
AT = check_steps(RUN[LOSS].steps)


def weighted(counts: Sequence[float], weights: Sequence[float]) -> Run:
    """A run whose check-ups saw so many targets of each class, and were given these weights."""
    run = with_labels(with_call(RUN, "cross_entropy", weighted=1), counts)
    names = [str(index) for index in range(len(weights))]
    given = table(LABEL_WEIGHT, AT, np.tile(weights, (len(AT), 1)), names)
    return with_tables(run, [given])


def answers(share: float, pos_weight: float) -> Run:
    """Yes and no."""
    name = "binary_cross_entropy_with_logits"
    return with_call(RUN, name, weighted=1, target_mean=share, pos_weight=pos_weight)


SICK = weighted([70, 20, 10], [4.0, 1.0, 0.5])


def test_fires_where_weights_are_in_the_wrong_order() -> None:
    finding = the_finding(RULE, SICK)
    assert finding.severity is Severity.WARNING
    assert "Class 0 has 70% of the targets" in finding.message.en
    assert "91.8% of the say" in finding.message.en
    assert "LD509" in RULE.explains


@pytest.mark.parametrize(
    ("run", "severity"),
    [
        (weighted([70, 20, 10], [0.5, 1.7, 3.3]), None),  # the inverse
        (weighted([70, 20, 10], [1.0, 1.0, 1.0]), None),
        (weighted([70, 20, 10], [1.7, 1.0, 1.0]), Severity.WARNING),  # 20 % are left of 30 %
        (weighted([70, 20, 10], [1.5, 1.0, 1.0]), None),
        (weighted([70, 20, 10], [0.1, 1.0, 30.0]), Severity.INFO),  # a rare class is meant to count
        (weighted([26, 25, 25, 24], [9.0, 1.0, 1.0, 1.0]), Severity.INFO),  # no class is the frequent one
        (weighted([9, 1], [1.0, 9.0]), None),
        (answers(0.1, 9.0), None),
        (answers(0.7, 5.0), Severity.WARNING),
        (answers(0.1, 100.0), None),
        (answers(0.3, 50.0), Severity.INFO),
    ],
)  # fmt: skip
def test_what_weights_do(run: Run, severity: Severity | None) -> None:
    assert [f.severity for f in findings(RULE, run)] == ([] if severity is None else [severity])


@pytest.mark.parametrize("factor", [10.0, 1000.0])
def test_the_grosser_the_order_the_louder(factor: float) -> None:
    run = weighted([70, 20, 10], [factor, 1.0, 1 / factor])
    assert the_finding(RULE, run).severity is Severity.WARNING


@pytest.mark.parametrize("seed", range(6))
def test_clear_on_healthy_runs(seed: int) -> None:
    assert not findings_if_any(RULE, healthy_run(seed))


def test_few_targets_are_not_judged() -> None:
    run = weighted([0.7, 0.2, 0.1], [4.0, 1.0, 0.5])
    assert outcome(RULE, run).verdict is Verdict.NOT_EVALUATED
