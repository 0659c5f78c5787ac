from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from helpers.rule_asserts import findings, the_finding
from made.healthy import healthy_run
from tb_lossdiag.diagnosis.engine import Verdict, judge
from tb_lossdiag.quantities import ROUTER_MOST, WEIGHTS_OF_ONE
from tb_lossdiag.records import table
from tb_lossdiag.rules.model.weight_of_one import WeightOfOne
from tb_lossdiag.run import Run

RULE = WeightOfOne()


def seen(checks: int) -> Run:
    """A mixture whose weights were all 1 in so many check-ups."""
    run = healthy_run(1)
    made = table(WEIGHTS_OF_ONE, 2 ** np.arange(checks), np.full(checks, 128.0))
    return replace(run, tables={**run.tables, WEIGHTS_OF_ONE.name: made})


SICK = seen(5)


def test_says_how_many() -> None:
    assert the_finding(RULE, SICK).message.en.startswith("128 weights of a choice are 1")


@pytest.mark.parametrize(("checks", "fires"), [(2, False), (3, True)])
def test_once_may_be_a_batch(checks: int, fires: bool) -> None:
    assert bool(findings(RULE, seen(checks))) is fires


def test_a_router_without_such_weights_is_sound() -> None:
    run = healthy_run(1)
    assert judge(run, RULE)[0].verdict is Verdict.NOT_EVALUATED
    router = table(ROUTER_MOST, np.arange(4), np.ones((4, 1)), ("gate",))
    routed = replace(run, tables={**run.tables, ROUTER_MOST.name: router})
    assert judge(routed, RULE)[0].verdict is Verdict.CLEAR
