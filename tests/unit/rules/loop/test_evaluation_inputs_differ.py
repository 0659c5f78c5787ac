from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from helpers.rule_asserts import findings, the_finding
from made.changes import without
from made.check_ups import with_tables
from made.healthy import healthy_run
from tb_lossdiag.diagnosis.engine import Verdict
from tb_lossdiag.diagnosis.rule import Severity
from tb_lossdiag.quantities import (
    CALL_TARGET_MEAN,
    CALL_TARGET_STD,
    EVAL_INPUT_MEAN,
    EVAL_INPUT_STD,
    EVAL_TARGET_MEAN,
    EVAL_TARGET_STD,
    INPUT_MEAN,
    INPUT_STD,
    LOSS,
    VALIDATION_LOSS,
)
from tb_lossdiag.records import table
from tb_lossdiag.rules.loop.evaluation_inputs_differ import EvaluationInputsDiffer
from tb_lossdiag.run import Run
from tb_lossdiag.testing import outcome

RULE = EvaluationInputsDiffer()
AT = np.array([0, 1, 2, 4, 8, 16])


def given(
    mean: float, std: float, *, looks: int = 2, spread: float = 0.0, harm: float | None = None
) -> Run:
    """Training inputs of mean 0 and standard deviation 1, give or take the spread; in eval() these, in the last check-ups."""
    wide = np.linspace(1 - spread, 1 + spread, len(AT))
    steps = np.arange(20)
    tables = [
        table(INPUT_MEAN, AT, np.linspace(-spread, spread, len(AT))),
        table(INPUT_STD, AT, wide),
        table(EVAL_INPUT_MEAN, AT[-looks:], np.full(looks, mean)),
        table(EVAL_INPUT_STD, AT[-looks:], np.full(looks, std)),
        table(LOSS, steps, np.ones(20)),
    ]
    if harm is not None:
        tables.append(table(VALIDATION_LOSS, steps[9::10], np.full(2, harm)))
    return with_tables(replace(healthy_run(1), tables={}), tables)


SICK = given(4.9, 6.0)


def test_fires_where_validation_is_not_scaled() -> None:
    finding = the_finding(RULE, SICK)
    assert finding.severity is Severity.WARNING
    assert "mean 4.9 and standard deviation 6, in training of mean 0" in finding.message.en
    assert "LD108" in RULE.explains


@pytest.mark.parametrize(
    ("run", "fires"),
    [
        (given(0, 2.0), True),
        (given(0, 1.9), False),
        (given(0, 0.5), True),
        (given(0, 0.6), False),
        (given(1.01, 1), True),
        (given(-0.9, 1), False),
        (given(1.01, 1, spread=0.2), False),  # training varies as well
        (given(0, 2.0, spread=0.2), False),
        (given(0, 300.0, spread=0.2), True),
    ],
)
def test_the_bounds(run: Run, fires: bool) -> None:
    assert bool(findings(RULE, run)) is fires


def test_without_harm_it_is_an_information() -> None:
    assert the_finding(RULE, given(0, 3, harm=1.4)).severity is Severity.INFO
    assert the_finding(RULE, given(0, 3, harm=1.6)).severity is Severity.WARNING
    assert the_finding(RULE, given(0, 3, harm=148)).severity is Severity.WARNING


def test_one_look_is_not_enough() -> None:
    assert outcome(RULE, given(4.9, 6.0, looks=1)).verdict is Verdict.NOT_EVALUATED


def compared(
    mean: float,
    std: float,
    *,
    harm: float = 2.0,
    looks: int = 2,
    calls: tuple[str, ...] = ("mse_loss",),
) -> Run:
    """Training targets of mean 0 and standard deviation 1; those of validations, whose inputs are as they should be."""
    run, names = given(0, 1, harm=harm), calls or ("cross_entropy",)
    wide = np.ones((len(AT), len(names)))
    tables = [
        table(CALL_TARGET_MEAN, AT, 0 * wide, names),
        table(CALL_TARGET_STD, AT, wide, names),
        table(EVAL_TARGET_MEAN, AT[-looks:], np.full(looks, mean)),
        table(EVAL_TARGET_STD, AT[-looks:], np.full(looks, std)),
    ]
    return with_tables(run, tables)


def test_fires_where_validation_compares_in_another_unit() -> None:
    finding = the_finding(RULE, compared(200, 30))
    assert finding.severity is Severity.WARNING
    assert "targets of mean 200 and standard deviation 30, training" in finding.message.en
    assert findings(RULE, compared(0, 0.4))


@pytest.mark.parametrize(
    "run",
    [
        compared(0.9, 1.9),
        compared(200, 30, harm=1.4),  # it does no harm: it cannot be so
        compared(200, 30, looks=1),
        compared(200, 30, calls=("mse_loss", "l1_loss")),
        compared(200, 30, calls=()),
        without(compared(200, 30), VALIDATION_LOSS),
        without(compared(200, 30), EVAL_TARGET_STD),
        without(compared(200, 30), CALL_TARGET_MEAN),
    ],
)
def test_clear_where_targets_are_alike_or_nothing_shows(run: Run) -> None:
    assert not findings(RULE, run)
