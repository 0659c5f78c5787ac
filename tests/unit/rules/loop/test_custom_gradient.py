from __future__ import annotations

import numpy as np
import pytest

from helpers.rule_asserts import findings, the_finding
from made.check_ups import check_steps, with_tables
from made.healthy import healthy_run
from tb_lossdiag.diagnosis.engine import Verdict
from tb_lossdiag.diagnosis.rule import Severity
from tb_lossdiag.quantities import (
    CUSTOM_AGREEMENT,
    CUSTOM_BROKEN,
    CUSTOM_NESTED,
    CUSTOM_ONLY,
    CUSTOM_PASSED,
    LOSS,
)
from tb_lossdiag.records import table
from tb_lossdiag.rules.loop.custom_gradient import CustomGradient
from tb_lossdiag.run import Run
from tb_lossdiag.testing import outcome

RULE = CustomGradient()
RUN = healthy_run(1)
AT = check_steps(RUN[LOSS].steps)[:4]


def passing(
    name: str = "_Reverse",
    *,
    agreement: float = 1.0,
    passed: float = 1.0,
    broken: int = 0,
    only: float = 0.0,
    nested: int = 1,
    checks: int = 4,
) -> Run:
    """A custom function that hands gradients on like this; at the first step it gives nothing, as a strength that grows from 0."""
    at, names = AT[:checks], (name,)
    grows = np.arange(checks) > 0
    cosine = np.where(grows, agreement, np.nan)
    values = [
        (CUSTOM_PASSED, np.where(grows, passed, 0.0)),
        (CUSTOM_AGREEMENT, cosine),
        (CUSTOM_BROKEN, np.arange(checks) < broken),
        (CUSTOM_ONLY, np.full(checks, only)),
        (CUSTOM_NESTED, np.full(checks, nested)),
    ]
    return with_tables(RUN, [table(quantity, at, v, names) for quantity, v in values])


SICK = passing()


def test_fires_where_a_reversal_keeps_the_sign() -> None:
    finding = the_finding(RULE, SICK)
    assert finding.severity is Severity.WARNING
    assert (
        f"hands it on with its sign, in 3 of 3 check-ups up to step {AT[-1]}" in finding.message.en
    )


def test_fires_where_a_reversal_stands_twice_on_one_way() -> None:
    finding = the_finding(RULE, passing(agreement=-1.0, nested=2))
    assert "turned round twice" in finding.message.en


def test_fires_where_parameters_are_trained_to_make_the_loss_larger() -> None:
    finding = the_finding(RULE, passing("Rounded", agreement=-1.0, only=1.0))
    assert "make the loss larger" in finding.message.en


def test_fires_where_nothing_comes_through() -> None:
    run = passing("Rounded", passed=0.0, only=0.5, agreement=np.nan)
    finding = the_finding(RULE, run)
    assert finding.severity is Severity.WARNING
    assert "exactly 0 in all 4 check-ups" in finding.message.en


def test_a_strength_of_0_beside_another_way_is_an_information() -> None:
    finding = the_finding(RULE, passing(passed=0.0, agreement=np.nan))
    assert finding.severity is Severity.INFO


def test_fires_where_finite_gradients_become_nan() -> None:
    finding = the_finding(RULE, passing("Rooted", broken=2, agreement=0.5))
    assert "NaN or infinity of finite gradients, in 2 of 4" in finding.message.en


@pytest.mark.parametrize(
    "run",
    [
        passing(agreement=-1.0),  # as it is meant
        passing(agreement=-1.0, nested=3),
        passing("Rounded"),
        passing("Rounded", only=1.0),
        passing(
            "Rounded", agreement=-1.0, only=0.9
        ),  # by another name, and another way leads there
        passing("Clipped", agreement=0.98, only=1.0),
        passing(agreement=0.98),
        passing("Rooted", broken=1),
        passing(checks=2),
        passing(checks=2, passed=0.0),
    ],
)
def test_stays_quiet(run: Run) -> None:
    assert not findings(RULE, run)


def test_needs_a_custom_function() -> None:
    assert outcome(RULE, RUN).verdict is Verdict.NOT_EVALUATED
