from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from helpers.rule_asserts import findings, the_finding
from made.check_ups import with_tables
from made.healthy import healthy_run
from tb_lossdiag.diagnosis.engine import Verdict
from tb_lossdiag.quantities import LOGGED_LOAD, LOSS, LOSS_TERM, ROUTER_MOST
from tb_lossdiag.records import table
from tb_lossdiag.rules.model.balance_loss_idle import BalanceLossIdle
from tb_lossdiag.run import Run
from tb_lossdiag.testing import outcome

RULE = BalanceLossIdle()
BASE = healthy_run(1)
STEPS = BASE[LOSS].steps


def balance(
    spread: float,
    name: str = "aux",
    load: Sequence[float] = (1.3, 1.5, 2.0, 2.5, 3.0),
    records: int = 200,
    level: float = 1.0,
) -> Run:
    """A term that moves by such a share of its level, beside a router of this load."""
    values = np.ones((records, 2))
    values[:, 0] = level
    values[:, 0] += np.linspace(-spread / 2, spread / 2, records)
    terms = table(LOSS_TERM, STEPS[:records], values, (name, "fit"))
    return with_tables(
        BASE, [terms, table(ROUTER_MOST, STEPS[: len(load)], load, ("0.gate.topk()",))]
    )


SICK = balance(0.001)


def test_says_the_load_that_it_does_not_follow() -> None:
    finding = the_finding(RULE, SICK)
    assert finding.subject == "aux"
    assert "between 1.3 and 3 (" in finding.message.en


@pytest.mark.parametrize(
    ("run", "fires"),
    [
        (balance(0.010), True),
        (balance(0.013), False),
        (balance(0.001, load=[1.3, 1.35, 1.4, 1.4, 1.5]), False),
        (balance(0.001, load=[1.3, 1.35, 1.4, 1.4, 1.6]), True),
        (balance(0.001, "balance/load"), True),
        (balance(0.0, load=[4.0] * 5), True),
        (balance(0.0, load=[1.9] * 5), False),
        (balance(1e-5, load=[4.0] * 5), False),
        (balance(0.0, level=0.0), False),
    ],
)
def test_the_bounds(run: Run, fires: bool) -> None:
    assert bool(findings(RULE, run)) is fires


@pytest.mark.parametrize(
    "run", [balance(0.001, "kl"), balance(0.001, load=[1.3, 3.0]), balance(0.001, records=15)]
)
def test_without_either_it_is_not_judged(run: Run) -> None:
    assert outcome(RULE, run).verdict is Verdict.NOT_EVALUATED


@pytest.mark.parametrize(("records", "fires"), [(40, True), (15, None)])
def test_the_load_may_stand_in_a_log(records: int, fires: bool | None) -> None:
    terms = table(LOSS_TERM, STEPS[:200], np.ones((200, 1)), ("load_balancing_loss",))
    load = table(LOGGED_LOAD, STEPS[:records], np.linspace(1.2, 2.0, records), ("block_00",))
    run = with_tables(BASE, [terms, load])
    if fires:
        assert "`block_00` lies between 1.2 and 2" in the_finding(RULE, run).message.en
    else:
        assert outcome(RULE, run).verdict is Verdict.NOT_EVALUATED
