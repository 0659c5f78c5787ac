from __future__ import annotations

import math

import numpy as np
import pytest

from helpers.rule_asserts import findings, the_finding
from made.changes import with_loss, without
from made.check_ups import check_steps, with_tables
from made.healthy import healthy_run
from tb_lossdiag.diagnosis.engine import Verdict
from tb_lossdiag.diagnosis.rule import Severity
from tb_lossdiag.quantities import (
    CALL_MARGIN,
    CALL_TARGET_INDEX,
    CALL_VALUE,
    CALL_VARIATION,
    COPY_DISTANCE,
    LOSS,
    OUTPUT_WIDTH,
)
from tb_lossdiag.records import table
from tb_lossdiag.rules.loss_use.uniform_collapse import UniformCollapse
from tb_lossdiag.run import Run
from tb_lossdiag.testing import outcome

RULE = UniformCollapse()
RUN = without(healthy_run(1), CALL_TARGET_INDEX)
AT = RUN[LOSS].steps
CHECKS = check_steps(AT)


def distilled(level: float = math.log(64), outputs: float = 64, noise: float = 1e-4) -> Run:
    """A student and a teacher whose loss ends at this level."""
    wave = np.where(np.arange(len(AT)) % 2, 1, -1)
    values = np.where(np.arange(len(AT)) < 20, 2.9, level * (1 + noise * wave))
    tables = [
        table(OUTPUT_WIDTH, CHECKS, np.full(len(CHECKS), outputs)),
        table(COPY_DISTANCE, CHECKS, np.full(len(CHECKS), 0.1)),
    ]
    return with_tables(with_loss(RUN, values), tables)


def triplets(value: float = 0.2, variation: float = 0.01, margin: float = 0.2) -> Run:
    """A triplet loss of this value, whose anchors vary so much."""
    name = "triplet_margin_loss"
    facts = ((CALL_MARGIN, margin), (CALL_VALUE, value), (CALL_VARIATION, variation))
    tables = [table(each, CHECKS, np.full(len(CHECKS), v), (name,)) for each, v in facts]
    return with_tables(RUN, tables)


SICK = distilled()


def test_fires_where_student_and_teacher_are_uniform() -> None:
    finding = the_finding(RULE, SICK)
    assert finding.severity is Severity.WARNING
    assert "the logarithm of its 64 outputs (4.16)" in finding.message.en
    assert "LD104" in RULE.explains


def test_fires_where_a_triplet_loss_is_its_margin() -> None:
    finding = the_finding(RULE, triplets())
    assert "is the margin itself (0.2) in the last 3 check-ups" in finding.message.en


@pytest.mark.parametrize(
    ("run", "fires"),
    [
        (distilled(math.log(64) * 1.004), True),
        (distilled(math.log(64) * 0.99), False),  # it prefers some
        (distilled(noise=0.03), False),
        (distilled(math.log(4), 4), False),
        (triplets(0.197), True),
        (triplets(0.19), False),
        (triplets(variation=0.06), False),  # mined negatives
        (triplets(0.0, margin=0.0), False),
    ],
)
def test_the_bounds(run: Run, fires: bool) -> None:
    assert bool(findings(RULE, run)) is fires


def test_a_classifier_with_a_teacher_is_another_matter() -> None:
    labels = table(CALL_TARGET_INDEX, CHECKS, np.ones(len(CHECKS)), ("cross_entropy",))
    assert outcome(RULE, with_tables(SICK, [labels])).verdict is Verdict.NOT_EVALUATED


def test_a_short_run_is_not_judged() -> None:
    short = with_tables(SICK, [table(LOSS, AT[:39], np.full(39, math.log(64)))])
    assert outcome(RULE, short).verdict is Verdict.NOT_EVALUATED
