from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from helpers.rule_asserts import findings, the_finding
from made.changes import head
from made.check_ups import with_tables
from made.healthy import healthy_run
from tb_lossdiag.diagnosis.engine import Verdict
from tb_lossdiag.diagnosis.rule import Severity
from tb_lossdiag.quantities import LEARNING_RATE
from tb_lossdiag.records import Doubles, table
from tb_lossdiag.rules.loop.rate_repeats import RateRepeats
from tb_lossdiag.run import Run
from tb_lossdiag.testing import outcome

RULE = RateRepeats()
STEPS = np.arange(200)


def rated(rates: Doubles, scheduler: str = "") -> Run:
    """A run with these learning rates."""
    run = with_tables(healthy_run(1), [table(LEARNING_RATE, STEPS, rates, ("group 0",))])
    return replace(run, facts={**run.facts, "scheduler": scheduler})


def teeth(count: float, low: float = 0.1) -> Doubles:
    """A linear decay that begins anew so many times."""
    return 0.1 * (1 - (1 - low) * (STEPS * (count + 1) / 200 % 1))


HALVED = np.asarray(0.1 * 0.5 ** (STEPS // 20), np.float64)
LONGER = np.asarray(0.1 * (1 - np.log2(1 + STEPS / 4) % 1), np.float64)
SICK = rated(teeth(9))


def test_fires_where_the_rate_begins_anew_each_epoch() -> None:
    finding = the_finding(RULE, SICK)
    assert finding.severity is Severity.WARNING
    assert "came back up 9 times" in finding.message.en
    assert "every 20 steps" in finding.message.en


@pytest.mark.parametrize(
    ("run", "severity"),
    [
        (rated(teeth(8)), Severity.WARNING),
        (rated(teeth(7)), Severity.INFO),
        (rated(teeth(3)), Severity.INFO),
        (rated(teeth(2)), None),
        (rated(teeth(9, low=0.6)), None),
        (rated(teeth(9), "CosineAnnealingWarmRestarts"), None),
        (rated(teeth(9), "OneCycleLR"), Severity.WARNING),
        (rated(0.1 * (1 + np.cos(STEPS / 200 * np.pi)) / 2), None),
        (
            rated(LONGER),
            None,
        ),  # restarts that grow longer
        (rated(HALVED), None),
    ],
)
def test_courses_of_the_rate(run: Run, severity: Severity | None) -> None:
    assert [f.severity for f in findings(RULE, run)] == ([] if severity is None else [severity])


@pytest.mark.parametrize("count", [14, 24])
def test_the_oftener_the_louder(count: int) -> None:
    assert the_finding(RULE, rated(teeth(count))).severity is Severity.WARNING


def test_few_records_show_no_shape() -> None:
    assert outcome(RULE, head(SICK, 19)).verdict is Verdict.NOT_EVALUATED


def test_optimizers_that_are_recorded_at_different_steps() -> None:
    """A head that steps with every fourth step of its body: its rate holds in between."""
    rates = np.stack([np.full(200, 0.01), np.where(STEPS % 4 == 3, 0.03, np.nan)], axis=1)
    assert findings(RULE, rated(np.where(STEPS % 4 == 3, 0.03, 0.01)))
    both = table(LEARNING_RATE, STEPS, rates, ("body group 0", "head group 0"))
    assert not findings(RULE, with_tables(healthy_run(1), [both]))
