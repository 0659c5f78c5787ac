from __future__ import annotations

import numpy as np
import pytest

from helpers.rule_asserts import findings, the_finding
from made.check_ups import with_tables
from made.healthy import healthy_run
from tb_lossdiag.diagnosis.engine import Verdict
from tb_lossdiag.diagnosis.rule import Severity
from tb_lossdiag.quantities import (
    LOGGED_EXCESS,
    LOGGED_LOAD,
    LOSS,
    ROUTER_EXPERTS,
    ROUTER_MOST,
    ROUTER_PER_EXPERT,
    Quantity,
)
from tb_lossdiag.records import table
from tb_lossdiag.rules.model.expert_imbalance import ExpertImbalance
from tb_lossdiag.run import Run
from tb_lossdiag.testing import outcome

RULE = ExpertImbalance()
BASE = healthy_run(1)
AT = BASE[LOSS].steps[::20]
LAYERS = ("0.gate.topk()", "1.gate.topk()", "2.gate.topk()")


def load(
    *late: float, first: float = 1.2, experts: float = 16, tokens: float = 64, checks: int = 99
) -> Run:
    """Routers whose busiest expert gets so many times its share, after the first check-up."""
    at = AT[:checks]
    values = np.tile(np.array(late), (len(at), 1))
    values[0] = first
    shape, names = values.shape, LAYERS[: len(late)]
    tables = [
        table(ROUTER_MOST, at, values, names),
        table(ROUTER_EXPERTS, at, np.full(shape, experts), names),
        table(ROUTER_PER_EXPERT, at, np.full(shape, tokens), names),
    ]
    return with_tables(BASE, tables)


SICK = load(5.0, 4.0, 1.3)


def test_names_the_worst_router() -> None:
    finding = the_finding(RULE, SICK)
    assert finding.severity is Severity.WARNING
    assert "`0.gate.topk()` gets 5 times" in finding.message.en
    assert "in 2 of 3 routers" in finding.message.en


def test_a_router_that_has_come_into_balance_by_now_is_left_alone() -> None:
    run = load(5.0)
    values = run[ROUTER_MOST].values.copy()
    values[-1] = 2.0
    settled = table(ROUTER_MOST, run[ROUTER_MOST].steps, values, LAYERS[:1])
    assert not findings(RULE, with_tables(run, [settled]))


def test_one_of_three_is_an_information() -> None:
    assert the_finding(RULE, load(5.0, 1.0, 1.3)).severity is Severity.INFO


@pytest.mark.parametrize(
    ("run", "fires"), [(load(2.9, 2.9), False), (load(3.1, 3.1), True), (load(1.3, first=9), False)]
)
def test_the_bounds(run: Run, fires: bool) -> None:
    assert bool(findings(RULE, run)) is fires


@pytest.mark.parametrize("run", [load(5.0, experts=4), load(5.0, tokens=8), load(5.0, checks=3)])
def test_little_tells_nothing(run: Run) -> None:
    assert outcome(RULE, run).verdict is Verdict.NOT_EVALUATED


def logged(
    *late: float, early: float = 1.3, records: int = 100, quantity: Quantity = LOGGED_LOAD
) -> Run:
    """A log of layers whose busiest expert gets so much from the sixth record on."""
    steps = BASE[LOSS].steps[:records]
    values = np.tile(np.array(late), (len(steps), 1))
    values[:6] = early
    names = tuple(f"block_{index}" for index in range(len(late))) if len(late) > 1 else ("",)
    return with_tables(BASE, [table(quantity, steps, values, names)])


@pytest.mark.parametrize(
    ("run", "severity"),
    [
        (logged(3.1, 3.5, 1.2), Severity.WARNING),
        (logged(3.1, 1.2, 1.2), Severity.INFO),
        (logged(3.1), Severity.WARNING),
        (logged(3.1, early=2.2), Severity.INFO),  # as it was from the beginning on
        (logged(2.1, early=0.3, quantity=LOGGED_EXCESS), Severity.WARNING),
        (logged(2.9), None),
        (logged(1.9, early=0.3, quantity=LOGGED_EXCESS), None),
    ],
)
def test_a_log_tells_the_load_too(run: Run, severity: Severity | None) -> None:
    found = findings(RULE, run)
    assert [finding.severity for finding in found] == ([] if severity is None else [severity])


def test_a_short_log_tells_nothing() -> None:
    assert outcome(RULE, logged(5.0, records=19)).verdict is Verdict.NOT_EVALUATED


def test_the_mean_of_all_layers_has_no_name() -> None:
    assert "the busiest one gets 5 times" in the_finding(RULE, logged(5.0)).message.en
    assert "of `block_0` gets 5 times" in the_finding(RULE, logged(5.0, 1.0)).message.en
