from __future__ import annotations

import numpy as np
import pytest

from helpers.rule_asserts import findings, the_finding
from made.check_ups import with_tables
from made.healthy import healthy_run
from tb_lossdiag.diagnosis.engine import Verdict
from tb_lossdiag.diagnosis.rule import Severity
from tb_lossdiag.quantities import CALL_DIAL_LEVEL, CALL_DIAL_RATIO, CALL_DIAL_SHARE, LOSS
from tb_lossdiag.records import table
from tb_lossdiag.rules.loss_use.times_decide import TimesDecide
from tb_lossdiag.run import Run
from tb_lossdiag.testing import outcome

RULE = TimesDecide()


def drawn(
    share: float = 0.7,
    level: float = 0.3,
    scatter: float = 0.2,
    fall: float = 0.0,
    checks: int = 5,
    records: int = 200,
) -> Run:
    """A diffusion whose last half falls by such a share, with such noise, and what its check-ups say of time steps."""
    rng = np.random.default_rng(0)
    trend = 1 - fall * np.linspace(-1, 1, records).clip(0)
    values = trend * np.exp(scatter * rng.standard_normal(records))
    steps, call = np.arange(checks) * 40, ["mse_loss"]
    said = {CALL_DIAL_SHARE: share, CALL_DIAL_RATIO: 6.0, CALL_DIAL_LEVEL: level}
    tables = [table(q, steps, np.full((checks, 1), value), call) for q, value in said.items()]
    loss = table(LOSS, np.arange(records), values[:, None], [""])
    return with_tables(healthy_run(1), [*tables, loss])


SICK = drawn()


def test_says_what_decides() -> None:
    finding = the_finding(RULE, SICK)
    assert finding.severity is Severity.INFO
    assert "70% of what tells samples apart" in finding.message.en
    assert "costs 6 times the best one" in finding.message.en


@pytest.mark.parametrize(
    ("run", "fires"),
    [
        (drawn(share=0.41), True),
        (drawn(share=0.39), False),
        (drawn(level=0.89), True),
        (drawn(level=0.91), False),  # it has learned nothing
        (drawn(scatter=0.07), True),
        (drawn(scatter=0.03), False),  # such a curve can be read
        (drawn(fall=0.5), False),  # and so can this one
    ],
)
def test_the_bounds(run: Run, fires: bool) -> None:
    assert bool(findings(RULE, run)) is fires


@pytest.mark.parametrize("run", [drawn(checks=2), drawn(records=79), healthy_run(1)])
def test_little_tells_nothing(run: Run) -> None:
    assert outcome(RULE, run).verdict is Verdict.NOT_EVALUATED


@pytest.mark.parametrize("worth", [0.0, np.inf])
def test_what_is_no_level_is_not_flat(worth: float) -> None:
    run = drawn()
    values = run[LOSS].values.copy()
    values[-60:] = worth
    again = with_tables(run, [table(LOSS, run[LOSS].steps, values, [""])])
    assert not findings(RULE, again)
