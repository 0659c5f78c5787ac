from __future__ import annotations

import numpy as np
import pytest

from helpers.rule_asserts import findings, the_finding
from made.check_ups import with_tables
from made.healthy import healthy_run
from tb_lossdiag.diagnosis.engine import Verdict
from tb_lossdiag.diagnosis.rule import Severity
from tb_lossdiag.quantities import LOGGED_IDLE, LOSS, ROUTER_IDLE, ROUTER_PER_EXPERT
from tb_lossdiag.records import table
from tb_lossdiag.rules.model.router_collapse import RouterCollapse
from tb_lossdiag.run import Run
from tb_lossdiag.testing import outcome

RULE = RouterCollapse()
BASE = healthy_run(1)
AT = BASE[LOSS].steps[::20]
LAYERS = ("0.gate.topk()", "1.gate.topk()")


def idle(
    late: float, first: float = 0.0, once: float | None = None, tokens: float = 64, checks: int = 99
) -> Run:
    """Two routers, one of which leaves such a share of its experts idle after the first check-up."""
    at = AT[:checks]
    values = np.zeros((len(at), 2))
    values[:, 0], values[0, 0] = late, first
    if once is not None:
        values[-2, 0] = once
    due = table(ROUTER_PER_EXPERT, at, np.full(values.shape, tokens), LAYERS)
    return with_tables(BASE, [table(ROUTER_IDLE, at, values, LAYERS), due])


SICK = idle(0.75)


def test_says_how_many_and_where() -> None:
    finding = the_finding(RULE, SICK)
    assert finding.severity is Severity.ERROR
    assert "75% of those of `0.gate.topk()`" in finding.message.en
    assert "in 1 of 2 routers" in finding.message.en


@pytest.mark.parametrize(
    ("run", "fires"),
    [
        (idle(0.24), False),
        (idle(0.26), True),
        (idle(0.0, first=0.9), False),
        (idle(0.75, once=0.2), False),  # they came back once
    ],
)
def test_the_bounds(run: Run, fires: bool) -> None:
    assert bool(findings(RULE, run)) is fires


def test_a_quarter_is_a_warning() -> None:
    assert the_finding(RULE, idle(0.4)).severity is Severity.WARNING


@pytest.mark.parametrize("run", [idle(0.75, tokens=8), idle(0.75, checks=3)])
def test_little_tells_nothing(run: Run) -> None:
    assert outcome(RULE, run).verdict is Verdict.NOT_EVALUATED


def logged(late: float, early: float = 0.0, once: float | None = None, records: int = 100) -> Run:
    """A log of the share of idle experts, from the sixth record on."""
    steps = BASE[LOSS].steps[:records]
    values = np.full((len(steps), 1), late)
    values[:6] = early
    if once is not None:
        values[-2] = once
    return with_tables(BASE, [table(LOGGED_IDLE, steps, values, ("layer_3",))])


@pytest.mark.parametrize(
    ("run", "severity"),
    [
        (logged(0.55, 0.25), Severity.WARNING),
        (logged(0.55, 0.30), Severity.INFO),  # half of it was so from the beginning on
        (logged(0.45), Severity.INFO),
        (logged(0.24), None),
        (logged(0.75, once=0.1), None),
    ],
)
def test_a_log_tells_of_idle_experts_too(run: Run, severity: Severity | None) -> None:
    found = findings(RULE, run)
    assert [finding.severity for finding in found] == ([] if severity is None else [severity])


def test_a_short_log_tells_nothing() -> None:
    assert outcome(RULE, logged(0.9, records=19)).verdict is Verdict.NOT_EVALUATED
