from __future__ import annotations

from dataclasses import replace

import pytest

from helpers.rule_asserts import findings, the_finding
from made.changes import changed
from made.healthy import healthy_run
from tb_lossdiag.diagnosis.rule import Severity
from tb_lossdiag.quantities import GLOBAL_NORM, LOOKED_STEPS, LOSS, REUSED_STEPS
from tb_lossdiag.records import table
from tb_lossdiag.rules.loop.gradient_used_twice import GradientUsedTwice
from tb_lossdiag.run import Run

RULE = GradientUsedTwice()


def reused(counts: list[int], looked: list[int]) -> Run:
    """A run that was found so often to use gradients again, of so many looks."""
    run = healthy_run(1)
    steps = run[LOSS].steps[1 : 1 + len(counts)]
    tables = table(REUSED_STEPS, steps, counts), table(LOOKED_STEPS, steps, looked)
    return replace(run, tables={**run.tables, **{t.quantity.name: t for t in tables}})


SICK = reused([1, 10], [2, 20])


def test_fires_where_every_batch_is_stepped_twice() -> None:
    finding = the_finding(RULE, SICK)
    assert finding.severity is Severity.ERROR
    assert "Of 20 steps that were looked at, 10 used" in finding.message.en


@pytest.mark.parametrize(
    ("run", "fires"),
    [
        (reused([3], [30]), True),
        (reused([3], [31]), False),
        (reused([2], [4]), False),
        (changed(reused([9], [18]), GLOBAL_NORM, 0.0), False),  # there is no gradient at all
        (healthy_run(3), False),
    ],
)
def test_the_bounds(run: Run, fires: bool) -> None:
    assert bool(findings(RULE, run)) is fires
