from __future__ import annotations

import numpy as np
import pytest

from helpers.rule_asserts import findings, findings_if_any, first_evidence, the_finding
from made.check_ups import with_tables
from made.healthy import healthy_run
from tb_lossdiag.diagnosis.engine import Verdict
from tb_lossdiag.quantities import FREE_DEVIATION, FREE_KIND, FREE_MEAN, FREE_SIZE
from tb_lossdiag.records import table
from tb_lossdiag.rules.loss_terms.weights_without_price import WeightsWithoutPrice
from tb_lossdiag.run import Run
from tb_lossdiag.testing import outcome

RULE = WeightsWithoutPrice()
AT = np.array([0, 1, 2, 4, 8, 16])


def weighed(
    kind: int = 0, ends: tuple[float, float] = (0.0, 0.3), off: float = 0.0, checks: int = 6
) -> Run:
    """A parameter that goes from one value to the other while the loss is a multiple of what it says, or nearly."""
    at, names = AT[:checks], ("log_var",)
    value = np.linspace(*ends, len(at))
    tables = [
        table(FREE_DEVIATION, at, np.full(len(at), off), names),
        table(FREE_KIND, at, np.full(len(at), kind), names),
        table(FREE_MEAN, at, value, names),
        table(FREE_SIZE, at, np.abs(value), names),
    ]
    return with_tables(healthy_run(1), tables)


SICK = weighed()


def test_says_what_it_makes_of_the_loss() -> None:
    message = the_finding(RULE, SICK).message.en
    assert "The loss is exp(-p) times something in all 6 check-ups up to step 16" in message
    assert "`log_var`" in message
    assert "cost 74.1% of what they cost at the start" in message
    assert first_evidence(RULE, SICK).quantity == FREE_DEVIATION.name


@pytest.mark.parametrize(
    ("run", "fires"),
    [
        (weighed(0, (0.0, 0.06)), True),
        (weighed(0, (0.0, 0.04)), False),  # it has hardly moved
        (weighed(0, (0.3, 0.0)), False),  # it grows: something else asks for it
        (weighed(1, (0.0, 0.03)), True),
        (weighed(2, (1.0, 0.9)), True),
        (weighed(2, (1.0, 1.1)), False),
        (weighed(2, (1.0, 1.0)), False),  # held to one sum
        (weighed(3, (1.0, 1.1)), True),
        (weighed(4, (1.0, 1.03)), True),
        (weighed(4, (1.0, 1.02)), False),
        (weighed(3, (0.0, 1.0)), False),
        (weighed(off=9e-4), True),
        (weighed(off=2e-3), False),
    ],
)
def test_the_bounds(run: Run, fires: bool) -> None:
    assert bool(findings(RULE, run)) is fires


def test_forms_that_change_are_chance() -> None:
    kinds = table(FREE_KIND, AT, [0, 0, 3, 0, 0, 0], ("log_var",))
    assert not findings(RULE, with_tables(SICK, [kinds]))
    first = table(FREE_KIND, AT, [1, 0, 0, 0, 0, 0], ("log_var",))
    assert findings(RULE, with_tables(SICK, [first]))


def test_two_check_ups_are_too_few() -> None:
    assert outcome(RULE, weighed(checks=2)).verdict is Verdict.NOT_EVALUATED
    assert findings(RULE, weighed(checks=3))


@pytest.mark.parametrize("seed", range(3))
def test_clear_on_healthy_runs(seed: int) -> None:
    assert not findings_if_any(RULE, healthy_run(seed))
