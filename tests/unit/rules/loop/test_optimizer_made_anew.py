from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from helpers.rule_asserts import findings, the_finding
from made.changes import changed
from made.healthy import healthy_run
from tb_lossdiag.diagnosis.rule import Severity
from tb_lossdiag.quantities import BETA2, MOMENTUM, REPLACED_OPTIMIZERS
from tb_lossdiag.records import table
from tb_lossdiag.rules.loop.optimizer_made_anew import OptimizerMadeAnew
from tb_lossdiag.run import Run

RULE = OptimizerMadeAnew()


def anew(interval: int, times: int = 5, *, beta2: float = 0.999, momentum: float = 0.9) -> Run:
    """An optimizer that is made anew every so many steps."""
    run = changed(changed(healthy_run(1), BETA2, beta2), MOMENTUM, momentum)
    steps = interval * np.arange(1, times + 1)
    counts = table(REPLACED_OPTIMIZERS, steps, np.arange(1, times + 1))
    return replace(run, tables={**run.tables, REPLACED_OPTIMIZERS.name: counts})


SICK = anew(15)


def test_fires_on_an_optimizer_of_each_epoch() -> None:
    finding = the_finding(RULE, anew(15))
    assert finding.severity is Severity.WARNING
    assert "5 times in" in finding.message.en
    assert "about every 15," in finding.message.en
    assert "some 1000 steps" in finding.message.en
    assert (finding.evidence[0].first_step, finding.evidence[0].last_step) == (15, 75)


@pytest.mark.parametrize(
    ("run", "fires"),
    [
        (anew(999), True),
        (anew(1000), False),  # the averages have filled
        (anew(15, 2), False),  # phases of a training
        (anew(15, 3), True),
        (anew(9, beta2=float("nan")), True),  # SGD's momentum looks back ten steps
        (anew(10, beta2=float("nan")), False),
        (anew(5, beta2=float("nan"), momentum=float("nan")), False),
        (healthy_run(2), False),
    ],
)
def test_the_memory_of_the_averages_is_the_bound(run: Run, fires: bool) -> None:
    assert bool(findings(RULE, run)) is fires
