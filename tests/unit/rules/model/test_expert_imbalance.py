from __future__ import annotations

import numpy as np
import pytest

from helpers.rule_asserts import findings, the_finding
from made.check_ups import with_tables
from made.healthy import healthy_run
from tb_lossdiag.diagnosis.engine import Verdict
from tb_lossdiag.diagnosis.rule import Severity
from tb_lossdiag.quantities import LOSS, ROUTER_EXPERTS, ROUTER_MOST, ROUTER_PER_EXPERT
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
